"""What a body says of its parameters is what the compiler says: nothing is refused that compiles."""

from typing import Any

import numpy as np
import pytest
import rkkernels  # noqa: F401
from numba import cuda

from rkruntime import simt
from rkruntime.errors import ArgumentMismatch, RkError
from rkruntime.kernels import as_spec, check_uses, list_kernels
from rkruntime.kernels._directions import unwrap
from rkruntime.kernels._uses import uses_of

FULL = True


@cuda.jit
def line(x, out):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i]


@cuda.jit
def plane(x, out):  # type: ignore[no-untyped-def]
    i, j = cuda.grid(2)
    rows, columns = x.shape
    if i < rows and j < columns:
        out[i, j] = x[i, j]


@cuda.jit
def slabs(x, out):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    if i < x.shape[2]:
        out[i] = x[0, 0, i]


@cuda.jit
def turns(x, count, place):  # type: ignore[no-untyped-def]
    for k in range(count):
        x[place] = k


@cuda.jit
def rebound(x, out):  # type: ignore[no-untyped-def]
    x = x + 1
    out[0] = x


@cuda.jit
def chosen(x, out):  # type: ignore[no-untyped-def]
    if FULL:
        out[0] = x
    else:
        out[0] = x[0, 0]


@cuda.jit
def optional(x, out):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    if x is not None and i < 1:
        out[i] = 1.0


ONE, TWO, THREE = np.zeros(4, np.float32), np.zeros((4, 4), np.float32), np.zeros((2, 2, 2), np.float32)
TAKEN: list[tuple[Any, tuple[Any, ...]]] = [
    (line, (ONE, ONE)),
    (plane, (TWO, TWO)),
    (slabs, (THREE, ONE)),
    (turns, (ONE, 3, 2)),
    (turns, (ONE, np.int32(3), np.uint8(2))),
    (turns, (ONE, True, 2)),
    (turns, (ONE, 3.0, 2)),
    (rebound, (2.0, ONE)),
    (chosen, (2.0, ONE)),
    (optional, (2.0, ONE)),
]
REFUSED: list[tuple[Any, tuple[Any, ...], str, str]] = [
    (line, (2.0, ONE), "x", "an array of at least 0 axes"),
    (line, (ONE, np.float32(2)), "out", "an array of at least 1 axis"),
    (line, (ONE, 2), "out", "an array of at least 1 axis"),
    (plane, (THREE, THREE), "x", "an array of 2 axes, since line"),
    (plane, (TWO, ONE), "out", "an array of at least 2 axes"),
    (slabs, (TWO, ONE), "x", "x.shape[2]"),
    (turns, (ONE, 3, 2.0), "place", "a whole number, since line"),
    (turns, (ONE, 3, np.float32(2)), "place", "x[place]"),
]


@pytest.mark.parametrize(("kernel", "args"), TAKEN)
def test_what_compiles_is_taken(kernel: Any, args: tuple[Any, ...]) -> None:
    simt.Kernel(kernel.py_func).specialize(args)
    check_uses(as_spec(kernel), args)


@pytest.mark.parametrize(("kernel", "args", "parameter", "wanted"), REFUSED)
def test_what_is_refused_does_not_compile(kernel: Any, args: tuple[Any, ...], parameter: str, wanted: str) -> None:
    with pytest.raises(ArgumentMismatch) as refused:
        check_uses(as_spec(kernel), args)
    assert refused.value.argument == parameter
    assert wanted in refused.value.wanted
    with pytest.raises(RkError):
        simt.Kernel(kernel.py_func).specialize(args)


def test_every_kernel_of_the_library_takes_its_own_example() -> None:
    known = 0
    for spec in list_kernels().values():
        example = spec.example()
        args = tuple(unwrap(example[name])[0] for name in spec.parameters if name in example)
        if len(args) == len(spec.parameters):
            check_uses(spec, args)
            known += len({use.parameter for use in uses_of(spec)})
    assert known > 20, "most parameters of the library are arrays, and its bodies say so"
