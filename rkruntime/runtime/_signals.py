"""SIGTERM and SIGINT: the first drains, the second cancels at once."""

from __future__ import annotations

import signal

import trio

from rkruntime.log import get_logger
from rkruntime.runtime._shutdown import Shutdown

__all__ = ("watch_signals",)


async def watch_signals(shutdown: Shutdown, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Turn signals into a shutdown; needs the main thread, as signals do."""
    log = get_logger("rkruntime.runtime")
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        task_status.started()
        async for number in received:
            name = signal.Signals(number).name
            if shutdown.is_requested:
                log.warning("second signal: cancelling what is in flight", signal=name)
                shutdown.hurry()
            else:
                log.info("signal: draining", signal=name)
                shutdown.request()
