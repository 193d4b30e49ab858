"""Handing blocks to threads: workers of our own share the launches in flight fairly, a millisecond at a time.

Every launch has a few words of memory, its control record, which compiled code reads: the next block, how many to take
at once, and the flags that make it stop. Workers take blocks from that counter without the GIL; they come back to
Python when the launch has no blocks left, when it is cancelled, when a thread of it raised, or when another launch has
no worker and this one is asked to make room.

A launch whose kernel was never timed runs its first block alone as a probe; its time sets the chunk.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from rkruntime.errors import LaunchCancelled, NotRunning
from rkruntime.latch import Latch
from rkruntime.simt import _state
from rkruntime.simt._runner import Extent, InPlace, Runnable, Runner, check_cooperative, smoothed
from rkruntime.simt._stacks import ArenaStats

__all__ = ("Call", "InPlace", "Launch", "Runnable", "Runner", "Watch", "Workers")

CHUNK_NS = 2e5

Watch = Callable[[int, str, float, float], None]
"""Called on a worker's thread after each piece of work: the worker, what it worked on, from and until when."""


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
        self._control, self._probe_control = np.zeros((2, _state.CONTROL_WORDS), np.int64)
        self._submitted = time.perf_counter()
        self._started: float | None = None
        self._busy_s = 0.0
        self._workers = 0
        self._stopping = False
        self.pool: Workers | None = None
        check_cooperative(special, grid, block)
        self._probe = special.ns_per_block is None and not special.cooperative
        for control, first, blocks in ((self._control, 0, self.blocks), (self._probe_control, 0, 1)):
            control[_state.NEXT] = first
            control[_state.TOTAL] = blocks
            control[_state.CHUNK] = self._chunk()
        if self._probe:
            self._control[_state.NEXT] = 1

    def cancel(self, reason: str = "it was asked to stop") -> bool:
        """Stop between blocks, and in loops that look; false if the launch is over."""
        return self.pool is not None and self.pool.cancel(self, reason)

    # What follows is for Workers, which hold their lock unless said otherwise.

    @property
    def running(self) -> bool:
        """Whether a worker is on it."""
        return self._workers > 0

    @property
    def wants_worker(self) -> bool:
        """Whether one more worker could help."""
        if self._stopping or (self._probe and self._workers):
            return False
        left = self.blocks - int(self._control[_state.NEXT])
        return self._probe or left > 0

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
            error = runner.run(self.special, self.grid, self.block, self.args, self.shared_bytes, control.ctypes.data)
            return lambda: self._end(error, time.perf_counter() - now, probing)

        return work

    def _end(self, error: BaseException | None, busy_s: float, probed: bool) -> bool:
        """Give one worker back; true if the launch is over now."""
        self._workers -= 1
        self._busy_s += busy_s
        if error is not None and not self._stopping:
            self.stop(error)
        if probed:
            self._probe = False
            self.special.ns_per_block = max(busy_s * 1e9, 1.0)
            self._control[_state.CHUNK] = self._chunk()
        return not self._workers and not self.wants_worker

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

    def _chunk(self) -> int:
        ns = self.special.ns_per_block
        if self.special.cooperative:
            return self.blocks
        row = min(-(-self.special.together // self.block[0]), self.grid[0])  # blocks whose threads are one vector
        chunk = 1 if ns is None else max(1, min(int(CHUNK_NS / ns), -(-self.blocks // 4)))
        return max(row, chunk // row * row)


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


class Workers:
    """Threads that run launches; usable from any thread.

    Args:
        count: Threads, at least 1.
        name: What the threads are called.
        daemon: Whether the interpreter may end without waiting for them; their owner closes them at exit then.
    """

    def __init__(self, count: int, name: str = "rkruntime-worker", *, daemon: bool = False) -> None:
        self._lock = threading.Lock()  # taken as it is: Ctrl-C in a Condition's own __enter__ leaves it taken
        self._work = threading.Condition(self._lock)
        self._tasks: deque[Launch | Call] = deque()
        self._idle = 0
        self._closing = False
        self.watch: Watch | None = None
        self._runners = [Runner() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._serve, args=(k, runner), name=f"{name}-{k}", daemon=daemon)
            for k, runner in enumerate(self._runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def count(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    @property
    def arenas(self) -> tuple[ArenaStats, ...]:
        """What each worker's arena holds."""
        return tuple(runner.arena for runner in self._runners)

    def submit(
        self,
        special: Runnable,
        grid: Extent,
        block: Extent,
        args: tuple[Any, ...],
        shared_bytes: int = 0,
        done: Callable[[], None] | None = None,
    ) -> Launch:
        """Queue a launch and return at once.

        Args:
            special: The compiled kernel.
            grid: Blocks in x, y, z.
            block: Threads of a block in x, y, z.
            args: The kernel's arguments.
            shared_bytes: Dynamic shared memory of a block.
            done: Called once when the launch is over, on a worker's thread or in that of `cancel` or `close`.

        Raises:
            NotRunning: The workers are closed.
        """
        launch = Launch(special, grid, block, args, shared_bytes, done)
        self.start(launch)
        return launch

    def run(
        self, special: Runnable, grid: Extent, block: Extent, args: tuple[Any, ...], shared_bytes: int = 0
    ) -> BaseException | None:
        """Run a launch to its end; return what went wrong. A KeyboardInterrupt stops the launch and is raised on.

        The arguments are those of `submit`.

        Raises:
            NotRunning: The workers are closed.
        """
        over = Latch()
        launch = Launch(special, grid, block, args, shared_bytes, over.set)
        try:
            self.start(launch)
            over.wait()
        except BaseException:
            if launch.cancel("the caller was interrupted"):
                over.wait()  # the kernel may still be using the caller's arrays
            raise
        return launch.error

    def start(self, task: Launch | Call) -> None:
        """Queue a task that was made beforehand, so that its maker knows it before it can be over.

        Raises:
            NotRunning: The workers are closed.
        """
        with self._lock:
            if self._closing:
                raise NotRunning("closed")
            task.pool = self
            self._tasks.append(task)
            if sum(not other.running for other in self._tasks) > self._idle:
                for other in self._tasks:
                    other.make_room(other.running)
            self._work.notify(task.blocks)

    def cancel(self, task: Launch | Call, reason: str) -> bool:
        """Stop a task of these workers; false if it is over."""
        with self._lock:
            if task not in self._tasks:
                return False
            task.stop(LaunchCancelled(task.name, reason))
            if task.running:
                return True
            self._remove(task)
        task.report()
        return True

    def close(self) -> None:
        """Cancel what is in flight, end the threads and give their memory back; again is harmless."""
        with self._lock:
            self._closing = True
            tasks = tuple(self._tasks)
            self._work.notify_all()
        for task in tasks:
            self.cancel(task, "the device was closed")
        for thread in self._threads:
            thread.join()
        for runner in self._runners:
            runner.close()

    def _remove(self, task: Launch | Call) -> None:
        self._tasks.remove(task)
        task.finish()

    def _next_task(self) -> Launch | Call | None:
        """Wait for a task that wants a worker: one with none before others, else in turn. None once closing."""
        while True:
            wanting = [task for task in self._tasks if task.wants_worker]
            if wanting:
                task = next((task for task in wanting if not task.running), wanting[0])
                self._tasks.remove(task)
                self._tasks.append(task)
                task.make_room(any(not other.running for other in wanting if other is not task))
                return task
            if self._closing:
                return None
            self._idle += 1
            self._work.wait()
            self._idle -= 1

    def _serve(self, number: int, runner: Runner) -> None:
        """Run a worker's life."""
        while True:
            with self._lock:
                task = self._next_task()
                if task is None:
                    return
                work = task.begin()
            watch = self.watch
            began = 0.0 if watch is None else time.perf_counter()
            end = work(runner)
            if watch is not None:
                watch(number, task.name, began, time.perf_counter())
            with self._lock:
                over = end()
                if over:
                    self._remove(task)
                elif task.wants_worker:
                    self._work.notify_all()
            if over:
                _report(task)
            del task, work, end


def _report(task: Launch | Call) -> None:
    """Tell whoever waits; what that raises is shown as a thread's unhandled error, and the worker lives on."""
    try:
        task.report()
    except Exception as error:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
