"""Arguments whose type has no form that compiled code takes: an extension of `cuda.jit` gives their parts instead.

numba-cuda passes the parts of what `prepare_args` returns, one after the other, and the kernel takes them as the parts
of the type that it was compiled for.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-any-return,unused-ignore"

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numba.core.pythonapi
from llvmlite import ir
from numba.core.datamodel.packer import ArgPacker
from numba.core.errors import LoweringError

__all__ = ("Prepared", "preparing")

_unboxers: Any = numba.core.pythonapi._unboxers
_taken: set[type] = set()  # types that numba takes by their parts, where it is told to
_given: ContextVar[Mapping[Any, Any]] = ContextVar("given", default={})  # noqa: B039 - nobody writes to it


class Prepared:
    """The parts of an argument.

    Args:
        value: What an extension made of it.
        kind: The numba type of that.
        declared: The numba type that the kernel is compiled for.
    """

    def __init__(self, value: Any, kind: Any, declared: Any) -> None:
        self.value, self.kind, self._numba_type_ = value, kind, declared


@contextmanager
def preparing(values: Sequence[Any]) -> Iterator[None]:
    """Have the kernels that are compiled meanwhile take prepared arguments.

    Args:
        values: The arguments, of which some may be prepared.
    """
    given = {one._numba_type_: one.kind for one in values if isinstance(one, Prepared)}
    for declared in given:
        if type(declared) not in _taken:
            _taken.add(type(declared))
            _take_prepared(type(declared))
    token = _given.set(given)
    try:
        yield
    finally:
        _given.reset(token)


def _take_prepared(of_type: type) -> None:
    """Have numba take arguments of a type by their parts, where a kernel that gets them so is compiled."""
    otherwise = _unboxers.lookup(of_type)

    def unbox(declared: Any, value: Any, c: Any) -> Any:
        kind = _given.get().get(declared)
        if kind is not None:
            return _unbox(declared, kind, value, c)
        if otherwise is None:
            raise LoweringError(f"kernels cannot take {declared}: let an extension of cuda.jit prepare it")
        return otherwise(declared, value, c)

    _unboxers.functions[of_type] = unbox


def _unbox(declared: Any, kind: Any, prepared: Any, c: Any) -> Any:
    """Take the parts of one type for those of another."""
    value = c.pyapi.object_getattr_string(prepared, "value")
    native = c.unbox(kind, value)
    c.pyapi.decref(value)  # the prepared argument holds it
    manager = c.context.data_model_manager
    parts = ArgPacker(manager, [kind]).as_arguments(c.builder, [native.value])
    wanted = ArgPacker(manager, [declared])
    if len(parts) != len(wanted.argument_types):
        raise LoweringError(f"{kind} has {len(parts)} parts, and {declared} {len(wanted.argument_types)}")
    taken = [_as_type(c.builder, *pair) for pair in zip(parts, wanted.argument_types, strict=True)]
    (made,) = wanted.from_arguments(c.builder, taken)
    return numba.core.pythonapi.NativeValue(made, is_error=native.is_error, cleanup=native.cleanup)


def _as_type(builder: ir.IRBuilder, part: ir.Value, wanted: ir.Type) -> ir.Value:
    """Take the bits of one part for a number or an address."""
    if isinstance(wanted, ir.PointerType) and isinstance(part.type, ir.IntType):
        return builder.inttoptr(part, wanted)
    if isinstance(part.type, ir.PointerType) and isinstance(wanted, ir.IntType):
        return builder.ptrtoint(part, wanted)
    return builder.bitcast(part, wanted)
