"""What threads of a block do together, on lanes of several widths, against fibers."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

pytestmark = pytest.mark.usefixtures("untraced")

WIDTHS = (1, 8, 16, 64)


def agrees(kernel, grid, block, *args, width, shared=0):
    """Run on lanes and on fibers; the arrays are the same afterwards. Return the lanes' specialisation."""
    got, wanted = ([one.copy() if isinstance(one, np.ndarray) else one for one in args] for _ in range(2))
    special = run(kernel, grid, block, *got, lowering="lanes", width=width, shared=shared)
    run(kernel, grid, block, *wanted, lowering="fibers", shared=shared)
    for one, other in zip(got, wanted, strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(got, args, strict=True) if isinstance(one, np.ndarray))
    return special


@cuda.jit
def dynamic_views(x, out):
    halves = cuda.shared.array(0, np.int32)
    words = cuda.shared.array(0, np.int64)
    t, i, n = cuda.threadIdx.x, cuda.grid(1), cuda.blockDim.x
    words[t] = x[i]
    cuda.syncthreads()
    out[i, 0] = halves[2 * (n - 1 - t)] + words[(t + 1) % n]
    cuda.syncthreads()
    if t < 4:
        halves[words.size + t] = t
    cuda.syncthreads()
    out[i, 1] = halves[words.size + i % 4]
    out[i, 2] = words.size * 1000 + halves.size


@pytest.mark.parametrize("width", WIDTHS)
def test_dynamic_shared_memory_with_two_views(width):
    x = np.random.default_rng(0).integers(-(2**40), 2**40, 100)
    agrees(dynamic_views, 2, 50, x, np.zeros((100, 3), np.int64), width=width, shared=50 * 8 + 40)


@cuda.jit
def counting(x, out):
    i = cuda.grid(1)
    count = cuda.syncthreads_count(x[i] > 0)
    every = cuda.syncthreads_and(x[i])
    some = 0
    for k in range(3):
        some += (k + 1) * cuda.syncthreads_or(x[i] == k)
    if count > 20:
        out[i] = count + 1000 * every + 10000 * some + x[i] * cuda.syncthreads_count(i % 3 == 0)
    else:
        out[i] = -count - 1000 * every - 10000 * some


@pytest.mark.parametrize("block", [40, (5, 3), (16, 4)])
@pytest.mark.parametrize("width", WIDTHS)
def test_barriers_that_count(width, block):
    threads = int(np.prod(block))
    grid = 4 if isinstance(block, int) else (4, 1)
    x = np.random.default_rng(1).integers(0, 3, 4 * threads)
    x[:threads], x[threads : 2 * threads] = 0, 2
    agrees(counting, grid, block, x, np.zeros(x.size, np.int64), width=width)


