"""The health check: does the device still answer, how full is the memory, do actors keep crashing."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from rkruntime.actors import ActorInfo
from rkruntime.device import Device
from rkruntime.errors import DeviceLost, RkError
from rkruntime.memory import KernelMemoryManager, PressureLevel
from rkruntime.runtime._records import Check

__all__ = ("check_health",)


async def check_health(
    device: Device, memory: KernelMemoryManager, actors: Sequence[ActorInfo], within_s: float
) -> tuple[Check, ...]:
    """Check each part once.

    Args:
        device: Must pass an event through a new stream within `within_s` seconds.
        memory: Well below Critical.
        actors: Well while none has an error that it was not restarted from.
        within_s: The device's time to answer.
    """
    return (
        await _check_device(device, within_s),
        Check(name="memory", ok=memory.level < PressureLevel.CRITICAL, detail=memory.level.name.lower()),
        _check_actors(actors),
    )


async def _check_device(device: Device, within_s: float) -> Check:
    name = device.properties.name
    try:
        stream = device.stream()
        try:
            with trio.fail_after(within_s):
                await device.wait(stream.record())
        finally:
            stream.close()
    except trio.TooSlowError:
        return Check(name="device", ok=False, detail=f"{name} did not answer within {within_s:g} s")
    except DeviceLost:
        raise
    except RkError as error:
        return Check(name="device", ok=False, detail=f"{name}: {error}")
    return Check(name="device", ok=True, detail=name)


def _check_actors(actors: Sequence[ActorInfo]) -> Check:
    down = [actor.name for actor in actors if actor.state in ("restarting", "failed")]
    return Check(name="actors", ok=not down, detail=f"down: {', '.join(down)}" if down else f"{len(actors)} live")
