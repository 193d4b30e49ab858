"""How much memory a kernel's own arrays may take, as CUDA gives it to a thread and to a block."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt._features import Category
from rkruntime.simt._names import assigned_names
from rkruntime.simt._objects import item_bytes
from rkruntime.simt._program import Program, Unit
from rkruntime.simt._read import Source, refuse
from rkruntime.simt._stacks import MOST_ALIGNMENT_BYTES, STATIC_SHARED_BYTES

__all__ = ("TooLarge", "WrongAlignment", "check_alignment", "check_shared", "check_sizes", "too_much_shared")

LOCAL_BYTES = 512 * 1024
LEAST_ALIGNMENT_BYTES = 8  # a pointer, as on CUDA
_LESS_LOCAL = "take smaller local arrays, or pass a scratch array to the kernel"
_LESS_SHARED = (
    "take a smaller tile or a smaller dtype, move a part to dynamic shared memory "
    f"(cuda.shared.array(0, dtype), and its bytes, up to {STATIC_SHARED_BYTES:,}, as the launch's fourth value), "
    "or pass a scratch array with a part for each block"
)


@attrs.define(eq=False)
class TooLarge(UnsupportedKernel):
    """A kernel wants more local or shared memory than any device gives it."""


@attrs.define(eq=False)
class WrongAlignment(UnsupportedKernel, ValueError):  # numba-cuda raises a ValueError
    """A kernel wants an array whose address is a multiple of what no address can be held to."""


def check_alignment(source: Source, node: ast.AST, spelling: str, alignment: Any) -> None:
    """Hold `alignment=` of a kernel's own array to what CUDA takes, and to what shared memory is laid out for.

    Args:
        source: The function that makes the array.
        node: Where.
        spelling: `cuda.shared.array` or `cuda.local.array`.
        alignment: What is known of the argument.

    Raises:
        WrongAlignment: It is an integer that CUDA does not take, or too large.
        UnsupportedKernel: It is anything else.
    """
    if alignment is None:
        return
    least, most = LEAST_ALIGNMENT_BYTES, MOST_ALIGNMENT_BYTES
    mend = f"Alignment must be a constant power of 2, at least {least} and at most {most:,}"
    refused = refuse(source, node, f"{spelling} with alignment={alignment!r}", mend)
    if not isinstance(alignment, int) or isinstance(alignment, bool):
        raise refused
    if not least <= alignment <= most or alignment & (alignment - 1):
        raise WrongAlignment(refused.kernel, refused.construct, refused.file, refused.line, refused.mend)


def check_sizes(units: Iterable[Unit], last: Unit) -> None:
    """Hold local and shared arrays to what there is of either: stacks and blocks have room for that, and no more.

    Functions that call each other have theirs at the same time, so all of them count.

    Args:
        units: The functions of a program that have been read.
        last: The one that was read last.

    Raises:
        TooLarge: They take more.
    """
    local, shared = (sum(sizes) for sizes in zip(*((one.local_bytes, one.shared_bytes) for one in units), strict=True))
    if local > LOCAL_BYTES:
        what = f"cuda.local.array: {local:,} bytes of local arrays, and a thread has {LOCAL_BYTES:,}"
        raise _too_large(last, _line_of(last, Category.LOCAL), what, _LESS_LOCAL)
    if shared > STATIC_SHARED_BYTES:
        what = f"cuda.shared.array: {_of_block(shared)}"
        raise _too_large(last, _line_of(last, Category.SHARED), what, _LESS_SHARED)


def check_shared(program: Program, argument_types: Sequence[Any]) -> None:
    """Hold shared arrays whose elements are those of the kernel's arguments to what a block has, with all others.

    Those of device functions are left to the lowerings, which alone know with what types these are called.

    Raises:
        TooLarge: They take more.
    """
    kernel = program.kernel
    if not kernel.shared_later:
        return
    types = dict(zip(kernel.source.parameters, argument_types, strict=True))
    total, assigned = sum(one.shared_bytes for one in program.units.values()), assigned_names(kernel.source.tree)
    for one in kernel.shared_later:
        match one.dtype:
            case ast.Attribute(ast.Name(name), "dtype") if name not in assigned and hasattr(types.get(name), "dtype"):
                total += one.count * item_bytes(types[name].dtype, otherwise=0)
        if total > STATIC_SHARED_BYTES:
            raise _too_large(kernel, one.line, f"cuda.shared.array: {_of_block(total)}", _LESS_SHARED)


def too_much_shared(size_bytes: int) -> str:
    """Say that shared arrays are too large, and what to do, where their size is known only once types are."""
    return f"{_of_block(size_bytes)}: {_LESS_SHARED}"


def _of_block(size_bytes: int) -> str:
    return f"{size_bytes:,} bytes of static shared memory, and a block has {STATIC_SHARED_BYTES:,}"


def _too_large(unit: Unit, line: int, what: str, mend: str) -> TooLarge:
    refused = refuse(unit.source, line, what, mend)
    return TooLarge(refused.kernel, refused.construct, refused.file, refused.line, refused.mend)


def _line_of(unit: Unit, category: Category) -> int:
    return next((line for one, line in unit.features.items() if one.category is category), unit.source.tree.lineno)