@cuda.jit
def early_return(x, out):
    shared = cuda.shared.array(64, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if i >= x.size:
        return
    shared[t] = x[i]
    cuda.syncthreads()
    if x[i] < 0:
        if x[i] % 2 == 0:
            out[i] = shared[t] * 3 if i + cuda.blockDim.x < x.size else -7
            return
        shared[t] = -x[i]
    cuda.syncthreads()
    step = 1
    while step < 8:
        other = shared[t ^ step] if (i ^ step) < x.size else 0
        cuda.syncthreads()
        shared[t] += other
        cuda.syncthreads()
        step *= 2
    out[i] = shared[t] + step


@pytest.mark.parametrize("width", WIDTHS)
def test_threads_return_before_barriers(width):
    x = np.random.default_rng(2).integers(-40, 40, 300)
    agrees(early_return, 6, 56, x, np.zeros(300, np.int64), width=width)


@cuda.jit
def own_times(rounds, x, out):
    shared = cuda.shared.array(96, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    shared[t] = x[i]
    total, k = 0, 0
    while k < rounds[i]:
        total += cuda.syncthreads_count(total % 3 != k)
        shared[t] = total
        cuda.syncthreads()
        if total > 800:
            break
        total += shared[(t + k) % 16]
        k += 1
    out[i] = total * 100 + k


@cuda.jit
def for_own_times(rounds, x, out):
    t, i = cuda.threadIdx.x, cuda.grid(1)
    met = 0
    for k in range(rounds[i]):
        more = 0
        if x[i] == k * 10:
            more = 1000
        met += cuda.syncthreads_count(k % 2 == t % 2) + more
    out[i] = met
    if met > 40:
        out[i] -= 1


@cuda.jit
def counted_turns(rounds, x, out):
    shared = cuda.shared.array(96, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    value, met = rounds[i], 0
    shared[t] = value
    cuda.syncthreads()
    while value > 2:
        value -= 1 + shared[(t + 1) % 8] % 2
        cuda.syncthreads()
        met += 1
    out[i] = met * 1000 + x[i]


@pytest.mark.parametrize("kernel", [own_times, for_own_times, counted_turns])
@pytest.mark.parametrize("width", WIDTHS)
def test_threads_leave_loops_of_barriers_at_their_own_time(width, kernel):
    random = np.random.default_rng(3)
    rounds, x = random.integers(0, 12, 192), random.integers(0, 100, 192)
    agrees(kernel, 2, 96, rounds, x, np.zeros(192, np.int64), width=width)


@cuda.jit
def everyone_leaves(x, out):
    shared = cuda.shared.array(64, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    shared[t] = x[i]
    turn = 0
    while True:
        cuda.syncthreads()
        value = shared[(t + 1) % cuda.blockDim.x]
        cuda.syncthreads()
        turn += 1
        if value > 90 or shared[t] < 5 or turn == 9:
            for k in range(value % 4):
                out[i] += k + value
            return
        shared[t] += value % 7 + 1


@pytest.mark.parametrize("block", [64, (16, 4), (5, 3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_block_ends_when_everyone_has_left(width, block):
    x = np.random.default_rng(4).integers(0, 80, 192)
    grid = 3 if isinstance(block, int) else (3, 1)
    agrees(everyone_leaves, grid, block, x, np.zeros(192, np.int64), width=width)


@cuda.jit
def rows_leave(x, out):
    shared = cuda.shared.array((8, 16), np.int64)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    shared[ty, tx] = x[ty, tx]
    if ty >= x[0, 0]:
        return
    cuda.syncthreads()
    if ty == 3:
        return
    met = cuda.syncthreads_count(1)
    out[ty, tx] = shared[7 - ty, tx] + met


@pytest.mark.parametrize("width", WIDTHS)
def test_whole_rows_leave(width):
    x = np.random.default_rng(5).integers(0, 80, (8, 16))
    x[0, 0] = 6
    agrees(rows_leave, 1, (16, 8), x, np.zeros((8, 16), np.int64), width=width)


@cuda.jit
def counter_of_the_block(x, out):
    shared = cuda.shared.array(48, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    total, j = 0, 0
    for tile in range(3):
        shared[t] = x[i] * (tile + 1)
        cuda.syncthreads()
        for k in range(16):
            total += shared[k] * j + x[j]
            if tile == 1:
                j += 1
            j += 2
        cuda.syncthreads()
    out[i] = total + j


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_the_same_for_the_block_may_change_between_barriers(width):
    x = np.random.default_rng(6).integers(-9, 9, 144)
    agrees(counter_of_the_block, 3, 48, x, np.zeros(144, np.int64), width=width)


@cuda.jit
def strided_with_barriers(x, out):
    shared = cuda.shared.array(32, np.int64)
    t = cuda.threadIdx.x
    total = 0
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        shared[t] = x[i]
        cuda.syncthreads()
        total += shared[(t + 1) % 8] + i
        cuda.syncthreads()
        out[i] = total


@pytest.mark.parametrize("width", [1, 64])
def test_barriers_in_strides_over_a_grid(width):
    x = np.random.default_rng(7).integers(0, 99, 150)
    agrees(strided_with_barriers, 2, 32, x, np.zeros(150, np.int64), width=width)


@cuda.jit
def in_three_dimensions(x, out):
    shared = cuda.shared.array((2, 4, 8), np.int64)
    tx, ty, tz = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.z
    i = tx + 8 * (ty + 4 * tz)
    value, turn = x[i], 0
    shared[tz, ty, tx] = value
    while value > 3 and turn < 9:
        shared[tz, ty, tx] = value
        cuda.syncthreads()
        if turn % 2 == 0 and value % 5 == 0:
            out[i] = -turn
            return
        value -= 1 + shared[(tz + 1) % 2, 3 - ty, 7 - tx] % 3
        cuda.syncthreads()
        turn += 1
    out[i] = value * 100 + turn


@pytest.mark.parametrize("width", [1, 16])
def test_two_conditions_and_a_return_in_three_dimensions(width):
    x = np.random.default_rng(8).integers(0, 60, 64)
    agrees(in_three_dimensions, 1, (8, 4, 2), x, np.zeros(64, np.int64), width=width)
