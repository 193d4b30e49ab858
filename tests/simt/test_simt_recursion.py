"""Device functions that call themselves without end: an error or a cancelled launch, and workers that go on."""

import threading

import numba
import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import KernelFault, LaunchCancelled, UnsupportedKernel


@cuda.jit(device=True)
def down(n, x):
    frame = cuda.local.array(500, np.int64)
    frame[n % 500] = n
    if n == 0:
        return x
    return down(n - 1, x + 1) + frame[(n + 1) % 500] * 0


@cuda.jit
def descends(out, depth):
    i = cuda.grid(1)
    out[i] = down(depth, 0)


@pytest.mark.parametrize("lowering", ["loop", "fibers"])
def test_recursion_without_end_is_a_fault_and_the_workers_go_on(lowering):
    out = np.zeros(4, np.int64)
    special = simt.Kernel(descends, lowering=lowering).specialize((out, 1))
    workers = simt.Workers(1)
    try:
        with pytest.raises(KernelFault, match="calls itself too deeply") as caught:
            simt.run(special, 2, 2, (out, 10**9), workers=workers)
        simt.run(special, 2, 2, (out, 40), workers=workers)
    finally:
        workers.close()
    assert caught.value.line == down.py_func.__code__.co_firstlineno + 1
    assert (caught.value.block, caught.value.thread) == ((0, 0, 0), (0, 0, 0))
    np.testing.assert_array_equal(out, 40)


@cuda.jit(device=True)
def fibonacci(n):
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)


@cuda.jit
def takes_forever(out, n):
    out[0] = 1
    out[1] = fibonacci(n)


def test_recursion_that_is_broad_and_not_deep_can_be_cancelled():
    out = np.zeros(2, np.int64)
    special = simt.Kernel(takes_forever).specialize((out, 1))
    workers, over = simt.Workers(1), threading.Event()
    try:
        launch = workers.submit(special, (1, 1, 1), (1, 1, 1), (out, 90), done=over.set)
        launch.cancel()
        assert over.wait(30)
    finally:
        workers.close()
    assert isinstance(launch.error, LaunchCancelled)


@cuda.jit(device=True)
def first_half(out):
    mine = cuda.local.array(40_000, numba.float64)
    mine[out.size] = out[0]
    return mine[out.size]


@cuda.jit
def two_halves(out):
    mine = cuda.local.array(40_000, numba.float64)
    mine[out.size] = first_half(out)
    out[0] = mine[out.size]


def test_local_arrays_of_all_functions_count_together():
    with pytest.raises(UnsupportedKernel, match="640,000 bytes of local arrays"):
        run(two_halves, 1, 1, np.zeros(4))


@cuda.jit
def long_sum(x, out):
    i = cuda.grid(1)
    a, b, c, d = x[0], x[1], x[2], x[3]
    out[i] = (
        a * b + c * d + a * c + b * d + a * d + b * c + a * a + b * b + c * c + d * d + a * b + c * d + a * c + b * d
        + a * d + b * c + a * a + b * b + c * c + d * d + a * b + c * d + a * c + b * d + a * d + b * c + a * a + b * b
    )  # fmt: skip


def test_a_long_sum_is_read_in_linear_time():
    # Guards used to look at every part of a sum twice, so that 28 terms took minutes.
    out = np.zeros(2)
    run(long_sum, 1, 2, np.arange(1.0, 5.0), out)
    a, b, c, d = 1, 2, 3, 4
    pairs = 3 * (a * b + c * d + a * c + b * d) + 3 * (a * d + b * c) + 3 * (a * a + b * b) + 2 * (c * c + d * d)
    np.testing.assert_array_equal(out, pairs)
