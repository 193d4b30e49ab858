"""Choosing between functions when a kernel runs, on every lowering, against the same kernel as plain Python."""

import math

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.errors import UnsupportedKernel

LOWERINGS = ["loop", "fibers", "lanes"]


@cuda.jit(device=True)
def square(x):
    return x * x


@cuda.jit(device=True)
def place(x):
    return x + 100 * cuda.threadIdx.x


@cuda.jit(device=True)
def twice(function, x):
    return function(function(x))


@cuda.jit
def by_statements(x, mode, out):
    i = cuda.grid(1)
    if mode == 0:
        op = square
    elif mode == 1:
        op = place
    else:
        op = math.sqrt
    out[i] = op(x[i]) + 1


def by_statements_reference(x, mode):
    t = np.arange(8) % 4
    return (x * x, x + 100 * t, np.sqrt(x))[mode] + 1


@cuda.jit
def by_expressions(x, mode, out):
    i = cuda.grid(1)
    op = square if i % 2 == 0 else place if x[i] > 3 else square
    out[i] = op(op(x[i])) + (math.floor if mode else math.ceil)(x[i] / 2)
    op = place if x[i] > 5 else square
    out[i] += twice(op, x[i])


def by_expressions_reference(x, mode):
    rows = []
    for i, v in enumerate(x):
        offset = 100 * (i % 4)
        first = v**4 if i % 2 == 0 or v <= 3 else v + 2 * offset
        second = v + 2 * offset if v > 5 else v**4
        rows.append(first + (math.floor if mode else math.ceil)(v / 2) + second)
    return rows


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize(
    ("kernel", "reference"),
    [(by_statements, by_statements_reference), (by_expressions, by_expressions_reference)],
    ids=["statements", "expressions"],
)
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_function_chosen_is_called(kernel, reference, mode, lowering):
    x, out = np.arange(8.0), np.zeros(8)
    run(kernel, 2, 4, x, mode, out, lowering=lowering)
    np.testing.assert_allclose(out, reference(x, mode), rtol=1e-15)


@cuda.jit
def sums(x, mode, out):
    shared = cuda.shared.array(4, np.float64)
    t = cuda.threadIdx.x
    op = square if mode else place
    shared[t] = op(x[t])
    cuda.syncthreads()
    out[t] = shared[3 - t]


@pytest.mark.parametrize("lowering", ["fibers", "lanes"])
def test_a_function_is_chosen_beside_barriers(lowering):
    x, out = np.arange(4.0), np.zeros(4)
    run(sums, 1, 4, x, 1, out, lowering=lowering)
    assert out.tolist() == [9, 4, 1, 0]


def stored(x, mode, out):
    op = square if mode else place
    out[0] = op


def mixed(x, mode, out):
    op = square
    if mode:
        op = x[0]
    out[0] = op


@pytest.mark.parametrize(("kernel", "named"), [(stored, "op, which stands for"), (mixed, "op stands for")])
def test_a_function_is_no_value(kernel, named):
    with pytest.raises(UnsupportedKernel) as caught:
        run(kernel, 1, 1, np.zeros(1), 1, np.zeros(1))
    assert caught.value.construct.startswith(named)
    assert caught.value.line > kernel.__code__.co_firstlineno
