"""Streams and events of the CUDA device: submitted to the driver, watched by polling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trio

from rkruntime.device._api import Timing
from rkruntime.device._cuda_backoff import pause_s
from rkruntime.device._cuda_numba import numba_cuda

__all__ = ("CudaEvent", "CudaStream", "Watch")

Fail = Callable[[BaseException], BaseException]


class CudaEvent:
    """A point on a CUDA stream, between two of the driver's events so that its run time is known.

    Args:
        stream: Where it was submitted.
        begin: The driver's event before the work.
        end: The driver's event after it.
        submitted_s: When it was submitted, in the host's seconds.
        fail: Turns a driver's error into ours; a lost device says so from then on.
    """

    __slots__ = (
        "_begin",
        "_end",
        "_error",
        "_fail",
        "_finished",
        "_stream",
        "_submitted_s",
        "_timing",
        "anchor",
        "kind",
    )

    def __init__(self, stream: CudaStream, kind: str, begin: Any, end: Any, submitted_s: float, fail: Fail) -> None:
        self.kind = kind
        self.anchor: CudaEvent | None = None
        """Work before it that found the stream idle: host and device time agree there."""
        self._stream = stream
        self._begin = begin
        self._end = end
        self._submitted_s = submitted_s
        self._fail = fail
        self._finished = False
        self._error: BaseException | None = None
        self._timing: Timing | None = None

    @property
    def done(self) -> bool:
        """Whether the work has finished; asks the driver, never blocks."""
        if self._finished:
            return True
        try:
            lost = self._stream.lost()
            if lost is not None:
                self.finish(lost)
            elif self._end.query():
                self._finished = True
                self._timing = self._measure()
        except Exception as error:  # the driver's own classes, and cuda.core's
            self.finish(self._fail(error))
        return self._finished

    @property
    def error(self) -> BaseException | None:
        """What the work raised."""
        return self._error if self.done else None

    @property
    def timing(self) -> Timing | None:
        """Queue and run time by the device's clock."""
        return self._timing if self.done else None

    def finish(self, error: BaseException | None) -> None:
        """Be done, with this error."""
        self._finished = True
        self._error = error

    def began_after_s(self, other: CudaEvent) -> float:
        """How long after `other`'s work this work began, by the device's clock."""
        return float(numba_cuda().event_elapsed_time(other._begin, self._begin)) / 1e3

    def _measure(self) -> Timing | None:
        if self._begin is None:
            return None
        ran_s = float(numba_cuda().event_elapsed_time(self._begin, self._end)) / 1e3
        queued_s = 0.0
        if self.anchor is not None:
            queued_s = self.began_after_s(self.anchor) - (self._submitted_s - self.anchor._submitted_s)
            self.anchor = None
        return Timing(queued_s=max(0.0, queued_s), ran_s=max(0.0, ran_s))


class CudaStream:
    """Work in order on one of the driver's streams.

    Args:
        fail: Turns a driver's error into ours.
        lost: The loss of the device, if it is lost.
    """

    def __init__(self, fail: Fail, lost: Callable[[], BaseException | None]) -> None:
        self.handle = numba_cuda().stream()
        self.lost = lost
        self.closed = False
        self._fail = fail
        self._last: CudaEvent | None = None
        self._anchor: CudaEvent | None = None

    @property
    def idle(self) -> bool:
        """Whether all work submitted is done."""
        return self._last is None or self._last.done

    def record(self) -> CudaEvent:
        """Stand for everything submitted to this stream so far; never raises, a loss is the event's error."""
        if self._last is not None and self._last.kind == "record":
            return self._last
        lost = self.lost()
        if lost is None:
            try:
                return self.submit("record", None)
            except Exception as error:
                lost = self._fail(error)
        event = CudaEvent(self, "record", None, None, 0.0, self._fail)
        event.finish(lost)
        return event

    def submit(self, kind: str, work: Callable[[], None] | None) -> CudaEvent:
        """Queue work between two of the driver's events; what the driver raises comes through."""
        was_idle = self.idle
        cuda = numba_cuda()
        begin, end = None, cuda.event(timing=True)
        submitted_s = time.perf_counter()
        if work is not None:
            begin = cuda.event(timing=True)
            begin.record(self.handle)
            work()
        end.record(self.handle)
        event = CudaEvent(self, kind, begin, end, submitted_s, self._fail)
        if begin is not None:
            if was_idle or self._anchor is None:
                self._anchor = event
            else:
                event.anchor = self._anchor
        self._last = event
        return event

    def close(self) -> None:
        """Give the stream back; its work finishes."""
        self.closed = True


class Watch:
    """Polls events in one system task, for as long as there are any, and makes their calls."""

    def __init__(self) -> None:
        self._waiting: list[tuple[CudaEvent, Callable[[], None]]] = []
        self._runs = False

    def add(self, event: CudaEvent, call: Callable[[], None]) -> None:
        """Call `call` in the Trio thread once `event` is done; at once if it is."""
        if event.done:
            call()
            return
        self._waiting.append((event, call))
        if not self._runs:
            self._runs = True
            trio.lowlevel.spawn_system_task(self._poll, name="cuda events")

    async def _poll(self) -> None:
        looks = 0
        try:
            while self._waiting:
                await sleep_between(looks)
                before, self._waiting = self._waiting, []
                ready: list[tuple[CudaEvent, Callable[[], None]]] = []
                for pair in before:
                    (ready if pair[0].done else self._waiting).append(pair)
                looks = 0 if ready else looks + 1
                for _, call in ready:
                    call()
        finally:
            self._runs = False


async def sleep_between(looks: int) -> None:
    """Sleep as long as the schedule says after `looks` looks; at least a checkpoint."""
    pause = pause_s(looks)
    if pause:
        await trio.sleep(pause)
    else:
        await trio.lowlevel.checkpoint()
