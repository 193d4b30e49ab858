"""A kernel in Python that tests of the workers can hold up."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
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

    def drive(self, control: int, state: int, grid: Any, block: Any, shared_bytes: int, args: Any) -> None:
        words = np.ctypeslib.as_array((ctypes.c_int64 * _state.CONTROL_WORDS).from_address(control))
        with _counter:
            self.running += 1
        try:
            self._take_blocks(words)
        finally:
            with _counter:
                self.running -= 1

    def _take_blocks(self, words: Any) -> None:
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
            if words[_state.YIELD]:
                return

    def fault(self, error: BaseException, state: Any) -> BaseException:
        return error

    @property
    def blocks(self) -> list[int]:
        return sorted(block for _, first, end in self.chunks for block in range(first, end))
