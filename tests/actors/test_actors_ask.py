import contextvars
import math

import numpy as np
import pytest
import trio
from acting import Note, acting

from rkruntime.actors import Actor
from rkruntime.errors import ActorCrashed, ActorStopped, AskCycle, NameTaken, Overloaded

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


class Painter(Actor):
    passes = (LookupError,)

    async def colour(self) -> str:
        before = COLOUR.get()
        COLOUR.set("painted over")
        return before

    async def same(self, value: object) -> object:
        return value

    async def missing(self) -> None:
        raise KeyError("nothing")

    def plain(self) -> None: ...


class Caller(Actor):
    def __init__(self) -> None:
        self.other: object = None

    async def meet(self, other) -> None:
        self.other = other

    async def ask_other(self, method, *args):
        return await self.other.ask(method, *args)


async def test_ask_tell_and_state(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Note, [], name="note")
        assert await ref.ask(Note.add, 2) == 2
        await ref.tell(Note.add, number=3)
        assert await ref.ask(Note.add, 0) == 5
        big = np.zeros(10)
        painter = await system.spawn(Painter)
        assert await painter.ask(Painter.same, big) is big
        with pytest.raises(NameTaken):
            await system.spawn(Note, [], name="note")
        assert {info.name for info in system.actors} == {"note", painter.name}


async def test_a_subclass_overrides(autojump_clock) -> None:
    class Twice(Note):
        async def add(self, number: int = 1) -> int:
            return await super().add(2 * number)

    async with acting() as system:
        assert await (await system.spawn(Twice, [])).ask(Note.add, 2) == 4


async def test_context_variables_travel_and_do_not_leak(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Painter)
        COLOUR.set("red")
        assert await ref.ask(Painter.colour) == "red"
        assert await ref.ask(Painter.colour) == "red"
        assert COLOUR.get() == "red"


async def test_deadlines_travel(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Note, [])
        with trio.fail_after(7) as scope:
            assert await ref.ask(Note.deadline) == scope.deadline
        assert await ref.ask(Note.deadline) == math.inf


async def test_a_message_whose_deadline_passed_in_the_queue_never_runs(autojump_clock) -> None:
    log = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, log)
        nursery.start_soon(ref.ask, Note.nap, 10.0)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(2) as scope:
            await ref.ask(Note.add)
        assert scope.cancelled_caught
        await trio.sleep(20)
        assert await ref.ask(Note.add, 0) == 0


async def test_a_cancelled_caller_withdraws_or_cancels(autojump_clock) -> None:
    log = []
    async with acting() as system:
        ref = await system.spawn(Note, log, name="note")
        with trio.move_on_after(3):
            await ref.ask(Note.nap, 10.0)
        assert trio.current_time() == 3
        await trio.testing.wait_all_tasks_blocked()
        assert ("note", "nap cancelled") in log
        assert system.ledger.in_flight == 0
        assert await ref.ask(Note.add) == 1  # the same instance lives on
        assert log.count(("note", "setup")) == 1


async def test_expected_errors_pass_and_others_crash(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Painter)
        with pytest.raises(KeyError, match="nothing"):
            await ref.ask(Painter.missing)
        assert system.actors[0].restarts == 0
        for no_message in (Painter.plain, Note.add):
            with pytest.raises(TypeError):
                await ref.ask(no_message)
        note = await system.spawn(Note, [])
        with pytest.raises(ActorCrashed) as caught:
            await note.ask(Note.crash, ValueError("on purpose"))
        assert isinstance(caught.value.__cause__, ValueError)
        assert caught.value.message == "crash"


async def test_asking_oneself_is_an_error_and_no_deadlock(autojump_clock) -> None:
    async with acting() as system:
        one, two = await system.spawn(Caller, name="one"), await system.spawn(Caller, name="two")
        await one.ask(Caller.meet, two)
        await two.ask(Caller.meet, one)
        assert await one.ask(Caller.ask_other, Caller.meet, one) is None
        await two.ask(Caller.meet, one)
        with trio.fail_after(5), pytest.raises(ActorCrashed) as caught:
            await one.ask(Caller.ask_other, Caller.ask_other, Caller.meet, two)
        error: BaseException | None = caught.value
        while isinstance(error, ActorCrashed):
            error = error.__cause__
        assert isinstance(error, AskCycle)
        assert error.actor == "one"


async def test_a_full_mailbox_refuses_or_waits_in_order(autojump_clock) -> None:
    async with acting() as system, trio.open_nursery() as nursery:
        refusing = await system.spawn(Note, [], mailbox_capacity=2, overflow="refuse")
        for _ in range(3):
            nursery.start_soon(refusing.ask, Note.nap, 1.0)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Overloaded) as caught:
            await refusing.ask(Note.add)
        assert caught.value.capacity == 2
        waiting = await system.spawn(Note, [], mailbox_capacity=1)
        answers = []

        async def ask(number: int) -> None:
            await waiting.ask(Note.nap, 1.0)
            answers.append(number)

        for number in range(6):
            nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
        assert next(info for info in system.actors if info.name == waiting.name).mailbox_depth == 1
        await trio.sleep(10)
        assert answers == list(range(6))


async def test_control_messages_overtake(autojump_clock) -> None:
    order = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, [], mailbox_capacity=2)

        async def send(how, name: str) -> None:
            await how(Note.nap, 1.0)
            order.append(name)

        for how, name in ((ref.ask, "first"), (ref.ask, "second"), (ref.ask, "third"), (ref.control, "control")):
            nursery.start_soon(send, how, name)
            await trio.testing.wait_all_tasks_blocked()
    assert order == ["first", "control", "second", "third"]


async def test_concurrency_runs_handlers_side_by_side(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Note, [], concurrency=3)
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(ref.ask, Note.nap, 1.0)
        assert trio.current_time() == 2.0


async def test_a_stopped_actor_answers_everybody(autojump_clock) -> None:
    log = []
    stopped = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, log, name="note")

        async def ask() -> None:
            try:
                await ref.ask(Note.nap, 10.0)
            except ActorStopped as error:
                stopped.append(error.actor)

        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await ref.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert stopped == ["note"] * 3
        with pytest.raises(ActorStopped):
            await ref.ask(Note.add)
        assert log[-1] == ("note", "teardown")
        assert system.actors == ()
        assert system.ledger.in_flight == 0
        await system.spawn(Note, log, name="note")
