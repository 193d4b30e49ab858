"""Streams and events of the fake device, on Trio's clock, with no thread and no task of their own.

A piece of work begins when its stream's work before it has finished, lasts for a given time, and takes effect at its
end, in the order of the ends. Nothing runs in between: whoever looks at an event, or waits for it, makes what is due
happen first. So a source that changes too early, or an output read too early, shows as it does on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import trio

from rkruntime.device._api import Timing
from rkruntime.errors import BufferMisuse

__all__ = ("FakeEvent", "FakeStream", "Timeline")


def _no_effect() -> None:
    """Take no effect."""


@attrs.define(eq=False)
class FakeEvent:
    """A piece of work on a fake stream, and the event that stands for it.

    Args:
        timeline: The device's time.
        kind: `launch`, `copy`, `zero` or `record`.
        name: What errors call the work.
        submitted_s: When it was submitted.
        lasts_s: How long it runs; `math.inf` for an event that never comes.
        effect: What happens at its end.
        uses: Blocks of device memory that it works on.
    """

    timeline: Timeline
    kind: str
    name: str
    submitted_s: float
    lasts_s: float
    effect: Callable[[], None] = _no_effect
    uses: frozenset[int] = frozenset()
    begins_s: float = 0.0
    due_s: float = math.inf
    finished: bool = False
    error: BaseException | None = None
    stream: FakeStream | None = attrs.field(default=None, repr=False)
    changed: trio.Event = attrs.field(factory=trio.Event, repr=False)

    @property
    def done(self) -> bool:
        """Whether the work has finished."""
        self.timeline.settle()
        return self.finished

    @property
    def timing(self) -> Timing | None:
        """Queue and run time in the timeline's seconds, once done."""
        if not self.done:
            return None
        return Timing(queued_s=self.begins_s - self.submitted_s, ran_s=self.due_s - self.begins_s)

    def note_change(self) -> None:
        """Wake whoever waits, so that they look at the event again."""
        changed, self.changed = self.changed, trio.Event()
        changed.set()


@attrs.define(eq=False)
class FakeStream:
    """Work in order, one piece at a time."""

    timeline: Timeline
    number: int
    closed: bool = False
    free_s: float = -math.inf
    pending: list[FakeEvent] = attrs.field(factory=list)

    def record(self) -> FakeEvent:
        """Stand for everything submitted to this stream so far; on a lost device, its error is the loss."""
        event = self.submit("record", "record", 0.0)
        event.error = self.timeline.lost
        return event

    def close(self) -> None:
        """Give the stream back; its work finishes."""
        self.closed = True

    def submit(
        self,
        kind: str,
        name: str,
        lasts_s: float,
        effect: Callable[[], None] = _no_effect,
        uses: frozenset[int] = frozenset(),
    ) -> FakeEvent:
        """Queue a piece of work.

        Raises:
            BufferMisuse: The stream is closed.
        """
        if self.closed:
            raise BufferMisuse("used after close", f"fake stream {self.number}", "open a new stream")
        self.timeline.settle()
        event = FakeEvent(self.timeline, kind, name, self.timeline.now_s(), lasts_s, effect, uses, stream=self)
        self.pending.append(event)
        self.timeline.pending += 1
        self.schedule()
        self.timeline.settle()
        return event

    def schedule(self) -> None:
        """Say anew when each pending piece begins and ends, after the list or a duration changed."""
        end_s = -math.inf
        for event in self.pending:
            begins_s = max(event.submitted_s, end_s, self.free_s)
            end_s = begins_s + event.lasts_s
            if (begins_s, end_s) != (event.begins_s, event.due_s):
                event.begins_s, event.due_s = begins_s, end_s
                event.note_change()


