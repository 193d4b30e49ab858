"""Long kernels, whose vectors at the ends of rows have no code of their own, against NumPy."""

import linecache
import math

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt._runner import fitting

TURNS = 10

STRAIGHT = """\
def straight(x, counts, out):
    i, j = cuda.grid(2)
    if j < x.shape[0] and i < x.shape[1]:
        value = x[j, i]
        while value < 1000:
            value = 2 * value + 1
{turns}
        cuda.atomic.add(counts, value % 7, 1)
        out[j, i] = value
"""
STRAIGHT_TURN = """\
        value = (3 * value + x[j, (i + {k}) % x.shape[1]]) % 10007
        if value % 2 == 0:
            value += x[(j + {k}) % x.shape[0], i]
            counts[7 + value % 3] = 1
"""
TOGETHER = """\
def together(x, out):
    held = cuda.shared.array(1024, np.int64)
    count = cuda.blockDim.x * cuda.blockDim.y * cuda.blockDim.z
    t = cuda.threadIdx.x + cuda.blockDim.x * (cuda.threadIdx.y + cuda.blockDim.y * cuda.threadIdx.z)
    value = x[cuda.blockIdx.x, t]
    {leave}
{turns}
    out[cuda.blockIdx.x, t] = value
"""
TOGETHER_TURN = """\
    held[t] = value
    cuda.syncthreads()
    value = (3 * value + held[(t + {k}) % {left}]) % 10007
    if value % 2 == 0:
        value += held[t] * {k}
    cuda.syncthreads()
"""


def kernel_of(name, source):
    """Return the function of a source, which can be read as from a file."""
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    made = {"cuda": cuda, "np": np}
    exec(compile(source, file, "exec"), made)
    return made[name.split()[0]]


straight = kernel_of("straight", STRAIGHT.format(turns="".join(STRAIGHT_TURN.format(k=k) for k in range(TURNS))))


def together_until(left):
    """Return a kernel of which some threads leave before the others wait for one another."""
    turns = "".join(TOGETHER_TURN.format(k=k, left=left) for k in range(TURNS))
    leave = "" if left == "count" else f"if t >= {left}:\n        return"
    return kernel_of(f"together {left}", TOGETHER.format(leave=leave, turns=turns))


together, together_with_some = together_until("count"), together_until("(count - count // 3)")


def straight_wanted(x):
    value, marks = x.copy(), np.zeros(3, np.int64)
    while (low := value < 1000).any():
        value[low] = 2 * value[low] + 1
    for k in range(TURNS):
        value = (3 * value + np.roll(x, -k, axis=1)) % 10007
        even = value % 2 == 0
        value = np.where(even, value + np.roll(x, -k, axis=0), value)
        marks[value[even] % 3] = 1
    return np.concatenate([np.bincount((value % 7).ravel(), minlength=7), marks]), value


def together_wanted(x, left):
    value = x[:, :left].copy()
    for k in range(TURNS):
        held = value
        value = (3 * held + np.roll(held, -k, axis=1)) % 10007
        value = np.where(value % 2 == 0, value + held * k, value)
    return value


def test_ends_of_rows_without_barriers():
    x = np.random.default_rng(6).integers(0, 999, (11, 77))
    out = np.zeros_like(x)
    special = simt.Kernel(straight, lowering="lanes", width=16).specialize((x, np.zeros(10, np.int64), out))
    assert special.otherwise is None
    assert "every vector has a mask" in special.explain()
    wanted = straight_wanted(x)
    for block in ((16, 2), (5, 3), (33, 1)):
        counts = np.zeros(10, np.int64)
        grid = tuple(-(-size // of) for size, of in zip(x.shape[::-1], block, strict=True))
        simt.run(special, grid, block, (x, counts, out))
        np.testing.assert_array_equal(out, wanted[1])
        np.testing.assert_array_equal(counts, wanted[0])
        out[:] = 0


@pytest.mark.parametrize(("kernel", "leave"), [(together, False), (together_with_some, True)])
def test_ends_of_rows_with_barriers(kernel, leave):
    """Blocks whose rows are whole vectors are all that the kernel is compiled for, until there are others."""
    arrays = np.zeros((3, 64), np.int64), np.zeros((3, 64), np.int64)
    special = simt.Kernel(kernel, lowering="lanes", width=16).specialize(arrays)
    assert "once they come" in special.explain()
    assert fitting(special, (32, 2, 1)) is special
    other = fitting(special, (33, 1, 1))
    assert "every vector has a mask" in other.explain()
    assert other is fitting(special, (8, 8, 1))
    for block in ((32, 3), (40, 1), (7, 3, 2), (1, 5)):
        threads = math.prod(block)
        left = threads - threads // 3 if leave else threads
        x = np.random.default_rng(7).integers(0, 999, (3, threads))
        out = np.zeros_like(x)
        simt.run(special, 3, block, (x, out))
        np.testing.assert_array_equal(out[:, :left], together_wanted(x, left))
        assert not out[:, left:].any()
