"""What workers are given: launches, with the record that their compiled code reads, and plain calls."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rkruntime.simt import _state
from rkruntime.simt._runner import Extent, Runnable, Runner, check_cooperative, fitting, smoothed

if TYPE_CHECKING:
    from rkruntime.simt._schedule import Workers

__all__ = ("CHUNK_NS", "Call", "Launch")

Control = ctypes.c_int64 * _state.CONTROL_WORDS

CHUNK_NS = 2e5
LAST_CHUNK_NS = 2e4  # chunks become smaller towards the end, down to this
PATIENCE = 4000  # turns, some 150 us, for which threads look at one another at the end of a launch before they sleep
SLICE_CHUNKS = 32  # after which a caller that takes part looks for Ctrl-C
SLICE_NS = 5e7  # more than so many chunks may take where it does


class Launch:
    """One launch; `Workers.submit` makes and starts it.

    Args:
        special: The compiled kernel.
        grid: Blocks in x, y, z.
        block: Threads of a block in x, y, z.
        args: The kernel's arguments.
        shared_bytes: Dynamic shared memory of a block.
        done: Called once on a worker's thread when the launch is over, after `done` and `error` are set.
    """

    def __init__(
        self,
        special: Runnable,
        grid: Extent,
        block: Extent,
        args: tuple[Any, ...],
        shared_bytes: int = 0,
        done: Callable[[], None] | None = None,
    ) -> None:
        self.special = special
        self.name = special.name
        self.grid = grid
        self.block = block
        self.args = args
        self.shared_bytes = shared_bytes
        self.error: BaseException | None = None
        self.done = False
        self.queued_s = 0.0
        self.ran_s = 0.0
        self.blocks = grid[0] * grid[1] * grid[2]
        self._on_done = done
        self._control, self._probe_control = Control(), Control()
        self._submitted = time.perf_counter()
        self._started: float | None = None
        self._busy_s = 0.0
        self._workers = 0
        self.helped = False  # by the caller's thread, which has the seat of a worker
        self._stopping = False
        self.pool: Workers | None = None
        check_cooperative(special, grid, block)
        self._probe = special.ns_per_block is None and not special.cooperative
        self._control[_state.TOTAL] = self.blocks
        if self._probe:
            self._probe_control[_state.TOTAL] = self._probe_control[_state.CHUNK] = 1
            self._control[_state.NEXT] = 1
        else:
            self._set_chunk()

    def cancel(self, reason: str = "it was asked to stop") -> bool:
        """Stop between blocks, and in loops that look; false if the launch is over."""
        return self.pool is not None and self.pool.cancel(self, reason)

    # What follows is for Workers, which hold their lock unless said otherwise.

    @property
    def running(self) -> bool:
        """Whether a worker is on it, or the caller."""
        return self.helped or self._workers > 0

    @property
    def all_ran(self) -> bool:
        """Whether all blocks have run, though workers that ran the last may not have come back; not under the lock."""
        return self._control[_state.DONE] >= self.blocks

    @property
    def is_over(self) -> bool:
        """Whether nobody is on it, and nothing left to do."""
        return not self.running and not self.wants_worker

    @property
    def wants_worker(self) -> bool:
        """Whether one more worker could help."""
        if self._stopping or (self._probe and self._workers):
            return False
        return self._probe or self._control[_state.NEXT] < self.blocks

    def suits_caller(self) -> bool:
        """Whether the caller's thread may take part: it comes back soon, to look for Ctrl-C, wherever that may come."""
        special = self.special
        if self._probe or special.cooperative or special.ns_per_block is None:
            return False
        if special.has_open_loop and threading.current_thread() is threading.main_thread():
            return False
        slice_ns = SLICE_CHUNKS * self._control[_state.CHUNK] * special.ns_per_block
        return slice_ns <= SLICE_NS and fitting(special, self.block).lowering != "fibers"

    def queued(self, pool: Workers, helped: bool) -> None:
        """Note whose it is, and whether the caller's thread takes part."""
        self.pool, self.helped = pool, helped
        self._control[_state.HELPED] = helped
        self._control[_state.PARTS] = 2 * pool.count if pool.count > 1 else 0

    def make_room(self, give_way: bool) -> None:
        """Ask the workers on it to come back after the chunk at hand, or no longer."""
        self._control[_state.YIELD] = give_way

    def stop(self, error: BaseException) -> None:
        """Let no more blocks start; the first error stays."""
        self._stopping = True
        self.error = self.error or error
        self._control[_state.CANCEL] = self._probe_control[_state.CANCEL] = 1

    def begin(self) -> Callable[[Runner], Callable[[], bool]]:
        """Take one worker; return what it shall do without the lock, which returns what it shall do with it."""
        now = time.perf_counter()
        if self._started is None:
            self._started = now
        self._workers += 1
        probing = self._probe
        control = self._probe_control if probing else self._control

        def work(runner: Runner) -> Callable[[], bool]:
            error = self._run(runner, control)
            return lambda: self._end(error, time.perf_counter() - now, probing)

        return work

    def help(self, runner: Runner) -> tuple[BaseException | None, float]:
        """Take some chunks on the caller's thread, without the lock; return what `note` wants to know."""
        began = time.perf_counter()
        if self._started is None:
            self._started = began
        error = self._run(runner, self._control)
        return error, time.perf_counter() - began

    def note(self, error: BaseException | None, busy_s: float) -> None:
        """Add what one thread did."""
        self._busy_s += busy_s
        if error is not None and not self._stopping:
            self.stop(error)

    def _end(self, error: BaseException | None, busy_s: float, probed: bool) -> bool:
        """Give one worker back; true if the launch is over now."""
        self._workers -= 1
        self.note(error, busy_s)
        if probed:
            self._probe = False
            self.special.ns_per_block = max(busy_s * 1e9, 1.0)
            self._set_chunk()
        return self.is_over

    def finish(self) -> None:
        """Note times and that it is over."""
        now = time.perf_counter()
        started = now if self._started is None else self._started
        self.queued_s, self.ran_s = started - self._submitted, now - started
        if self.error is None:
            self.special.ns_per_block = smoothed(self.special.ns_per_block, self._busy_s * 1e9 / self.blocks)
        self.args = ()
        self.done = True

    def report(self) -> None:
        """Tell whoever launched it; not under the lock."""
        if self._on_done is not None:
            self._on_done()

    def _run(self, runner: Runner, control: ctypes.Array[ctypes.c_int64]) -> BaseException | None:
        address = ctypes.addressof(control)
        return runner.run(self.special, self.grid, self.block, self.args, self.shared_bytes, address)

    def _set_chunk(self) -> None:
        """Write how many blocks to take at once, at most and at least."""
        ns = self.special.ns_per_block
        row = min(-(-self.special.together // self.block[0]), self.grid[0])  # blocks whose threads are one vector
        most = 1 if ns is None else min(int(CHUNK_NS / ns), -(-self.blocks // 4))
        least = 1 if ns is None else int(LAST_CHUNK_NS / ns)
        whole = self.special.cooperative
        self._control[_state.CHUNK] = most = self.blocks if whole else max(row, most // row * row)
        self._control[_state.LEAST] = most if whole else min(most, max(row, least // row * row))


class Call:
    """A plain Python call that takes a worker, such as a large copy; `Workers.start` starts it.

    Args:
        function: What to call; it should let the GIL go.
        done: Called once, on the worker's thread, after `done` and `error` are set.
    """

    def __init__(self, function: Callable[[], object], done: Callable[[], None]) -> None:
        self.function = function
        self.name = "a copy"
        self.pool: Workers | None = None
        self.helped = False
        self.error: BaseException | None = None
        self.done = False
        self.queued_s = 0.0
        self.ran_s = 0.0
        self.blocks = 1
        self.running = False
        self.wants_worker = True
        self._on_done = done
        self._submitted = time.perf_counter()

    def cancel(self, reason: str = "it was asked to stop") -> bool:
        """Do not begin; false if it is over. One that has begun goes on to its end."""
        return self.pool is not None and self.pool.cancel(self, reason)

    def queued(self, pool: Workers, helped: bool) -> None:  # noqa: ARG002 nobody helps with a call
        """Note whose it is."""
        self.pool = pool

    def make_room(self, give_way: bool) -> None:
        """A call cannot be cut."""

    def stop(self, error: BaseException) -> None:
        """Do not begin; a call that has begun goes on to its end."""
        if not self.running:
            self.wants_worker = False
            self.error = error

    def begin(self) -> Callable[[Runner], Callable[[], bool]]:
        """Take the worker."""
        self.running, self.wants_worker = True, False
        self.queued_s = time.perf_counter() - self._submitted

        def work(_: Runner) -> Callable[[], bool]:
            try:
                self.function()
            except Exception as error:
                self.error = error
            return lambda: True

        return work

    def finish(self) -> None:
        """Note times and that it is over."""
        self.running = False
        self.ran_s = time.perf_counter() - self._submitted - self.queued_s
        self.done = True

    def report(self) -> None:
        """Tell whoever asked for it; not under the lock."""
        self._on_done()