@attrs.define(eq=False)
class Timeline:
    """The fake device's time: Trio's clock inside a Trio run, its own outside of one.

    Args:
        on_effect_error: Turns what an effect raised into the event's error.
    """

    on_effect_error: Callable[[FakeEvent, Exception], BaseException]
    streams: list[FakeStream] = attrs.field(factory=list)
    pending: int = 0  # work not done on all streams
    outside_s: float = 0.0
    lost: BaseException | None = None
    _watchers: list[tuple[FakeEvent, Callable[[], None]]] = attrs.field(factory=list)
    _settling: bool = False

    def now_s(self) -> float:
        """The time, in seconds: Trio's inside a run."""
        return trio.current_time() if trio.lowlevel.in_trio_run() else self.outside_s

    def open_stream(self) -> FakeStream:
        """Open a stream."""
        stream = FakeStream(self, len(self.streams))
        self.streams.append(stream)
        return stream

    def in_flight(self) -> list[FakeEvent]:
        """Work that is not done, in order of submission per stream."""
        self.settle()
        return [event for stream in self.streams for event in stream.pending]

    def settle(self) -> None:
        """Finish what is due, in the order in which it ends."""
        if self.pending == 0 or self._settling:
            return
        self._settling = True
        try:
            now_s = self.now_s()
            while (event := self._next_due(now_s)) is not None:
                self._finish(event)
        finally:
            self._settling = False

    def finish(self, event: FakeEvent) -> None:
        """Make pending work end now, or as soon as the work before it has ended."""
        self._shorten(event, self.now_s())

    def stop(self, event: FakeEvent, after_s: float, error: BaseException) -> None:
        """Stop pending work, with no effect: `after_s` from now where it runs, at once where it has not begun."""
        event.error, event.effect = error, _no_effect
        now_s = self.now_s()
        if event.begins_s <= now_s:
            self._shorten(event, now_s + after_s)
            return
        assert event.stream is not None
        event.begins_s = event.due_s = now_s
        self._finish(event)
        event.stream.schedule()

    def _shorten(self, event: FakeEvent, at_s: float) -> None:
        assert event.stream is not None
        event.lasts_s = max(0.0, at_s - event.begins_s) if math.isfinite(event.begins_s) else 0.0
        event.stream.schedule()
        self.settle()

    async def wait(self, event: FakeEvent) -> None:
        """Wait until the event is done; at least a checkpoint."""
        await trio.lowlevel.checkpoint()
        while not event.done:
            with trio.move_on_at(event.due_s):
                await event.changed.wait()

    def on_done(self, event: FakeEvent, call: Callable[[], None]) -> None:
        """Call back once done: from a system task inside a Trio run, from `advance` outside."""
        if event.done:
            call()
        elif trio.lowlevel.in_trio_run():
            trio.lowlevel.spawn_system_task(self._watch, event, call, name=f"fake device: {event.name}")
        else:
            self._watchers.append((event, call))

    def advance(self, seconds: float) -> None:
        """Move the time outside of a Trio run; inside one, the clock is Trio's."""
        if trio.lowlevel.in_trio_run():
            raise RuntimeError("inside a Trio run the fake device's time is Trio's clock: sleep, or jump a MockClock")
        self.outside_s += seconds
        self.call_back()

    def call_back(self) -> None:
        """Make the calls that are due outside of a Trio run."""
        self.settle()
        ready = [watcher for watcher in self._watchers if watcher[0].finished]
        self._watchers = [watcher for watcher in self._watchers if not watcher[0].finished]
        for _, call in ready:
            call()

    async def _watch(self, event: FakeEvent, call: Callable[[], None]) -> None:
        await self.wait(event)
        call()

    def _next_due(self, now_s: float) -> FakeEvent | None:
        heads = [stream.pending[0] for stream in self.streams if stream.pending]
        due = [event for event in heads if event.due_s <= now_s]
        return min(due, key=lambda event: event.due_s, default=None)

    def _finish(self, event: FakeEvent) -> None:
        assert event.stream is not None
        event.stream.pending.remove(event)
        event.stream.free_s = max(event.stream.free_s, event.due_s)
        self.pending -= 1
        try:
            event.effect()
        except Exception as error:  # whatever a kernel raises is its event's error
            event.error = self.on_effect_error(event, error)
        event.finished = True
        event.note_change()
