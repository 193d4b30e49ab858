import pytest
import trio
from acting import Note, acting, taking

from rkruntime.actors import Actor, ActorEvent, ActorSystem, MessageDone, Restart
from rkruntime.errors import ActorCrashed, ActorStopped, RestartLimit
from rkruntime.testing import RecordingHook


class Memory:
    def __init__(self, name: str, freed: list[str]) -> None:
        self.name, self.freed, self.bytes = name, freed, 64

    def free_all(self, *_: object) -> int:
        self.freed.append(self.name)
        return 1


async def crash(ref, error: Exception | None = None) -> None:
    with pytest.raises(ActorCrashed):
        await ref.ask(Note.crash, error or ValueError("on purpose"))


async def test_a_crash_keeps_the_mailbox_and_loses_the_state(autojump_clock) -> None:
    log, freed, answers = [], [], []
    async with acting(memory_for=lambda name: Memory(name, freed)) as system:
        ref = await system.spawn(Note, log, name="note")
        await ref.ask(Note.add, 5)
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                answers.append(await ref.ask(Note.add, 1))

            nursery.start_soon(crash, ref)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
        assert answers == [1]  # a new instance: 5 is gone, the waiting message is not
        assert log == [("note", "setup"), ("note", "teardown"), ("note", "setup")]
        assert freed == ["note"]
        (info,) = system.actors
        assert (info.restarts, info.state, info.memory_bytes) == (1, "running", 64)
        assert "on purpose" in info.last_error
    assert freed == ["note", "note"]


@pytest.mark.parametrize(
    ("strategy", "setups"),
    [("one_for_one", ["b"]), ("one_for_all", ["a", "b", "c"]), ("rest_for_one", ["b", "c"])],
)
async def test_strategies(strategy: str, setups: list[str], autojump_clock) -> None:
    log = []
    restart = Restart(max_restarts=5, strategy=strategy, backoff=0, jitter=0)
    async with acting() as system:
        group = await system.supervisor("group", restart=restart)
        refs = {name: await system.spawn(Note, log, name=name, supervisor=group) for name in "abc"}
        log.clear()
        await crash(refs["b"])
        await trio.sleep(1)
        assert [name for name, what in log if what == "setup"] == setups
        torn_down = [name for name, what in log if what == "teardown"]
        assert torn_down[0] == "b"
        assert torn_down[1:] == [name for name in reversed(setups) if name != "b"]
        for ref in refs.values():
            assert await ref.ask(Note.add) == 1


async def test_backoff_in_virtual_time(autojump_clock) -> None:
    restart = Restart(max_restarts=10, within=1000, backoff=1.0, max_backoff=4.0, jitter=0)
    waits = []
    async with acting() as system:
        ref = await system.spawn(Note, [], restart=restart)
        for _ in range(4):
            await crash(ref)
            began = trio.current_time()
            await ref.ask(Note.add)
            waits.append(trio.current_time() - began)
    assert waits == pytest.approx([1.0, 2.0, 4.0, 4.0])


async def test_the_window_slides(autojump_clock) -> None:
    restart = Restart(max_restarts=2, within=10.0, backoff=0, jitter=0)
    async with acting() as system:
        ref = await system.spawn(Note, [], restart=restart)
        for _ in range(4):  # two within any window of ten seconds, for ever
            await crash(ref)
            await trio.sleep(5.0)
        assert await ref.ask(Note.add) == 1


async def test_past_the_window_the_root_gives_up(autojump_clock) -> None:
    log = []
    system = ActorSystem(restart=Restart(max_restarts=2, within=60, backoff=0))
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(system.run)
            ref = await system.spawn(Note, log)
            for _ in range(3):
                await crash(ref)
            await trio.sleep(10)
    (error,) = caught.value.exceptions
    assert isinstance(error, RestartLimit)
    assert (error.max_restarts, error.within_s) == (2, 60)
    assert isinstance(error.__cause__, ValueError)
    assert [what for _, what in log].count("setup") == [what for _, what in log].count("teardown") == 3


async def test_a_nested_supervisor_escalates_to_its_parent(autojump_clock) -> None:
    log = []
    async with acting() as system:
        group = await system.supervisor("group", restart=Restart(max_restarts=1, backoff=0, jitter=0))
        first = await system.spawn(Note, log, name="first", supervisor=group)
        await system.spawn(Note, log, name="second", supervisor=group)
        outside = await system.spawn(Note, log, name="outside")
        await outside.ask(Note.add, 7)
        await crash(first)
        await trio.sleep(1)
        log.clear()
        await crash(first)  # more than the group may: its parent restarts the whole group
        await trio.sleep(1)
        assert sorted(name for name, what in log if what == "setup") == ["first", "second"]
        assert await first.ask(Note.add) == 1
        assert await outside.ask(Note.add, 0) == 7
        await group.stop()
        with pytest.raises(ActorStopped):
            await first.ask(Note.add)


