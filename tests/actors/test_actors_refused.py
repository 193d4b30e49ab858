"""What an actor system refuses, and what is as it was afterwards."""

import pytest
from acting import Note, acting

from rkruntime.actors import Actor, Restart
from rkruntime.errors import ActorCrashed, ActorStopped, NameTaken


class Adder(Actor):
    def __init__(self) -> None:
        self.total = 0

    async def add(self, number: int) -> int:
        self.total += number
        return self.total

    def plain(self) -> None:
        raise AssertionError("never called")

    async def mistake(self) -> None:
        self.add()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overflow": "drop"}, "'wait' or 'refuse'"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"mailbox_capacity": 0}, "mailbox_capacity=0"),
    ],
)
async def test_options_that_cannot_be(options: dict, said: str, autojump_clock) -> None:
    async with acting() as system:
        with pytest.raises(ValueError, match=said):
            await system.spawn(Adder, name="adder", **options)
        assert system.actors == ()
        await system.spawn(Adder, name="adder")  # the name was not taken


async def test_arguments_that_do_not_fit_are_the_senders_mistake(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Adder)
        assert await ref.ask(Adder.add, 2) == 2
        for args, kwargs in (((), {}), ((1, 2), {}), ((1,), {"other": 3})):
            with pytest.raises(TypeError):
                await ref.ask(Adder.add, *args, **kwargs)
        assert await ref.ask(Adder.add, 3) == 5  # it lived on, with its state
        (info,) = system.actors
        assert (info.restarts, info.in_flight) == (0, 0)
        with pytest.raises(ActorCrashed) as caught:  # but a TypeError of its own code is a crash
            await ref.ask(Adder.mistake)
        assert isinstance(caught.value.__cause__, TypeError)
        assert await ref.ask(Adder.add, 1) == 1


async def test_what_is_no_message(autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Adder)
        for method in (Adder.plain, Note.add, print):
            with pytest.raises(TypeError, match="no message of Adder"):
                await ref.ask(method)
        assert await ref.ask(Adder.add, 1) == 1


async def test_a_stopped_supervisor_takes_no_children_and_its_name_is_free(autojump_clock) -> None:
    async with acting() as system:
        team = await system.supervisor("team", Restart())
        ref = await system.spawn(Adder, supervisor=team, name="adder")
        assert (team.name, repr(team)) == ("team", "<SupervisorRef 'team': 1 children>")
        assert repr(ref) == "<Ref 'adder': Adder, running>"
        with pytest.raises(NameTaken):
            await system.supervisor("team", Restart())
        await team.stop()
        for start in (
            lambda: system.spawn(Adder, supervisor=team),
            lambda: system.supervisor("below", Restart(), team),
        ):
            with pytest.raises(ActorStopped):
                await start()
        with pytest.raises(ActorStopped, match="supervisor was stopped"):
            await ref.ask(Adder.add, 1)
        await system.supervisor("team", Restart())
        await system.spawn(Adder, name="adder")
