"""Asking from outside any task: the answer comes as an outcome, and every such message is counted like any other."""

import contextvars
from typing import Any

import outcome
import pytest
import trio
import trio.testing
from acting import Note, acting, taking

from rkruntime.actors import ActorSystem, MessageDone, Ref
from rkruntime.errors import ActorCrashed, ActorStopped, Draining, MessageCancelled, Overloaded
from rkruntime.testing import RecordingHook

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour_soon", default="none")


class Shown(Note):
    async def colour(self) -> str:
        return COLOUR.get()


class Answers:
    """Takes outcomes in their order."""

    def __init__(self) -> None:
        self.came: list[Any] = []
        self._any = trio.Event()

    def __call__(self, told: outcome.Outcome[Any]) -> None:
        self.came.append(told)
        self._any.set()

    async def next(self) -> Any:
        await self._any.wait()
        self._any = trio.Event()
        return self.came.pop(0).unwrap()


def ask(ref: Ref[Any], answers: Answers, method: Any, *args: Any) -> Any:
    return ref.ask_soon(answers, method, args, {}, contextvars.copy_context())


async def test_the_result_and_the_error_come_as_outcomes(autojump_clock) -> None:
    answers = Answers()
    async with acting() as system:
        ref = await system.spawn(Note, [])
        ask(ref, answers, Note.add, 2)
        assert await answers.next() == 2
        ask(ref, answers, Note.crash, ValueError("no"))
        with pytest.raises(ActorCrashed, match="ValueError: no"):
            await answers.next()
        ask(ref, answers, Note.add, 3)
        assert await answers.next() == 3, "restarted, and serving"
        assert system.ledger.in_flight == 0


async def test_the_handler_sees_the_context_that_was_given(autojump_clock) -> None:
    answers = Answers()
    async with acting() as system:
        ref = await system.spawn(Shown, [])
        context = contextvars.copy_context()
        context.run(COLOUR.set, "red")
        ref.ask_soon(answers, Shown.colour, (), {}, context)
        assert await answers.next() == "red"
        assert COLOUR.get() == "none"


@pytest.mark.parametrize("queued", [False, True], ids=["running", "queued"])
async def test_what_it_returns_cancels_the_message_once(autojump_clock, queued: bool) -> None:
    answers, others = Answers(), Answers()
    async with acting() as system:
        ref = await system.spawn(Note, [])
        if queued:
            ask(ref, others, Note.nap, 5.0)
        cancel = ask(ref, answers, Note.nap, 100.0)
        await trio.sleep(1.0)
        cancel("its client left")
        cancel("again")
        with pytest.raises(MessageCancelled, match="its client left"):
            await answers.next()
        assert trio.current_time() < 50
        if queued:
            assert await others.next() == 5.0, "the message before it was left alone"
        assert (system.ledger.in_flight, answers.came) == (0, [])


async def test_it_never_waits_for_room(autojump_clock) -> None:
    answers = Answers()
    async with acting(mailbox_capacity=1) as system:
        ref = await system.spawn(Note, [])
        ask(ref, answers, Note.nap, 1.0)
        await trio.testing.wait_all_tasks_blocked()
        ask(ref, answers, Note.nap, 2.0)
        with pytest.raises(Overloaded):
            ask(ref, answers, Note.nap, 3.0)
        assert [await answers.next(), await answers.next()] == [1.0, 2.0]
        assert system.ledger.in_flight == 0


async def test_an_actor_that_is_gone_says_so(autojump_clock) -> None:
    answers = Answers()
    async with acting() as system:
        ref = await system.spawn(Note, [])
        ask(ref, answers, Note.nap, 100.0)
        await trio.testing.wait_all_tasks_blocked()
        await ref.stop()
        with pytest.raises(ActorStopped):
            await answers.next()
        with pytest.raises(ActorStopped):
            ask(ref, answers, Note.add)
        with pytest.raises(TypeError, match="no message"):
            ask(ref, answers, Answers.next)


async def test_a_drain_refuses_it_and_accounts_for_it(autojump_clock) -> None:
    answers = Answers()
    async with acting() as system:
        ref = await system.spawn(Note, [], name="note")
        ask(ref, answers, Note.nap, 5.0)
        await trio.testing.wait_all_tasks_blocked()
        mark(system)
        with pytest.raises(Draining):
            ask(ref, answers, Note.add)
        assert await answers.next() == 5.0
        assert system.ledger.outcomes()["note"].completed == 1


def mark(system: ActorSystem) -> None:
    system.refusal = lambda: Draining(1.0)
    system.ledger.mark({info.name: info.in_flight for info in system.actors})


class Stubborn(Note):
    async def finish_all_the_same(self) -> str:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        return "finished"


@pytest.mark.parametrize("why", ["its caller left", ""])
async def test_a_message_that_was_cancelled_and_finished_leaves_the_next_alone(autojump_clock, why: str) -> None:
    answers = Answers()
    async with acting() as system:
        ref = await system.spawn(Stubborn, [])
        cancel = ask(ref, answers, Stubborn.finish_all_the_same)
        ask(ref, answers, Stubborn.nap, 0.5)
        await trio.sleep(0.5)
        cancel(why)
        assert await answers.next() == "finished"
        assert await answers.next() == 0.5


class Woken(trio.abc.Instrument):
    """Notes the servers that are woken."""

    def __init__(self) -> None:
        self.servers: list[trio.lowlevel.Task] = []

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if "_serve_one" in task.name:
            self.servers.append(task)


async def test_one_server_is_woken_for_all_messages_that_end_without_waiting(autojump_clock) -> None:
    answers, woken = Answers(), Woken()
    async with acting() as system:
        ref = await system.spawn(Note, [], concurrency=4)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(woken)
        for _ in range(4):
            ask(ref, answers, Note.add)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(woken)
        assert len(answers.came) == 4
        assert len(woken.servers) == 1


async def test_messages_behind_one_that_waits_get_servers_of_their_own(autojump_clock) -> None:
    answers, hook = Answers(), RecordingHook()
    async with acting(on_messages=taking(hook)) as system:
        ref = await system.spawn(Note, [], concurrency=3)
        await trio.testing.wait_all_tasks_blocked()
        began_s = trio.current_time()
        for _ in range(4):
            ask(ref, answers, Note.nap, 1.0)
        await trio.sleep(1.5)
        assert len(answers.came) == 3, "side by side, the fourth after one of them"
        await trio.sleep(1.0)
        naps = hook.of(MessageDone)
        assert len({nap.slot for nap in naps[:3]}) == 3
        assert [round(nap.began_s - began_s) for nap in naps] == [0, 0, 0, 1]