@pytest.mark.parametrize(
    ("policy", "method", "lives"),
    [
        ("permanent", Note.crash, True),
        ("transient", Note.crash, True),
        ("temporary", Note.crash, False),
        ("permanent", Note.end, True),
        ("transient", Note.end, False),
        ("temporary", Note.end, False),
    ],
)
async def test_policies(policy: str, method, lives: bool, autojump_clock) -> None:
    async with acting() as system:
        ref = await system.spawn(Note, [], restart=Restart(policy=policy, backoff=0, jitter=0))
        if method is Note.crash:
            await crash(ref)
        else:
            assert await ref.ask(Note.end) is None
        await trio.sleep(1)
        if lives:
            assert await ref.ask(Note.add) == 1
        else:
            with pytest.raises(ActorStopped):
                await ref.ask(Note.add)


class Fragile(Actor):
    lives = 0

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad

    async def setup(self) -> None:
        Fragile.lives += 1
        if Fragile.lives in self.bad:
            raise OSError(f"life {Fragile.lives}")

    async def crash(self) -> None:
        raise ValueError("on purpose")

    async def life(self) -> int:
        return Fragile.lives


async def test_a_setup_that_fails(autojump_clock) -> None:
    async with acting() as system:
        Fragile.lives = 0
        with pytest.raises(ActorCrashed) as caught:
            await system.spawn(Fragile, {1}, name="fragile")
        assert isinstance(caught.value.__cause__, OSError)
        assert system.actors == ()
        Fragile.lives = 0
        ref = await system.spawn(Fragile, {2, 3}, name="fragile")
        with pytest.raises(ActorCrashed):
            await ref.ask(Fragile.crash)
        assert await ref.ask(Fragile.life) == 4  # lives 2 and 3 failed to begin, and counted as crashes
        assert system.actors[0].restarts == 3


class Slow(Actor):
    async def teardown(self) -> None:
        await trio.sleep(1000)

    async def spread(self) -> None:
        async def fail(number: int) -> None:
            raise ValueError(str(number))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, 1)
            nursery.start_soon(fail, 2)


async def test_teardown_is_bounded(autojump_clock) -> None:
    async with acting(cleanup_timeout=3.0) as system:
        ref = await system.spawn(Slow)
        await ref.stop()
        assert trio.current_time() == 3.0


async def test_groups_from_a_handlers_nursery(autojump_clock) -> None:
    async with acting(cleanup_timeout=1.0) as system:
        ref = await system.spawn(Slow)
        with pytest.raises(ActorCrashed) as caught:
            await ref.ask(Slow.spread)
        assert isinstance(caught.value.__cause__, ExceptionGroup)
        assert {str(error) for error in caught.value.__cause__.exceptions} == {"1", "2"}


async def test_a_crash_of_a_tell_is_not_lost(autojump_clock) -> None:
    hook = RecordingHook()
    async with acting(on_record=hook, on_messages=taking(hook)) as system:
        ref = await system.spawn(Note, [])
        await ref.tell(Note.crash, ValueError("unheard"))
        await trio.sleep(1)
        assert "unheard" in system.actors[0].last_error
    assert [event.what for event in hook.of(ActorEvent)] == ["started", "crashed", "restarting", "restarted", "stopped"]
    assert [done.outcome for done in hook.of(MessageDone)] == ["failed"]


async def test_a_hook_that_raises_is_ignored(autojump_clock) -> None:
    def hook(record: object) -> None:
        raise RuntimeError("a broken hook")

    async with acting(on_record=hook, on_messages=taking(hook)) as system:
        assert await (await system.spawn(Note, [])).ask(Note.add) == 1


async def test_a_crash_with_handlers_side_by_side(autojump_clock) -> None:
    outcomes = []
    async with acting() as system, trio.open_nursery() as nursery:
        ref = await system.spawn(Note, [], concurrency=2)

        async def nap() -> None:
            try:
                await ref.ask(Note.nap, 10.0)
            except Exception as error:
                outcomes.append(type(error).__name__)

        nursery.start_soon(nap)
        await trio.testing.wait_all_tasks_blocked()
        await crash(ref)
        await trio.sleep(1)
        assert len(outcomes) == 1
        assert await ref.ask(Note.add) == 1
        assert system.ledger.in_flight == 0


class CrashesWhenCancelled(Note):
    async def nap(self, seconds: float) -> float:
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            raise ValueError("while it was cancelled") from None
        return seconds


async def test_a_handler_that_crashes_while_all_is_cancelled_does_not_outlive_the_cancellation(autojump_clock) -> None:
    system = ActorSystem()
    async with trio.open_nursery() as callers:
        hosting = await callers.start(host, system)
        ref = await system.spawn(CrashesWhenCancelled, [], concurrency=2)

        @callers.start_soon
        async def nap() -> None:
            with pytest.raises(ActorCrashed):
                await ref.ask(Note.nap, 10.0)
            assert system.ledger.in_flight == 0

        await trio.testing.wait_all_tasks_blocked()
        hosting.cancel()
    assert hosting.cancelled_caught


async def host(system: ActorSystem, *, task_status) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        task_status.started(nursery.cancel_scope)
