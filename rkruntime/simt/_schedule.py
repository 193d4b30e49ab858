"""Handing blocks to threads: workers of our own share the launches in flight fairly, a millisecond at a time.

Every launch has a few words of memory, its control record, which compiled code reads: the next block, how many to take
at once, and the flags that make it stop. Workers take blocks from that counter without the GIL; they come back to
Python when the launch has no blocks left, when it is cancelled, when a thread of it raised, or when another launch has
no worker and this one is asked to make room.

A launch whose kernel was never timed runs its first block alone as a probe; its time sets the chunk.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rkruntime.errors import LaunchCancelled, NotRunning
from rkruntime.latch import Latch
from rkruntime.simt._launch import PATIENCE, SLICE_CHUNKS, Call, Launch
from rkruntime.simt._runner import Extent, InPlace, Runnable, Runner
from rkruntime.simt._stacks import ArenaStats

__all__ = ("Call", "InPlace", "Launch", "Runnable", "Runner", "Watch", "Workers")

Watch = Callable[[int, str, float, float], None]
"""Called on a worker's thread after each piece of work: the worker, what it worked on, from and until when."""


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
        self._busy = 0
        self._helped: set[Launch | Call] = set()  # whose caller has the seat of a worker
        self._closing = False
        self._callers = threading.local()
        self._bell = ctypes.c_int64()
        self.watch: Watch | None = None
        self._runners = [Runner(patience=PATIENCE, bell=self._bell) for _ in range(count)]
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

        The caller's thread takes blocks itself, in place of a worker, which would have to wake up: where a worker has
        nothing else to do, and where the thread is sure to come back soon, so that Ctrl-C is seen. The arguments are
        those of `submit`.

        Raises:
            NotRunning: The workers are closed.
        """
        over = Latch()
        launch = Launch(special, grid, block, args, shared_bytes, over.set)
        try:
            self._queue(launch, helped=launch.suits_caller())
            self._help(launch)
            if not launch.all_ran:
                over.wait()
        except BaseException:
            self._leave(launch)
            if launch.cancel("the caller was interrupted"):
                over.wait()  # the kernel may still be using the caller's arrays
            raise
        return launch.error

    def start(self, task: Launch | Call) -> None:
        """Queue a task that was made beforehand, so that its maker knows it before it can be over.

        Raises:
            NotRunning: The workers are closed.
        """
        self._queue(task, helped=False)

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

    @property
    def _free(self) -> int:
        """How many more threads may work: no more than there are workers do so at once."""
        return len(self._threads) - self._busy - len(self._helped)

    @property
    def _starving(self) -> bool:
        """Whether a task waits for which there is no worker."""
        free = self._free
        return len(self._tasks) > free and sum(task.wants_worker and not task.running for task in self._tasks) > free

    def _queue(self, task: Launch | Call, helped: bool) -> None:
        """Queue a task; the caller's thread works on it if it is to and somebody may."""
        with self._lock:
            if self._closing:
                raise NotRunning("closed")
            helped = helped and sum(not other.running for other in self._tasks) < self._free
            if helped:
                self._helped.add(task)
            task.queued(self, helped)
            self._tasks.append(task)
            if self._starving:
                for other in self._tasks:
                    other.make_room(other.running)
            self._work.notify(min(task.blocks, self._free))

    def _help(self, launch: Launch) -> None:
        """Work on a launch on the caller's thread while there is work, and no other task waits for a worker.

        What follows a launch is short, and takes the lock once: Python is slow when a kernel's data are in the caches.
        """
        over = False
        while launch.helped:
            error, busy_s = launch.help(self._runner())
            with self._lock:
                launch.note(error, busy_s)
                if launch.wants_worker:
                    starving = self._starving
                    launch.make_room(starving)
                    if not starving:
                        continue
                over = self._take_leave(launch)
        if over:
            _report(launch)

    def _leave(self, launch: Launch) -> None:
        """End the work of the caller's thread, where a Ctrl-C has cut it short at any point."""
        with self._lock:
            over = self._take_leave(launch)
        if over:
            _report(launch)

    def _take_leave(self, launch: Launch) -> bool:
        """Give the caller's seat back, under the lock; true if the launch is over with that. Again is harmless."""
        launch.helped = False
        self._helped.discard(launch)
        over = launch.is_over and launch in self._tasks
        if over:
            self._remove(launch)
        if any(task.wants_worker for task in self._tasks):
            self._work.notify(self._free)
        return over

    def _runner(self) -> Runner:
        """Return what runs blocks on the caller's thread; kernels on fibers, which need an arena, never do."""
        runner: Runner | None = getattr(self._callers, "runner", None)
        if runner is None:
            runner = self._callers.runner = Runner(SLICE_CHUNKS, PATIENCE, self._bell)
        return runner

    def _remove(self, task: Launch | Call) -> None:
        task.finish()
        self._tasks.remove(task)

    def _next_task(self) -> Launch | Call | None:
        """Wait for a task that wants a worker: one with none before others, else in turn. None once closing."""
        while True:
            wanting = [task for task in self._tasks if task.wants_worker]
            if wanting and self._free > 0:
                task = next((task for task in wanting if not task.running), wanting[0])
                self._tasks.remove(task)
                self._tasks.append(task)
                task.make_room(any(not other.running for other in wanting if other is not task))
                return task
            if self._closing:
                return None
            self._work.wait()

    def _serve(self, number: int, runner: Runner) -> None:
        """Run a worker's life."""
        while True:
            with self._lock:
                task = self._next_task()
                if task is None:
                    return
                work = task.begin()
                self._busy += 1
            watch = self.watch
            began = 0.0 if watch is None else time.perf_counter()
            end = work(runner)
            if watch is not None:
                watch(number, task.name, began, time.perf_counter())
            with self._lock:
                self._busy -= 1
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
