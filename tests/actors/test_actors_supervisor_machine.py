"""A supervisor beside a model of it: who restarts with whom, how often in a window, what is left when it gives up."""

import concurrent.futures
import functools
import threading

import pytest
import trio
import trio.testing
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import floats, integers, one_of, sampled_from

from rkruntime.actors import Actor, ActorEvent, ActorSystem, Ref, Restart, Strategy
from rkruntime.errors import ActorCrashed, ActorStopped, RestartLimit
from rkruntime.testing import RecordingHook

ACTORS = 3
WINDOW_S = 30.0
MAX_BACKOFF_S = 2.0
SETTLED_S = 2 * MAX_BACKOFF_S  # a jitter of 1 at most doubles a backoff
WAITS_S = [gap_s - SETTLED_S for gap_s in (SETTLED_S, WINDOW_S / 3, WINDOW_S / 2, WINDOW_S - 1, WINDOW_S, WINDOW_S + 1)]
"""Between crashes, so that the window's edges are met with one, two or three restarts in it."""


class Subject(Actor):
    def __init__(self, number: int, lives: list[int]) -> None:
        self.number, self.lives = number, lives

    async def setup(self) -> None:
        self.lives[self.number] += 1

    async def echo(self, value: int) -> int:
        return value

    async def crash(self) -> None:
        raise ValueError(f"actor {self.number}")


class SupervisorMachine(RuleBasedStateMachine):
    """Crashes one after another, each seen to its end, at random distances in virtual time.

    Trio runs in a thread of its own; each step runs there as a task, and the machine waits for it.
    """

    @initialize(strategy=sampled_from(Strategy), limit=integers(0, 3), concurrency=integers(1, 3))
    def start(self, strategy: Strategy, limit: int, concurrency: int) -> None:
        self.strategy, self.limit = strategy, limit
        self.clock = trio.testing.MockClock()
        self.hook = RecordingHook()
        self.lives = [0] * ACTORS
        self.expected = [1] * ACTORS
        self.restarts_s: list[float] = []
        self.failure: RestartLimit | None = None
        restart = Restart(
            max_restarts=limit,
            within=WINDOW_S,
            strategy=strategy,
            backoff=0.5,
            max_backoff=MAX_BACKOFF_S,
            jitter=1.0,
        )
        self.system = ActorSystem(restart=restart, on_record=self.hook)
        ready: concurrent.futures.Future[trio.lowlevel.TrioToken] = concurrent.futures.Future()
        self.thread = threading.Thread(
            target=functools.partial(trio.run, self.main, concurrency, ready, clock=self.clock)
        )
        self.thread.start()
        self.token = ready.result(60)

    async def main(self, concurrency: int, ready: "concurrent.futures.Future[trio.lowlevel.TrioToken]") -> None:
        self.over = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(self.host)
            self.refs: list[Ref[Subject]] = [
                await self.system.spawn(Subject, number, self.lives, concurrency=concurrency)
                for number in range(ACTORS)
            ]
            ready.set_result(trio.lowlevel.current_trio_token())
            await self.over.wait()
            await self.system.stop()

    async def host(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self.system.run(task_status=task_status)
        except RestartLimit as limit:
            self.failure = limit

    def step(self, function, *args):
        return trio.from_thread.run(function, *args, trio_token=self.token)

    async def settle(self, seconds: float) -> None:
        await trio.testing.wait_all_tasks_blocked()
        self.clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()

    @precondition(lambda self: self.failure is None)
    @rule(which=integers(0, ACTORS - 1), wait_s=one_of(sampled_from(WAITS_S), floats(0, WINDOW_S)))
    def crash(self, which: int, wait_s: float) -> None:
        async def crash() -> float:
            await self.settle(wait_s)
            at_s = trio.current_time()
            with pytest.raises(ActorCrashed):
                await self.refs[which].ask(Subject.crash)
            await self.settle(SETTLED_S)
            return at_s

        at_s = self.step(crash)
        counted = [earlier for earlier in self.restarts_s if at_s - earlier < WINDOW_S]
        if len(counted) == self.limit:
            assert isinstance(self.failure, RestartLimit)
            assert isinstance(self.failure.__cause__, ValueError)
            return
        assert self.failure is None
        self.restarts_s.append(at_s)
        first = 0 if self.strategy is Strategy.ONE_FOR_ALL else which
        last = which + 1 if self.strategy is Strategy.ONE_FOR_ONE else ACTORS
        for number in range(first, last):
            self.expected[number] += 1

    @rule(which=integers(0, ACTORS - 1), value=integers())
    def ask(self, which: int, value: int) -> None:
        if self.failure is None:
            assert self.step(self.refs[which].ask, Subject.echo, value) == value
        else:
            with pytest.raises(ActorStopped):
                self.step(self.refs[which].ask, Subject.echo, value)

    @invariant()
    def restarts_are_those_of_the_model(self) -> None:
        if hasattr(self, "token"):
            assert self.lives == self.expected
            for start_s in self.restarts_s:
                assert sum(start_s <= at_s < start_s + WINDOW_S for at_s in self.restarts_s) <= self.limit
            told = [event.what for event in self.hook.of(ActorEvent)]
            assert told.count("restarted") == sum(self.expected) - ACTORS
            assert told.count("escalated") == (self.failure is not None)

    @invariant()
    def nothing_is_in_flight_and_all_live_or_none(self) -> None:
        if hasattr(self, "token"):
            assert self.system.ledger.in_flight == 0
            states = [actor.state for actor in self.system.actors]
            assert states == (["running"] * ACTORS if self.failure is None else [])

    def teardown(self) -> None:
        if hasattr(self, "token"):
            self.token.run_sync_soon(self.over.set)
            self.thread.join(60)
            assert not self.thread.is_alive()
            assert self.system.actors == ()


SupervisorMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestSupervisorMachine = SupervisorMachine.TestCase
