"""Keeping the source of functions that numba-cuda writes and executes, so that the compiler can read it.

The kernels of `@vectorize` and `@guvectorize` are made from text. `linecache` is where Python's own tools look for text
that stands in no file (doctest and IPython put theirs there too).
"""

from __future__ import annotations

import itertools
import linecache
from typing import Any

__all__ = ("exec_with_source",)

_numbers = itertools.count(1)


def exec_with_source(text: str, scope: dict[str, Any]) -> None:
    """Execute text as `exec` does, and keep it."""
    name = f"<numba-cuda writes {next(_numbers)}>"
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    exec(compile(text, name, "exec"), scope)
