"""Signatures that a kernel's author declared: what they take, and what they make of numbers."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.errors import ArgumentMismatch
from rkruntime.kernels import In
from rkruntime.kernels._signatures import as_declared, read_slots

F, D, W = numba.float32, numba.float64, numba.int32
ONE = (read_slots((F, D[:, :])),)


def declared(slots, *args):
    return as_declared("k", tuple("abcd"[: len(args)]), slots, args)


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        (F, 0.1, np.float32),
        (F, 3, np.float32),
        (W, 3.0, np.int32),
        (W, np.int64(-3), np.int32),
        (numba.boolean, 1, np.bool_),
        (numba.complex64, 1.5, np.complex64),
        (numba.uint8, True, np.uint8),
    ],
)
def test_number_gets_the_declared_type(kind, value, dtype) -> None:
    (got,) = declared((read_slots((kind,)),), value)
    assert type(got) is dtype
    assert got == dtype(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(W, 2.5), (W, 2**31), (numba.uint8, -1), (F, 1j), (numba.boolean, 2), (F, "a"), (F, (1.0,)), (F, np.zeros(2))],
)
def test_number_that_would_change_is_refused(kind, value) -> None:
    with pytest.raises(ArgumentMismatch, match="kernel k, argument a"):
        declared((read_slots((kind,)),), value)


@given(st.integers(-(2**40), 2**40))
def test_whole_numbers_never_change(value: int) -> None:
    slots = (read_slots((W,)),)
    if -(2**31) <= value < 2**31:
        assert int(declared(slots, value)[0]) == value
    else:
        with pytest.raises(ArgumentMismatch):
            declared(slots, value)


def test_arrays_go_as_they_are() -> None:
    x = np.zeros((2, 3))
    assert declared(ONE, 1.0, x)[1] is x
    marked = In(x.T)
    assert declared(ONE, 1.0, marked)[1] is marked


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.float32), np.zeros(6), 3.0])
def test_array_of_another_type_is_named(array) -> None:
    with pytest.raises(ArgumentMismatch) as caught:
        declared(ONE, 1.0, array)
    assert caught.value.argument == "b"
    assert "(float32, float64[:,:])" in caught.value.wanted


def test_of_several_the_one_that_converts_least_is_taken() -> None:
    slots = (read_slots((D, D[:])), read_slots((F, F[:])), read_slots((W, F[:])))
    assert type(declared(slots, 1.5, np.zeros(1, np.float32))[0]) is np.float32
    assert type(declared(slots, np.int32(1), np.zeros(1, np.float32))[0]) is np.int32
    assert type(declared(slots, 1, np.zeros(1))[0]) is np.float64
    with pytest.raises(ArgumentMismatch, match=r"\(float64, float64\[:\]\) or \(float32, float32\[:\]\)"):
        declared(slots, 1, np.zeros(1, np.int8))


def test_what_signatures_say_of_tuples_is_the_compilers_to_check() -> None:
    slots = (read_slots((numba.types.UniTuple(numba.int64, 2), F)),)
    assert declared(slots, (1, 2), 3)[0] == (1, 2)
