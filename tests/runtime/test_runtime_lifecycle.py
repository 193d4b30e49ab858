import itertools

import pytest
import trio
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import sampled_from

from rkruntime.errors import InvalidTransition, UnreachableState
from rkruntime.runtime._lifecycle import MOVES, State, is_final, is_live, is_ready, move
from rkruntime.runtime._states import Lifecycle

LEGAL = {
    ("created", "starting"),
    ("created", "stopped"),
    ("starting", "running"),
    ("starting", "draining"),
    ("starting", "failed"),
    ("running", "draining"),
    ("running", "failed"),
    ("draining", "stopped"),
    ("draining", "failed"),
}


@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(State, State)))
def test_every_pair_of_states(current: State, wanted: State) -> None:
    if (current.value, wanted.value) in LEGAL:
        assert move(current, wanted) is wanted
    else:
        with pytest.raises(InvalidTransition) as caught:
            move(current, wanted)
        assert (caught.value.current, caught.value.wanted) == (current.value, wanted.value)
        assert set(caught.value.allowed) == {after for before, after in LEGAL if before == current.value}


def test_probes_follow_the_table_of_the_design() -> None:
    assert {state.value: (is_live(state), is_ready(state)) for state in State} == {
        "created": (False, False),
        "starting": (True, False),
        "running": (True, True),
        "draining": (True, False),
        "stopped": (False, False),
        "failed": (False, False),
    }
    assert {state for state in State if is_final(state)} == {State.STOPPED, State.FAILED}


async def test_moves_are_told_counted_and_awaitable() -> None:
    told = []
    lifecycle = Lifecycle(told.append)
    seen = []

    async def watch(wanted: State) -> None:
        await lifecycle.wait_for(wanted)
        seen.append((wanted, lifecycle.state))

    async with trio.open_nursery() as nursery:
        for wanted in (State.STARTING, State.RUNNING):
            nursery.start_soon(watch, wanted)
        await trio.testing.wait_all_tasks_blocked()
        await lifecycle.move(State.STARTING)
        assert seen == [(State.STARTING, State.STARTING)]  # whoever watches has seen it before the next step
        await lifecycle.move(State.RUNNING)
    assert [(t.before, t.after) for t in told] == [(State.CREATED, State.STARTING), (State.STARTING, State.RUNNING)]
    assert lifecycle.counts[State.RUNNING] == 1


async def test_waiting_for_what_cannot_come_is_an_error() -> None:
    lifecycle = Lifecycle(lambda told: None)
    await lifecycle.move(State.STARTING)
    cause = RuntimeError("no device")
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            with pytest.raises(UnreachableState) as caught:
                await lifecycle.wait_for(State.RUNNING)
            assert (caught.value.current, caught.value.wanted) == ("failed", "running")
            assert caught.value.__cause__ is cause

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        await lifecycle.move(State.FAILED, cause)
    with pytest.raises(UnreachableState):
        await lifecycle.wait_for(State.CREATED)


class LifecycleMachine(RuleBasedStateMachine):
    """Random moves: the state changes along the table alone, and never leaves a final state."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []
        self.lifecycle = Lifecycle(self.told.append)
        self.path = ["created"]

    @rule(wanted=sampled_from(State))
    def try_move(self, wanted: State) -> None:
        async def attempt() -> None:
            await self.lifecycle.move(wanted)

        try:
            trio.run(attempt)
        except InvalidTransition:
            return
        self.path.append(wanted.value)

    @invariant()
    def path_is_legal(self) -> None:
        assert all(pair in LEGAL for pair in itertools.pairwise(self.path))
        assert self.lifecycle.state.value == self.path[-1]
        assert len(self.told) == len(self.path) - 1
        assert self.lifecycle.ended == (not MOVES[self.lifecycle.state])


TestLifecycleMachine = LifecycleMachine.TestCase
TestLifecycleMachine.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
