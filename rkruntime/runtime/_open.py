"""The Trio way in: `async with open_runtime(config) as runtime`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from rkruntime.config import RuntimeConfig
from rkruntime.device import Device
from rkruntime.runtime._runtime import Runtime

__all__ = ("open_runtime",)


@asynccontextmanager
async def open_runtime(
    config: RuntimeConfig | None = None,
    *,
    device: Device | None = None,
    hooks: Sequence[Callable[[Any], None]] = (),
    handle_signals: bool = False,
    instance: str | None = None,
) -> AsyncIterator[Runtime]:
    """Start a runtime, and drain it at the end of the block; its report is then `runtime.report`.

    Leaving the block normally finishes what is in flight within `shutdown_timeout`. Leaving it by an exception, or by
    being cancelled, cancels at once what is in flight. If the runtime fails, the block is cancelled and the failure
    raised.

    Args:
        config: Settings; the defaults if left out.
        device: An open device to use in place of the configured one; it then belongs to the runtime.
        hooks: Each is called with every record as it happens.
        handle_signals: Drain on SIGTERM and SIGINT: the block is cancelled once the drain has ended.
        instance: The name under which `rustkernel runtime status` and `drain` find the runtime; `auto` for `default`
            or, where that is taken, `pid-` with the process's number. With None it cannot be found.

    Raises:
        RkError: What kept the runtime from starting, or what it ended with.
    """
    runtime = Runtime(config, device=device, hooks=hooks, instance=instance)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(_run_then_cancel, runtime, handle_signals, nursery.cancel_scope)
            yield runtime
            runtime.request_shutdown()
    except BaseExceptionGroup as group:
        # The nursery here is not the caller's: one error comes out as it was raised, the caller's own groups included.
        if len(group.exceptions) > 1:
            raise
        (error,) = group.exceptions
        raise error from error.__cause__


async def _run_then_cancel(
    runtime: Runtime, handle_signals: bool, block: trio.CancelScope, *, task_status: trio.TaskStatus[Runtime]
) -> None:
    """Run the runtime; whoever still stands in the block when it has stopped is cancelled."""
    await runtime.run(handle_signals=handle_signals, task_status=task_status)
    block.cancel()
