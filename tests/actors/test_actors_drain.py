import pytest
import trio
from acting import Note, acting

from rkruntime.actors import Actor
from rkruntime.errors import Draining, MessageCancelled


def refusal() -> Draining:
    return Draining(retry_after_s=5.0)


class Relay(Actor):
    async def pass_on(self, ref, seconds: float) -> float:
        await trio.sleep(1.0)
        return await ref.ask(Note.nap, seconds)


async def test_a_thousand_in_flight_and_nothing_lost(autojump_clock) -> None:
    answers = []
    async with acting() as system, trio.open_nursery() as nursery:
        refs = [await system.spawn(Note, [], concurrency=2) for _ in range(10)]

        async def ask(k: int) -> None:
            await refs[k % 10].ask(Note.nap, 0.01)
            answers.append(k)

        for k in range(1000):
            nursery.start_soon(ask, k)
        await trio.testing.wait_all_tasks_blocked()
        system.close_admission(refusal)
        assert system.ledger.in_flight == 1000
        await system.wait_idle()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(answers) == list(range(1000))
        outcomes = system.ledger.outcomes()
        assert sum(o.completed for o in outcomes.values()) == 1000
        assert sum(o.cancelled + o.failed + o.abandoned for o in outcomes.values()) == 0


async def test_new_messages_are_refused_and_those_of_handlers_are_not(autojump_clock) -> None:
    async with acting() as system, trio.open_nursery() as nursery:
        note, relay = await system.spawn(Note, []), await system.spawn(Relay, name="relay")
        answers = []

        async def ask() -> None:
            answers.append(await relay.ask(Relay.pass_on, note, 2.0))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        system.close_admission(refusal)
        for refused in (note.ask(Note.add), note.tell(Note.add), system.spawn(Note, [])):
            with pytest.raises(Draining):
                await refused
        await system.wait_idle()
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [2.0]
        outcomes = system.ledger.outcomes()
        assert {name: o.completed for name, o in outcomes.items()} == {"relay": 1}  # its own ask is part of its work


async def test_senders_that_wait_for_room_are_refused(autojump_clock) -> None:
    refused = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, [], mailbox_capacity=1)

        async def ask() -> None:
            try:
                await ref.ask(Note.nap, 1.0)
            except Draining:
                refused.append(trio.current_time())

        for _ in range(5):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        system.close_admission(refusal)
        await trio.testing.wait_all_tasks_blocked()
        assert refused == [0.0] * 3
        await system.wait_idle()


async def test_cancelling_the_rest_answers_everybody(autojump_clock) -> None:
    cancelled = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, [], name="note")

        async def ask() -> None:
            with pytest.raises(MessageCancelled) as caught:
                await ref.ask(Note.nap, 100.0)
            cancelled.append(caught.value.reason)

        for _ in range(4):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        system.close_admission(refusal)
        outcomes = system.ledger.outcomes()["note"]
        assert outcomes.abandoned == 4  # so far
        system.cancel_in_flight("time is up")
        await system.wait_idle()
        await trio.testing.wait_all_tasks_blocked()
        assert cancelled == ["time is up"] * 4
        outcomes = system.ledger.outcomes()["note"]
        assert (outcomes.cancelled, outcomes.abandoned) == (4, 0)
