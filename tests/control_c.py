"""Ctrl-C at a point of the test's choice."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any


class ControlC:
    """Raises KeyboardInterrupt at the n-th of the points at which CPython looks for signals.

    Those are the beginning of a function, and the moment after a call of one in C has returned.
    """

    def __init__(self, at: int, besides: str) -> None:
        """Take the number of the point, and the module whose own functions do not count."""
        self.left = at
        self.besides = besides

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return") and frame.f_globals["__name__"] not in (__name__, self.besides, "contextlib"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
