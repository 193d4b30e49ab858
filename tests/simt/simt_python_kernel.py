"""A kernel in Python that tests of the workers can hold up."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rkruntime.simt import _state

_counter = threading.Lock()


class PythonKernel:
    """Runs a Python function for each block, by the rules of compiled kernels."""

    lowering = "loop"

    def __init__(self, each: Callable[[int], Any] = lambda block: None, name: str = "python") -> None:
        self.name = name
        self.ns_per_block: float | None = None
        self.cooperative = False
        self.together = 1
        self.otherwise = None
        self.each = each
        self.chunks: list[tuple[str, int, int]] = []  # thread, first block, end
        self.has_open_loop = False
        self.running = 0

    def check(self, args: Any) -> None:
        """Take any arguments: a Python function looks at its own."""

    def drive(self, control: int, state: int, grid: Any, block: Any, shared_bytes: int, args: Any) -> None:
        words = _words_at(control, _state.CONTROL_WORDS)
        with _unseen_by_signals(), contextlib.ExitStack() as ending:
            with _counter:
                self.running += 1
            ending.callback(self._end)
            self._take_blocks(words, _words_at(state, _state.STATE_WORDS)[_state.CHUNKS])

    def _end(self) -> None:
        with _counter:
            self.running -= 1

    def _take_blocks(self, words: Any, chunks: int) -> None:
        while not words[_state.CANCEL]:
            with _counter:
                first = int(words[_state.NEXT])
                end = int(min(first + words[_state.CHUNK], words[_state.TOTAL]))
                words[_state.NEXT] = first + words[_state.CHUNK]
            if first >= end:
                return
            self.chunks.append((threading.current_thread().name, first, end))
            for number in range(first, end):
                self.each(number)
            with _counter:
                words[_state.DONE] += end - first
            chunks -= 1
            if words[_state.YIELD] or chunks == 0:
                return

    def fault(self, error: BaseException, state: Any) -> BaseException:
        return error

    @property
    def blocks(self) -> list[int]:
        return sorted(block for _, first, end in self.chunks for block in range(first, end))


def _words_at(address: int, words: int) -> Any:
    return np.ctypeslib.as_array((ctypes.c_int64 * words).from_address(address))


@contextlib.contextmanager
def _unseen_by_signals() -> Iterator[None]:
    """Hold a Ctrl-C back until the end, as where compiled code runs: CPython only notes it then."""
    profile, noted = sys.getprofile(), list[int]()
    sys.setprofile(None)
    here = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: noted.append(number)) if here else None
    try:
        yield
    finally:
        if here:
            signal.signal(signal.SIGINT, handler)
        sys.setprofile(profile)
        for number in noted:
            signal.raise_signal(number)
