"""Keeping the source of functions that are made from text, so that the compiler can read it.

numba-cuda makes the kernels of `@vectorize` and `@guvectorize` so. `linecache` is where Python's own tools look for
text that stands in no file (doctest and IPython put theirs there too). Scripts that write kernels do not; but Python
tells those who listen what it compiles (PEP 578). Listening cannot be undone, which is why only the drop-in does.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from collections import deque
from typing import Any

__all__ = ("exec_with_source", "executed", "keep_executed_text")

MOST_TEXTS, LONGEST_TEXT = 1_000, 1_000_000
PARSED = "<unknown>"  # what `ast.parse` calls text that nobody executes

executed: deque[tuple[str, str]] = deque(maxlen=MOST_TEXTS)
"""Names of files that are none, such as `<string>`, each with a text that was compiled; the last comes last."""
_numbers = itertools.count(1)


def exec_with_source(text: str, scope: dict[str, Any]) -> None:
    """Execute text as `exec` does, and keep it."""
    name = f"<numba-cuda writes {next(_numbers)}>"
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    exec(compile(text, name, "exec"), scope)


def keep_executed_text() -> None:
    """Keep the text with functions that this process compiles from now on, the last of it."""
    sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event != "compile":
        return
    text, file = args
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str) or not isinstance(file, str) or file == PARSED or not file.startswith("<"):
        return
    if "def " in text and len(text) <= LONGEST_TEXT and (file, text) not in executed:
        executed.append((file, text))
