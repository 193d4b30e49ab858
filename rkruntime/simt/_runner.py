"""Running blocks on one thread: what a thread needs for it, and launches that are over before the call returns."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rkruntime.errors import InvalidLaunch
from rkruntime.simt import _state
from rkruntime.simt._stacks import Arena, ArenaStats, block_space_bytes

__all__ = (
    "Extent",
    "InPlace",
    "Runnable",
    "Runner",
    "Words",
    "check_cooperative",
    "fitting",
    "place_of_thread",
    "smoothed",
)

MOST_TOGETHER = 16 * 1024  # each has a stack with a guard page, and a process some 65,000 mappings
KEEPS_GIL_NS = 50_000
"""A launch shorter than this keeps the GIL: handing it over twice takes as long, and who gets it may keep it 5 ms."""
Words = npt.NDArray[np.int64]
Extent = tuple[int, int, int]
_here = threading.local()


def check_cooperative(special: Runnable, grid: Extent, block: Extent) -> None:
    """Refuse a grid whose threads wait for one another and that is too large to be there all at once.

    Raises:
        InvalidLaunch: It is.
    """
    if special.cooperative and (threads := math.prod(grid) * math.prod(block)) > MOST_TOGETHER:
        wanted = f"at most {MOST_TOGETHER:,} threads in all, not {threads:,}, since they wait for one another"
        mend = "take fewer blocks, and let each thread do more in a loop"
        raise InvalidLaunch(special.name, "grid", grid, wanted, mend)


def fitting(special: Runnable, block: Extent) -> Runnable:
    """Return what runs blocks of a shape: their rows are whole vectors, or there is one row, whose end it takes."""
    if special.otherwise is None or block[0] % special.lanes == 0:
        return special
    return special if special.takes_row_ends and block[1] * block[2] == 1 else special.otherwise()


def _is_short(special: Runnable, blocks: int) -> bool:
    """Whether a launch is known to be over before another thread could make use of the GIL."""
    ns = special.ns_per_block
    return ns is not None and not special.has_open_loop and ns * blocks < KEEPS_GIL_NS


def smoothed(before_ns: float | None, measured_ns: float) -> float:
    """Return a new estimate: a faster measurement is believed, a slower one may have waited for a processor."""
    if before_ns is None or measured_ns < before_ns:
        return measured_ns
    return 0.75 * before_ns + 0.25 * measured_ns


class Runnable(Protocol):
    """What the scheduler needs of a compiled kernel."""

    name: str
    lowering: str
    lanes: int
    takes_row_ends: bool
    ns_per_block: float | None
    cooperative: bool
    together: int
    has_open_loop: bool

    @property
    def otherwise(self) -> Callable[[], Runnable] | None:
        """What returns the kernel for blocks whose rows are not whole vectors; None where this takes all of them."""

    def drive(
        self, control: int, state: int, grid: Extent, block: Extent, shared_bytes: int, args: tuple[Any, ...]
    ) -> None:
        """Run blocks from the control record's counter until there are none, or a flag says to stop."""

    def fault(self, error: BaseException, state: Words) -> BaseException:
        """Turn what a thread of the kernel raised into a KernelFault that says where."""


class Runner:
    """What one thread needs to run blocks: its record of words, and an arena for fibers.

    Args:
        chunks: `run` comes back after so many; 0 for when there are no more.
        patience: How often it then looks for what other threads are about to do.
        bell: A word that counts launches that callers begin.
    """

    def __init__(self, chunks: int = 0, patience: int = 0, bell: ctypes.c_int64 | None = None) -> None:
        self.state: Words = np.zeros(_state.STATE_WORDS, np.int64)
        self.state[_state.CHUNKS], self.state[_state.PATIENCE] = chunks, patience
        self.state[_state.BELL] = 0 if bell is None else ctypes.addressof(bell)
        self._bell = bell  # owns the word
        self._words = self.state.data
        self._address = self.state.ctypes.data
        self._arena = Arena()
        self._growths = 0

    @property
    def arena(self) -> ArenaStats:
        """What the arena holds."""
        return self._arena.stats

    def run(
        self,
        special: Runnable,
        grid: Extent,
        block: Extent,
        args: tuple[Any, ...],
        shared_bytes: int,
        control: int,
    ) -> BaseException | None:
        """Run blocks from the control record at an address until it says to stop; return what went wrong, or None."""
        self._words[_state.CONTROL] = control
        try:
            special = fitting(special, block)
            if special.lowering == "fibers":
                self._prepare(grid if special.cooperative else (), block, shared_bytes)
            special.drive(control, self._address, grid, block, shared_bytes, args)
        except Exception as error:
            return special.fault(error, self.state)
        return None

    def close(self) -> None:
        """Give the arena's memory back."""
        self._arena.close()

    def _prepare(self, grid: tuple[int, ...], block: Extent, shared_bytes: int) -> None:
        """Make room for one block, or for all blocks of a grid that run together."""
        arena = self._arena
        if grid:
            blocks = math.prod(grid)
            arena.reserve(math.prod(block) * blocks, blocks * block_space_bytes(shared_bytes))
        else:
            arena.reserve(block[0] * block[1] * block[2], shared_bytes)
        if arena.stats.growths != self._growths:
            self._growths = arena.stats.growths
            self.state[_state.STACKS] = arena.stacks
            self.state[_state.STACK_BYTES] = arena.stack_bytes
            self.state[_state.FRAMES] = arena.block
            self.state[_state.SHARED] = arena.shared


class InPlace:
    """Runs small launches on the caller's thread; not for two threads at once."""

    def __init__(self) -> None:
        self._runner = Runner()
        self._control: Words = np.zeros(_state.CONTROL_WORDS, np.int64)
        self._words = self._control.data
        self._address = self._control.ctypes.data

    def run(
        self, special: Runnable, grid: Extent, block: Extent, args: tuple[Any, ...], shared_bytes: int = 0
    ) -> tuple[BaseException | None, float]:
        """Run a whole launch; return what went wrong, if anything, and the seconds it took."""
        check_cooperative(special, grid, block)
        words = self._words
        blocks = grid[0] * grid[1] * grid[2]
        words[_state.NEXT] = 0
        words[_state.TOTAL] = words[_state.CHUNK] = blocks
        words[_state.KEEPS_GIL] = _is_short(special, blocks)
        started = time.perf_counter()
        error = self._runner.run(special, grid, block, args, shared_bytes, self._address)
        took_s = time.perf_counter() - started
        if error is None:
            special.ns_per_block = smoothed(special.ns_per_block, took_s * 1e9 / blocks)
        return error, took_s

    def close(self) -> None:
        """Give the arena's memory back."""
        self._runner.close()


def place_of_thread() -> InPlace:
    """Return what runs small launches on the thread that asks; it is made with the first of them."""
    place: InPlace | None = getattr(_here, "place", None)
    if place is None:
        place = _here.place = InPlace()
    return place
