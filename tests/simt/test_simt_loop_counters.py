"""Loops that count up from what data say, with counters as indices: from below, at and above 0, as Python counts."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

THREADS, SIZE = 40, 20


def leaving(i, starts, ends, x, square, pair, out):
    total = left = 0
    for k in range(starts[i], ends[i]):
        if x[k] == 7:
            continue
        if x[k] == 8:
            left = 1
            break
        total += x[k] + 10 * square[i, k] + 100 * pair[1][k] - k
        square[i, k] += 1
    else:
        left = 2
    out[i] = 10 * total + left


def moving(i, starts, ends, x, square, pair, out):
    for k in range(starts[i], ends[i]):
        k -= 3
        out[i] += x[k]


def downwards(i, starts, ends, x, square, pair, out):
    for k in range(ends[i] - 1, starts[i], -1):
        out[i] += x[k] + square[i, k]


def by_tens(i, starts, ends, x, square, pair, out):
    for k in range(starts[i], ends[i], 10):
        for other in range(starts[k], k):
            out[i] += x[other] * square[k, other]


def kernel_of(body):
    """Return a kernel each thread of which calls a function; Python calls the same."""
    device = cuda.jit(device=True)(body)

    @cuda.jit
    def kernel(starts, ends, x, square, pair, out):
        i = cuda.grid(1)
        if i < out.size:
            device(i, starts, ends, x, square, pair, out)

    return kernel


CASES = (
    *((leaving, dtype) for dtype in (np.int8, np.int32, np.int64)),
    (moving, np.int32),
    (downwards, np.int32),
    (by_tens, np.int64),
)


@pytest.mark.parametrize(("body", "dtype"), CASES, ids=lambda one: one.__name__)
def test_negative_indices_count_from_the_end(body, dtype):
    random = np.random.default_rng(0)
    starts, ends = (random.integers(-SIZE + 3, SIZE, THREADS).astype(dtype) for _ in range(2))
    x, square, pair = (random.integers(0, 9, shape) for shape in (SIZE, (THREADS, SIZE), (2, SIZE)))
    wanted = [square.copy(), np.zeros(THREADS, np.int64)]
    for i in range(THREADS):
        body(i, starts.tolist(), ends.tolist(), x, wanted[0], (pair[0], pair[1]), wanted[1])
    ours = [square.copy(), np.zeros(THREADS, np.int64)]
    special = run(kernel_of(body), 5, 8, starts, ends, x, ours[0], (pair[0], pair[1]), ours[1], lowering="loop")
    np.testing.assert_array_equal(ours[0], wanted[0])
    np.testing.assert_array_equal(ours[1], wanted[1])
    assert ("_rk_counted" in special.explain()) == (body in (leaving, by_tens))
