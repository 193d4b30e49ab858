"""Random schedules: the mailbox beside a list, and whole systems whose books must balance."""

import contextvars
from collections import Counter

import trio
import trio.testing
from acting import taking
from hypothesis import example, given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import data, floats, integers, lists, one_of, sampled_from, tuples

from rkruntime.actors import Actor, ActorEvent, ActorSystem, Restart
from rkruntime.actors._mailbox import RUNNING, Envelope, Mailbox
from rkruntime.errors import RestartLimit, RkError
from rkruntime.testing import RecordingHook

CONTEXT = contextvars.copy_context()


class MailboxMachine(RuleBasedStateMachine):
    """Control messages first, the others in order, at most `capacity` of them; a withdrawn one never comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(5)
        self.urgent: list[Envelope] = []
        self.waiting: list[Envelope] = []

    def envelope(self) -> Envelope:
        return Envelope(print, (), {}, CONTEXT, ())

    @precondition(lambda self: not self.mailbox.full)
    @rule()
    def put(self) -> None:
        self.waiting.append(self.envelope())
        self.mailbox.put(self.waiting[-1])

    @rule()
    def put_urgent(self) -> None:
        self.urgent.append(self.envelope())
        self.mailbox.put(self.urgent[-1], urgent=True)

    @rule()
    def take(self) -> None:
        expected = self.urgent.pop(0) if self.urgent else self.waiting.pop(0) if self.waiting else None
        taken = self.mailbox.take()
        assert taken is expected
        if taken is not None:
            taken.state = RUNNING

    @precondition(lambda self: self.urgent or self.waiting)
    @rule(choose=data())
    def withdraw(self, choose) -> None:
        envelope = choose.draw(sampled_from(self.urgent + self.waiting))
        (self.urgent if envelope in self.urgent else self.waiting).remove(envelope)
        self.mailbox.withdraw(envelope)

    @invariant()
    def books_balance(self) -> None:
        assert self.mailbox.depth == len(self.urgent) + len(self.waiting)
        assert self.mailbox.full == (len(self.waiting) >= 5)


TestMailboxMachine = MailboxMachine.TestCase
TestMailboxMachine.settings = settings(max_examples=50, stateful_step_count=60, deadline=None)


class Subject(Actor):
    def __init__(self, handled: Counter) -> None:
        self.handled = handled

    async def work(self, number: int, seconds: float) -> int:
        self.handled[number] += 1
        await trio.sleep(seconds)
        return number

    async def crash(self, number: int) -> None:
        self.handled[number] += 1
        raise ValueError(str(number))


OPERATIONS = lists(
    one_of(
        tuples(sampled_from(["work"]), integers(0, 2), floats(0, 5)),
        tuples(sampled_from(["crash"]), integers(0, 2), floats(0, 0)),
        tuples(sampled_from(["patient work"]), integers(0, 2), floats(0, 5)),
        tuples(sampled_from(["wait"]), integers(0, 0), floats(0, 5)),
    ),
    max_size=25,
)
WINDOW_S, LIMIT = 6.0, 3


@settings(max_examples=60, deadline=None)
@example([("crash", 0, 0.0), ("work", 2, 0.0), ("crash", 0, 0.0), ("crash", 2, 0.0)], "one_for_all", 2)
@given(OPERATIONS, sampled_from(["one_for_one", "one_for_all", "rest_for_one"]), integers(1, 3))
def test_whatever_happens_the_books_balance(operations, strategy: str, concurrency: int) -> None:
    hook, handled, ended = RecordingHook(), Counter(), Counter()
    restart = Restart(max_restarts=LIMIT, within=WINDOW_S, strategy=strategy, backoff=0.1, jitter=0.5)
    system = ActorSystem(
        restart=restart, on_record=hook, on_messages=taking(hook), mailbox_capacity=4, cleanup_timeout=1.0
    )

    async def send(number: int, what: str, ref, seconds: float) -> None:
        try:
            if what == "crash":
                await ref.ask(Subject.crash, number)
            elif what == "work":
                assert await ref.ask(Subject.work, number, seconds) == number
            else:
                with trio.move_on_after(1.0):
                    await ref.ask(Subject.work, number, seconds)
        except RkError:
            pass
        finally:
            ended[number] += 1

    async def main() -> None:
        with trio.fail_after(10_000):
            await schedule()

    async def schedule() -> None:
        sent = 0
        async with trio.open_nursery() as hosting:
            await hosting.start(system.run)
            refs = [await system.spawn(Subject, handled, concurrency=concurrency) for _ in range(3)]
            async with trio.open_nursery() as nursery:
                for what, which, seconds in operations:
                    if what == "wait":
                        await trio.sleep(seconds)
                        continue
                    nursery.start_soon(send, sent, what, refs[which], seconds)
                    sent += 1
                    await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
            assert all(ended[number] == 1 for number in range(sent))
            assert system.ledger.in_flight == 0
            await system.stop()

    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    except ExceptionGroup as group:
        _, others = group.split(RestartLimit)
        assert others is None, "a supervisor that gives up is the only error that may come out"
    assert all(count == 1 for count in handled.values())
    assert system.ledger.in_flight == 0
    assert system.actors == ()
    crashes = [event.at_s for event in hook.of(ActorEvent) if event.what == "crashed"]
    answered = [event.at_s for event in hook.of(ActorEvent) if event.what == "escalated"]
    if strategy == "one_for_one" and not answered:  # nobody gave up: no window held more crashes than the limit
        for at_s in crashes:
            assert sum(at_s <= other < at_s + WINDOW_S for other in crashes) <= LIMIT
