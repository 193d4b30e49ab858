"""One trace of a run, written while it runs: a hook that hands records to a thread, which writes them to a file."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import trio

from rkruntime.actors import ActorEvent, EndedMessages, MessageDone
from rkruntime.device import WatchesWorkers
from rkruntime.errors import NotRunning, UnreadableInput
from rkruntime.kernels import LaunchDone
from rkruntime.log import get_logger
from rkruntime.memory import PressureChange
from rkruntime.observability._trace_events import MemorySample, Timed, TraceEvents, WorkerRun
from rkruntime.runtime import DrainReport, Runtime, State, Transition

__all__ = ("TraceFile",)

MOST_WAITING = 200_000
"""Records that wait for the file at most: about 50 MB of them."""
FLUSH_S = 0.1
"""What has happened is in the file after so many seconds, whatever becomes of the process."""
CLOSING = b"\n]\n"
CHUNK_RECORDS = 200
"""Records that are turned to text at a stretch, or a batch of messages: a millisecond, in which other threads wait."""


class TraceFile:
    """A hook that writes a trace for Perfetto (https://ui.perfetto.dev) or `chrome://tracing`.

    The file is a whole JSON array after every write, so a run that is killed leaves a trace of all but its last tenth
    of a second. It is closed by `close`, or at the end of a `with` block around the runtime.

    Args:
        path: The file; what is there is replaced.
        most_waiting: Records that may wait for the file; more are dropped, and counted in `dropped`.

    Raises:
        UnreadableInput: The file cannot be written.
    """

    def __init__(self, path: str | Path, *, most_waiting: int = MOST_WAITING) -> None:
        heads = "[\n" + ",\n".join(TraceEvents.heads()) + "\n]\n"
        try:
            with ExitStack() as undo:
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
                undo.callback(os.close, self._file)
                self._end = _write(self._file, heads.encode(), 0) - len(CLOSING)
                undo.pop_all()
        except OSError as error:
            why, mend = f"the trace cannot be written: {error.strerror}", "give a file in a folder of yours"
            raise UnreadableInput(str(path), why, mend) from error
        self.path = str(path)
        self.dropped = 0
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[object, int]] = deque()
        self._putting = threading.Lock()
        self._given = 0
        self._written = 0
        self._events: TraceEvents | None = None
        self._runtime: Runtime | None = None
        self._to_trio_s = 0.0
        self._sampled = (-1, -1)
        self.takes: dict[type, Callable[[Any], None]] = {
            ActorEvent: self._put,
            LaunchDone: self._put_launch,
            Transition: self._follow,
            PressureChange: self._put_timed,
            DrainReport: self._put_timed,
        }
        self._closing = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._write_all, name="rkruntime-trace")
        self._thread.start()

    def attach(self, runtime: Runtime) -> None:
        """Take memory and workers from this runtime."""
        self._runtime = runtime

    def __call__(self, record: object) -> None:
        """Take a record; on the runtime's thread."""
        if isinstance(record, MessageDone):
            self.take_messages(EndedMessages.of(record))
        elif (take := self.takes.get(type(record))) is not None:
            take(record)

    def take_messages(self, ended: EndedMessages) -> None:
        """Take messages; on any thread."""
        self._put(ended, len(ended))

    def _put_launch(self, done: LaunchDone) -> None:
        self._put(done)
        self._sample_memory()

    def _put_timed(self, record: PressureChange | DrainReport) -> None:
        self._put(Timed(trio.current_time(), record))
        self._sample_memory()

    def _put(self, record: object, count: int = 1) -> None:
        with self._putting:
            if self._given - self._written + count > self._most_waiting:
                self.dropped += count
                return
            self._given += count
        self._waiting.append((record, count))

    def _follow(self, move: Transition) -> None:
        if self._events is None:
            self._to_trio_s = trio.current_time() - time.perf_counter()
            self._events = TraceEvents(move.at_s)
        self._put(move)
        runtime = self._runtime
        if move.after is State.RUNNING and runtime is not None and isinstance(runtime.device, WatchesWorkers):
            runtime.device.watch_workers(self._worker_ran)
        self._sample_memory()

    def _worker_ran(self, worker: int, name: str, began: float, ended: float) -> None:
        """Take what a worker did, by `time.perf_counter`; on the worker's thread."""
        self._put(WorkerRun(worker, name, began + self._to_trio_s, ended + self._to_trio_s))

    def _sample_memory(self) -> None:
        if self._runtime is None:
            return
        try:
            memory = self._runtime.memory
        except NotRunning:
            return
        sizes = (memory.allocated_bytes, memory.reserved_bytes)
        if sizes != self._sampled:
            self._sampled = sizes
            self._put(MemorySample(trio.current_time(), *sizes))

    # On the thread

    def _write_all(self) -> None:
        while not self._closing.wait(FLUSH_S):
            if self._runtime is not None:
                self._runtime.hand_over_messages()
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        events, waiting = self._events, self._waiting
        while events is not None and waiting:
            lines: list[str] = []
            taken = 0
            while waiting and taken < CHUNK_RECORDS:
                record, count = waiting.popleft()
                lines += events.lines(record)
                taken += count
            self._written += taken
            self._append(lines)

    def _append(self, lines: list[str]) -> None:
        """Write over the closing bracket, in one call: with the new one the file is whole again."""
        if self._failure is not None or not lines:
            return
        text = (",\n" + ",\n".join(lines)).encode() + CLOSING
        try:
            self._end += _write(self._file, text, self._end) - len(CLOSING)
        except OSError as error:  # a full disk, most likely: the run goes on without its trace
            self._failure = error

    def close(self) -> None:
        """Write what is left and close the file; again is harmless."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        os.close(self._file)
        log = get_logger("rkruntime.observability")
        if self._failure is not None:
            log.error("the trace is cut off", path=self.path, error=str(self._failure))
        if self.dropped:
            log.warning("the trace lacks records: the disk was too slow", path=self.path, dropped=self.dropped)

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write(file: int, text: bytes, offset: int) -> int:
    written = 0
    while written < len(text):
        written += os.pwrite(file, text[written:], offset + written)
    return written
