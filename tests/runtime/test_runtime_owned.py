"""What an actor owns ends with it: its device arrays after a crash, after a stop, and with the runtime."""

import numpy as np
import pytest
import trio.testing
from virtual_runtime import running

from rkruntime.errors import ActorCrashed, NotRunning
from rkruntime.runtime import Actor, Runtime, State

KIB = 2**10


class Holder(Actor):
    async def setup(self) -> None:
        self.array = await self.memory.zeros(KIB, np.float32)

    async def take(self) -> int:
        self.more = await self.memory.zeros(4 * KIB, np.float32)
        return self.memory.bytes

    async def crash(self) -> None:
        raise ValueError("on purpose")


async def test_device_arrays_end_with_their_actor(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as runtime:
        holder = await runtime.spawn(Holder, name="holder")
        assert await holder.ask(Holder.take) == 20 * KIB
        (info,) = runtime.actors
        assert (info.name, info.memory_bytes, info.state, info.messages) == ("holder", 20 * KIB, "running", 1)
        with pytest.raises(ActorCrashed):
            await holder.ask(Holder.crash)
        await trio.sleep(1.0)  # its backoff
        (info,) = runtime.actors
        assert (info.memory_bytes, info.restarts, info.mailbox_depth) == (4 * KIB, 1, 0)
        assert info.last_error == "ValueError: on purpose"
        assert runtime.memory.stats().allocated_bytes == 4 * KIB
        await holder.stop()
        assert runtime.actors == ()
        assert runtime.memory.stats().allocated_bytes == 0
        await runtime.spawn(Holder)
    assert runtime.report.leaked == ()  # an actor's arrays are no leak


async def test_before_its_start_a_runtime_holds_nothing_and_refuses(autojump_clock: trio.testing.MockClock) -> None:
    runtime = Runtime()
    assert runtime.state is State.CREATED
    assert not runtime.is_open
    assert (runtime.health.live, runtime.health.ready, runtime.actors) == (False, False, ())
    for use in (lambda: runtime.spawn(Holder), lambda: runtime.zeros(4, np.float32), runtime.shutdown):
        with pytest.raises(NotRunning, match="created"):
            await use()
    with pytest.raises(NotRunning):
        _ = runtime.device
