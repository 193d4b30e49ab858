"""Indices, control flow, arrays and functions of numba.cuda in the loop lowering, against NumPy."""

import numba
import numpy as np
import pytest
from numba import cuda
from simt_launching import blocks_for, run

BLOCKS = (1, 2, 31, 32, 33, 256)


@cuda.jit
def write_everything(out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        out[i, 0] = cuda.threadIdx.x
        out[i, 1] = cuda.blockIdx.x
        out[i, 2] = cuda.blockDim.x
        out[i, 3] = cuda.gridDim.x
        out[i, 4] = cuda.gridsize(1)
        out[i, 5] = cuda.laneid
        out[i, 6] = cuda.warpsize


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("size", [1, 100, 513])
def test_indices_along_one_axis(size, block):
    out = np.full((size, 7), -1, np.int64)
    grid = blocks_for(size, block)
    special = run(write_everything, grid, block, out)
    i = np.arange(size)
    columns = (i % block, i // block, block, grid, grid * block, i % block % 32, 32)
    np.testing.assert_array_equal(out, np.stack([np.broadcast_to(one, size) for one in columns], axis=1))
    assert special.lowering == "loop"
    assert special.written == {0}


@cuda.jit
def write_places(out, counts):
    x, y, z = cuda.grid(3)
    out[z, y, x] = 1 + x + 100 * y + 10000 * z
    counts[z, y, x] = cuda.threadIdx.z * 64 + cuda.threadIdx.y * 8 + cuda.threadIdx.x


@pytest.mark.parametrize("block", [(1, 1, 1), (4, 2, 3), (3, 1, 2)])
def test_indices_along_three_axes(block):
    grid = (2, 3, 2)
    shape = tuple(g * b for g, b in zip(grid[::-1], block[::-1], strict=True))
    out, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    run(write_places, grid, block, out, counts)
    z, y, x = np.indices(shape)
    np.testing.assert_array_equal(out, 1 + x + 100 * y + 10000 * z)
    np.testing.assert_array_equal(counts, z % block[2] * 64 + y % block[1] * 8 + x % block[0])


@cuda.jit
def collatz(out):
    i = cuda.grid(1)
    if i >= out.size:
        return
    n, steps = i + 1, 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
        if steps > 500:
            break
    else:
        steps += 1000
    out[i] = steps


@cuda.jit
def loops(n, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0
        for j in range(n):
            if j % 3 == 0:
                continue
            for k in range(j, -1, -2):
                if k == i:
                    break
                total += k
            else:
                total += 100000
        for j in range(i, n + i, 2):
            total += j
            if j > 3 * n:
                break
        else:
            total += 7
        out[i] = total


def loops_reference(i, n):
    total = 0
    for j in range(n):
        if j % 3 == 0:
            continue
        for k in range(j, -1, -2):
            if k == i:
                break
            total += k
        else:
            total += 100000
    for j in range(i, n + i, 2):
        total += j
        if j > 3 * n:
            break
    else:
        total += 7
    return total


def steps(n):
    count = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    return count + 1000


def test_while_with_break_and_else():
    out = np.zeros(200, np.int64)
    run(collatz, 7, 32, out)
    assert out.tolist() == [steps(i + 1) for i in range(200)]


@pytest.mark.parametrize("n", [0, 1, 17])
def test_for_with_break_continue_and_else(n):
    out = np.zeros(70, np.int64)
    run(loops, 3, 32, n, out)
    assert out.tolist() == [loops_reference(i, n) for i in range(70)]


@cuda.jit
def long_loop(start, stop, step, out):
    total = 0
    last = -1
    for j in range(start, stop, step):
        total += j
        last = j
    out[0] = total
    out[1] = last


RANGES = [(0, 200_001, 1), (5, 65_541, 1), (5, 65_542, 1), (0, 131_072, 2), (3, 3, 1), (9, 2, 1)]


@pytest.mark.parametrize(
    ("dtype", "start", "stop", "step"),
    [(dtype, *one) for dtype in (np.int64, np.int32, np.uint32) for one in RANGES]
    + [(dtype, 400_000, -3, -3) for dtype in (np.int64, np.int32)],
)
def test_loops_longer_than_a_strip(dtype, start, stop, step):
    out = np.zeros(2, np.int64)
    run(long_loop, 1, 1, dtype(start), dtype(stop), dtype(step), out)
    wanted = range(start, stop, step)
    assert out.tolist() == [sum(wanted), wanted[-1] if len(wanted) else -1]


@cuda.jit
def grid_stride(x, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = x[i] + 1


@cuda.jit
def grid_stride_while(x, out):
    i = cuda.grid(1)
    while i < x.size:
        out[i] = x[i] + 1
        i += cuda.gridsize(1)


@pytest.mark.parametrize("kernel", [grid_stride, grid_stride_while], ids=["for", "while"])
def test_grid_stride_loops(kernel):
    x = np.arange(1000.0)
    out = np.zeros_like(x)
    run(kernel, 2, 33, x, out)
    np.testing.assert_array_equal(out, x + 1)


@cuda.jit
def local_arrays(out):
    i = cuda.grid(1)
    mine = cuda.local.array((2, 4), numba.int64)
    for j in range(4):
        mine[0, j] = i * j
        mine[1, j] = -j
    if i < out.size:
        total = 0
        for j in range(4):
            total += mine[0, j] + mine[1, j]
        out[i] = total


def test_local_arrays_belong_to_one_thread():
    out = np.zeros(100, np.int64)
    run(local_arrays, 4, 32, out)
    assert out.tolist() == [6 * i - 6 for i in range(100)]


TABLE = np.array([1, 4, 9, 16], np.int32)


@cuda.jit
def constant_arrays(out):
    table = cuda.const.array_like(TABLE)
    i = cuda.grid(1)
    if i < out.size:
        out[i] = table[i % 4]


def test_constant_arrays():
    out = np.zeros(10, np.int32)
    run(constant_arrays, 1, 32, out)
    assert out.tolist() == [TABLE[i % 4] for i in range(10)]


@cuda.jit
def bits(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i, 0] = cuda.popc(x[i])
        out[i, 1] = cuda.clz(x[i])
        out[i, 2] = cuda.ffs(x[i])
        out[i, 3] = cuda.brev(x[i])
        out[i, 4] = cuda.selp(x[i] > 5, 1, 2)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_bit_functions(dtype):
    width = np.dtype(dtype).itemsize * 8
    x = np.array([0, 1, 2, 6, 0x80000000, 0xFFFFFFFF, 12345], dtype)
    out = np.zeros((x.size, 5), np.uint64)
    run(bits, 1, 32, x, out)
    for value, row in zip(x.tolist(), out.tolist(), strict=True):
        lowest = (value & -value).bit_length()
        mirrored = int(f"{value:0{width}b}"[::-1], 2)
        assert row == [value.bit_count(), width - value.bit_length(), lowest, mirrored, 1 if value > 5 else 2]


@cuda.jit
def fused(a, b, c, out):
    i = cuda.grid(1)
    if i < a.size:
        out[i] = cuda.fma(a[i], b[i], c[i])
        out[i] += cuda.cbrt(c[i])


def test_fma_rounds_once():
    a = np.array([1 + 2.0**-30])
    out = np.zeros(1)
    run(fused, 1, 1, a, a, np.array([-1.0]), out)
    assert out[0] == 2.0**-29 + 2.0**-60 - 1.0


@cuda.jit
def contracted(a, out):
    out[0] = a[0] * a[0] - 1.0


@pytest.mark.parametrize("fma", [True, False])
def test_contraction_can_be_switched_off(fma):
    out = np.zeros(1)
    run(contracted, 1, 1, np.array([1 + 2.0**-30]), out, fma=fma)
    once, twice = 2.0**-29 + 2.0**-60, 2.0**-29
    assert out[0] in ((once, twice) if fma else (twice,))


@cuda.jit
def no_arguments():
    pass


def test_a_kernel_without_arguments():
    assert run(no_arguments, 1, 1).written == frozenset()


@cuda.jit
def hinted(x, out):
    i = cuda.grid(1)
    if i < out.size:
        cuda.stcg(out, i, cuda.ldca(x, i) + cuda.ldcv(x, 0))
        cuda.threadfence()
        cuda.nanosleep(10)


def test_cache_hints_fences_and_naps_change_nothing():
    x, out = np.arange(1.0, 9.0), np.zeros(8)
    assert run(hinted, 1, 8, x, out).written == {1}
    np.testing.assert_array_equal(out, x + 1)


@cuda.jit
def below_lane(out):
    x, y = cuda.grid(2)
    out[y, x] = cuda.lanemask_lt()


def test_lanes_are_counted_along_x_first():
    out = np.zeros((6, 8), np.int64)
    run(below_lane, (1, 1), (8, 6), out)
    assert out.ravel().tolist() == [(1 << (i % 32)) - 1 for i in range(48)]
