"""From what numba raises to errors that name the kernel, the author's line, the block and the thread."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from rkruntime.errors import BarrierDivergence, KernelCompileError, KernelFault, LaunchCancelled, RkError
from rkruntime.simt import _state
from rkruntime.simt._raised import Interrupted, OutOfBounds, TooDeep
from rkruntime.simt._rewrite import Program

__all__ = ("compile_error", "fault_of", "is_authors_mistake")

LONGEST_DETAIL = 30
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(
    r"^(\[\d+\] |During: |Failed in |This error may have been caused|Documentation for this|For more information)"
)


def fault_of(program: Program, error: BaseException, state: npt.NDArray[np.int64]) -> BaseException:
    """Turn what a thread of a kernel raised into an error that says where.

    Args:
        program: The kernel with its device functions.
        error: What the driver raised.
        state: The worker's state record.
    """
    source = program.kernel.source
    if isinstance(error, Interrupted):
        return _caused(LaunchCancelled(source.name, "it was asked to stop"), error)
    if isinstance(error, RkError) or not isinstance(error, Exception):
        return error
    block, thread = (_triple(state, first) for first in (_state.BLOCK, _state.THREAD))
    kind = BarrierDivergence if type(error).__name__ == "StuckThreads" else KernelFault
    if isinstance(error, OutOfBounds):
        what = _out_of_bounds(state)
        file, line = _place_of(program, int(state[_state.FAULT_LINE]))
    elif isinstance(error, TooDeep) or _at_two_barriers(error):
        what = str(error) if isinstance(error, TooDeep) else _two_barriers(state)
        file, line = _place_of(program, int(state[_state.FAULT_LINE]))
    else:
        what = _what(error)
        file, line = _line_of(error, program.files) or (source.file, source.tree.lineno)
    return _caused(kind(source.name, what, file, line, block, thread), error)


def compile_error(program: Program, signature: str, error: Exception) -> BaseException:
    """Turn what numba's compiler raised into an error with the author's line and the gist of the message."""
    source, files = program.kernel.source, program.files
    text = _ESCAPES.sub("", str(error))
    line = source.tree.lineno
    loc = getattr(error, "loc", None)
    if loc is not None and loc.filename in files:
        line = loc.line
    for file, number in re.findall(r'File "([^"\n]+)", line (\d+)', text):
        if file in files or any(known.endswith(file) for known in files):
            line = int(number)
    if not isinstance(error, NumbaError):
        text = f"{type(error).__name__}: {text}"
    return _caused(KernelCompileError(source.name, source.file, line, signature, _gist(text)), error)


def is_authors_mistake(error: Exception) -> bool:
    """Whether numba has found a mistake in the kernel, which it will find in any lowering; else another may do."""
    return isinstance(error, KernelCompileError) and isinstance(error.__cause__, NumbaError)


def _triple(state: npt.NDArray[np.int64], first: int) -> tuple[int, int, int]:
    return int(state[first]), int(state[first + 1]), int(state[first + 2])


def _out_of_bounds(state: npt.NDArray[np.int64]) -> str:
    """Say which subscript was wrong, from the state record."""
    index, axis, extent = (int(state[k]) for k in (_state.FAULT_INDEX, _state.FAULT_AXIS, _state.FAULT_EXTENT))
    return f"index {index} is out of bounds for axis {axis}, which has size {extent}"


def _place_of(program: Program, line: int) -> tuple[str, int]:
    """Return file and line of a line in a kernel or one of its device functions."""
    for unit in program.units.values():
        tree = unit.source.tree
        if tree.lineno <= line <= (tree.end_lineno or line):
            return unit.source.file, line
    return program.kernel.source.file, line


def _caused(made: BaseException, cause: BaseException) -> BaseException:
    made.__cause__ = cause
    return made


def _what(error: Exception) -> str:
    """Say what a thread did wrong."""
    if type(error).__name__ == "StuckThreads":
        return _stuck(error)
    text = str(error)
    if isinstance(error, AssertionError):
        return f"assertion failed: {text}" if text else "assertion failed"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _at_two_barriers(error: Exception) -> bool:
    """Whether debug mode found threads of a block at two barriers."""
    if type(error).__name__ != "StuckThreads":
        return False
    from rkruntime.simt._fiber_records import TWO_BARRIERS

    return error.args == (TWO_BARRIERS,)


def _two_barriers(state: npt.NDArray[np.int64]) -> str:
    """Say at which lines threads wait, from the state record."""
    line, other = int(state[_state.FAULT_LINE]), int(state[_state.FAULT_INDEX])
    return f"a thread waits at the barrier of line {line}, and others of its block at that of line {other}"


def _stuck(error: Exception) -> str:
    """Say why no thread of a block can go on."""
    from rkruntime.simt import _fiber_records as r

    reasons: dict[object, str] = {
        r.STUCK: "threads of the block wait for one another at different places, and none can go on",
        r.MIXED_BARRIERS: "threads wait at different kinds of barriers, such as syncthreads and syncthreads_count",
        r.LANE_NOT_IN_MASK: "a thread calls a warp operation whose mask leaves it out",
    }
    return reasons.get(error.args[0] if error.args else None, "threads of the block can never go on")


def _line_of(error: BaseException, files: Collection[str]) -> tuple[str, int] | None:
    """Return the innermost place in the kernel's files that the error's traceback names."""
    found = None
    traceback: Any = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file in files:
            found = (file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _gist(text: str) -> str:
    """Leave out of numba's message what only speaks of its insides."""
    kept: list[str] = []
    for line in text.splitlines():
        if _NOISE.match(line.strip()) or ("site-packages" in line and "File " in line):
            continue
        if line.strip() or (kept and kept[-1].strip()):
            kept.append(line.rstrip())
    if len(kept) > LONGEST_DETAIL:
        kept = [*kept[:LONGEST_DETAIL], "..."]
    return "\n".join(kept).strip()
