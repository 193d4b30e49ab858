"""Subscripts that check themselves, for debug mode: an index outside raises with index, axis and extent."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from rkruntime.simt import _state, _stubs
from rkruntime.simt._numba import overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._raised import OutOfBounds
from rkruntime.simt._switch import put


def check_axis(ctx, axis, index, extent, line):
    """Raise if an index is outside one axis; kernels compile it."""


@overload(check_axis, jit_options=INLINE)
def _check_axis(ctx, axis, index, extent, line):
    def check(ctx, axis, index, extent, line):
        if index < -extent or index >= extent:
            state = _stubs.state_address(ctx)
            put(state, _state.FAULT_AXIS, axis)
            put(state, _state.FAULT_INDEX, index)
            put(state, _state.FAULT_EXTENT, extent)
            put(state, _state.FAULT_LINE, line)
            raise OutOfBounds

    return check


@overload(_stubs.within, jit_options=INLINE)
def _within(ctx, array, index, line):
    given = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    gaps = sum(isinstance(one, types.EllipsisType) for one in given)
    numbers = all(isinstance(one, types.Integer | types.NoneType | types.EllipsisType) for one in given)
    if not isinstance(array, types.Array) or not numbers or gaps > 1 or len(given) - gaps > array.ndim:
        return lambda ctx, array, index, line: array  # numba's own checks know the rest
    if isinstance(index, types.Integer):

        def check_one(ctx, array, index, line):
            check_axis(ctx, 0, index, array.shape[0], line)
            return array

        return check_one

    def check_all(ctx, array, index, line):
        check_axes(ctx, 0, index, array.shape, line)
        return array

    return check_all


@overload(_stubs.checked, jit_options=INLINE)
def _checked(ctx, array, index, line):
    def checked(ctx, array, index, line):
        _stubs.within(ctx, array, index, line)
        return index

    return checked


@overload(_stubs.element, jit_options=INLINE)
def _element(ctx, array, index, line):
    return lambda ctx, array, index, line: _stubs.within(ctx, array, index, line)[index]


@overload(_stubs.both, jit_options=INLINE)
def _both(ctx, array, index, line):
    return lambda ctx, array, index, line: (_stubs.within(ctx, array, index, line), index)


def check_axes(ctx, axis, indices, shape, line):
    """Raise if an index is outside its axis; `axis` is the first one's place. Kernels compile it."""


@overload(check_axes, jit_options=INLINE)
def _check_axes(ctx, axis, indices, shape, line):
    if not len(indices):
        return lambda ctx, axis, indices, shape, line: None
    if isinstance(indices[0], types.NoneType):  # a slice is cut to its axis
        return lambda ctx, axis, indices, shape, line: check_axes(ctx, axis + 1, indices[1:], shape[1:], line)

    if isinstance(indices[0], types.EllipsisType):  # all axes that the others leave
        left = len(shape) - len(indices) + 1
        return lambda ctx, axis, indices, shape, line: check_axes(ctx, axis + left, indices[1:], shape[left:], line)

    def check(ctx, axis, indices, shape, line):
        check_axis(ctx, axis, indices[0], shape[0], line)
        check_axes(ctx, axis + 1, indices[1:], shape[1:], line)

    return check
