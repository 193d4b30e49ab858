"""The CPU device's streams: queues of operations that run in order, and the events that stand for them.

An operation begins on the thread that finished the one before, so a queue of launches moves on without Trio. A failed
operation shows in its own event alone: the operations after it still run, as they would after a bad kernel on another
stream. A cancelled operation that has not begun is over when its turn comes, so that an event still means that
everything before it on the stream has finished.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from rkruntime.device._api import Timing
from rkruntime.errors import BufferMisuse, LaunchCancelled, NotRunning
from rkruntime.simt._schedule import Call, Launch, Workers

__all__ = ("CpuEvent", "CpuStream", "Operation")

MakeTask = Callable[[Callable[[], None]], Launch | Call]

_LOCK = threading.Lock()  # guards the callbacks of all events; held for a few instructions at a time


class CpuEvent:
    """A point on a CPU stream: `done`, then `error` and `timing`, as `DeviceEvent` says."""

    __slots__ = ("__weakref__", "_callbacks", "done", "error", "operation", "timing")

    def __init__(self, operation: Operation | None = None) -> None:
        self.done = False
        self.error: BaseException | None = None
        self.operation = operation
        self.timing: Timing | None = None
        self._callbacks: list[Callable[[], None]] = []

    @classmethod
    def over(cls, error: BaseException | None, ran_s: float) -> CpuEvent:
        """Make the event of work that ran at once: it is done, and nobody can have waited for it."""
        event = cls()
        event.error, event.timing, event.done = error, Timing(0.0, ran_s), True
        return event

    def then(self, call: Callable[[], None]) -> bool:
        """Call `call` from whatever thread completes the event; false, and no call, if it is done."""
        with _LOCK:
            if self.done:
                return False
            self._callbacks.append(call)
            return True

    def forget(self, call: Callable[[], None]) -> None:
        """Take back what `then` took, if it was not called yet."""
        with _LOCK:
            if call in self._callbacks:
                self._callbacks.remove(call)

    def complete(self, error: BaseException | None, queued_s: float, ran_s: float) -> None:
        """Make the event done and tell everyone."""
        self.error, self.timing = error, Timing(queued_s, ran_s)
        self.operation = None
        with _LOCK:
            self.done = True
            callbacks, self._callbacks = self._callbacks, []
        for call in callbacks:
            call()


class Operation:
    """Something to run in a stream's order.

    Args:
        name: What errors call it.
        make: Makes the task for the workers; takes what they shall call at its end. None for a mere mark.
        cancels: Whether it can be stopped.
    """

    __slots__ = ("_make", "cancel_reason", "cancels", "event", "name", "queued_at", "task")

    def __init__(self, name: str, make: MakeTask | None, *, cancels: bool = False) -> None:
        self.name = name
        self.cancels = cancels
        self.cancel_reason: str | None = None
        self.task: Launch | Call | None = None
        self.event = CpuEvent(self)
        self.queued_at = time.perf_counter()
        self._make = make

    def cancel(self, reason: str) -> bool:
        """Stop it now, or when its turn comes; false if it is over or cannot be stopped."""
        if not self.cancels or self.event.done:
            return False
        self.cancel_reason = reason
        if self.task is not None:
            self.task.cancel(reason)
        return True

    def begin(self, workers: Workers, done: Callable[[], None]) -> bool:
        """Begin; false if it is over already, in which case `done` is not called."""
        waited_s = time.perf_counter() - self.queued_at
        make, self._make = self._make, None
        if make is None or self.cancel_reason is not None:
            self.event.complete(self._cancelled(), waited_s, 0.0)
            return False
        self.task = make(done)
        try:
            workers.start(self.task)
        except NotRunning as error:
            self.event.complete(error, waited_s, 0.0)
            return False
        cancelled = self._cancelled()  # by another thread, since the look above
        if cancelled is not None:
            self.task.cancel(cancelled.reason)
        return True

    def _cancelled(self) -> LaunchCancelled | None:
        return None if self.cancel_reason is None else LaunchCancelled(self.name, self.cancel_reason)

    def complete(self, now: float) -> None:
        """Hand on what the task's end left."""
        task = self.task
        assert task is not None
        self.event.complete(task.error, now - self.queued_at - task.ran_s, task.ran_s)


class CpuStream:
    """Operations in order; the next begins when the one before is over.

    Args:
        workers: Who runs them.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._pending: deque[Operation] = deque()
        self._current: Operation | None = None
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits, so that work may run in place: from the last event on."""
        if self._closed or self._pending:
            return False
        current = self._current  # read after what waits: what waited then is not mistaken for over
        return current is None or current.event.done

    def add(self, operation: Operation) -> CpuEvent:
        """Queue an operation.

        Raises:
            BufferMisuse: The stream was closed.
        """
        if self._closed:
            raise BufferMisuse("work for a closed stream", operation.name, "open a new stream with device.stream()")
        with self._lock:
            self._pending.append(operation)
            begins = self._current is None
            if begins:
                self._current = operation
        if begins:
            self._advance()
        return operation.event

    def record(self) -> CpuEvent:
        """Stand for everything submitted to this stream so far."""
        mark = Operation("mark", None)
        with self._lock:
            if self._current is not None:
                self._pending.append(mark)
                return mark.event
        mark.event.complete(None, 0.0, 0.0)
        return mark.event

    def close(self) -> None:
        """Take no more work; what is queued still runs."""
        self._closed = True

    def cancel_all(self, reason: str) -> None:
        """Stop what runs and what waits, as far as each can be stopped."""
        with self._lock:
            operations = [*self._pending] if self._current is None else [self._current, *self._pending]
        for operation in operations:
            operation.cancel(reason)

    def _advance(self) -> None:
        """Begin operations until one is under way or none is left."""
        while True:
            with self._lock:
                if not self._pending:
                    self._current = None
                    return
                operation = self._current = self._pending.popleft()
            if operation.begin(self._workers, partial(self._over, operation)):
                return

    def _over(self, operation: Operation) -> None:
        operation.complete(time.perf_counter())
        self._advance()
