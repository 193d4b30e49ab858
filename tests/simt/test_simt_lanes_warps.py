"""Warp operations on lanes, where a vector is a warp, against fibers."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run
from test_simt_lanes_together import agrees

from rkruntime import simt
from rkruntime.errors import KernelCompileError, KernelFault
from rkruntime.simt.lanes import LanesRefused

FULL = 0xFFFFFFFF
DTYPES = ("int32", "uint32", "int64", "uint64", "float32", "float64")


def agrees_on_all(kernel, grid, block, cases):
    """Run on lanes and on fibers, compiled once each; the last array is the same afterwards."""
    compiled = [simt.Kernel(kernel, lowering=one).specialize(cases[0]) for one in ("lanes", "fibers")]
    for case in cases:
        outs = [case[-1].copy() for _ in compiled]
        for special, out in zip(compiled, outs, strict=True):
            simt.run(special, grid, block, (*case[:-1], out))
        np.testing.assert_array_equal(*outs)
        assert (outs[0] != case[-1]).any()


@cuda.jit
def shuffles(x, lane, distance, out):
    i = cuda.grid(1)
    out[0, i] = cuda.shfl_sync(FULL, x[i], lane[i])
    out[1, i] = cuda.shfl_up_sync(FULL, x[i], lane[i])
    out[2, i] = cuda.shfl_down_sync(FULL, x[i], lane[i])
    out[3, i] = cuda.shfl_xor_sync(FULL, x[i], lane[i])
    out[4, i] = cuda.shfl_sync(FULL, x[i], distance)
    out[5, i] = cuda.shfl_up_sync(FULL, x[i], distance)
    out[6, i] = cuda.shfl_down_sync(FULL, x[i], distance)
    out[7, i] = cuda.shfl_xor_sync(FULL, x[i], distance)
    out[8, i] = cuda.shfl_down_sync(FULL, x[i], 3) + cuda.shfl_xor_sync(FULL, x[i], 20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shuffles(dtype):
    random = np.random.default_rng(9)
    x = (random.random(150) * 2**33 - 2**32).astype(np.int64).astype(dtype)
    lane = random.integers(0, 70, 150).astype(np.int32)
    args = [[x, lane, distance, np.zeros((9, 150), dtype)] for distance in (0, 1, 19, 31, 37)]
    agrees_on_all(shuffles, 2, 75, args)


@cuda.jit
def masked(mask, x, value, out):
    i = cuda.grid(1)
    lane = cuda.laneid
    if (mask >> lane) & 1 == 0:
        return
    out[0, i] = cuda.all_sync(mask, x[i])
    out[1, i] = cuda.any_sync(mask, x[i])
    out[2, i] = cuda.eq_sync(mask, x[i])
    out[3, i] = cuda.ballot_sync(mask, x[i] == 1)
    out[4, i] = cuda.match_any_sync(mask, value[i])
    lanes, same = cuda.match_all_sync(mask, value[i])
    out[5, i] = lanes + 7 * same
    cuda.syncwarp(mask)
    out[6, i] = cuda.shfl_down_sync(mask, value[i], 1)
    out[7, i] = cuda.shfl_sync(mask, value[i], i + x[i])
    out[8, i] = cuda.activemask()
    out[9, i] = cuda.popc(cuda.ballot_sync(mask, x[i]) & cuda.lanemask_lt())


def test_votes_and_matches_among_those_that_a_mask_names():
    random, args = np.random.default_rng(5), []
    for kinds in (1, 2, 3):
        x, value = random.integers(0, kinds, 140), random.integers(0, kinds, 140)
        x[:70] = kinds - 1
        masks = (FULL, 0x0F0F00FF, 1, 0x80000001, 0x7FFFFFFF)
        args += [[mask, x, value, np.full((10, 140), -1)] for mask in masks]
    agrees_on_all(masked, 2, 70, args)


@cuda.jit
def own_masks(x, out):
    i = cuda.grid(1)
    mask = cuda.match_any_sync(FULL, x[i])
    out[0, i] = cuda.ballot_sync(mask, i % 3 == 0)
    out[1, i] = cuda.any_sync(mask, i % 7 == 0)
    out[2, i] = cuda.all_sync(mask, x[i] < 3)
    first = cuda.ffs(mask) - 1
    out[3, i] = cuda.shfl_sync(mask, i, first)
    lanes, same = cuda.match_all_sync(mask, i // 16)
    out[4, i] = lanes + same


def test_groups_of_lanes_with_masks_of_their_own():
    x = np.random.default_rng(1).integers(0, 4, 96)
    agrees(own_masks, 1, 96, x, np.zeros((5, 96), np.int64), width=32)


@cuda.jit(device=True)
def warp_sum(value):
    offset = 16
    while offset > 0:
        value += cuda.shfl_down_sync(FULL, value, offset)
        offset //= 2
    return value


@cuda.jit
def block_sums(x, out):
    partial = cuda.shared.array(32, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    lane, warp = t % 32, t // cuda.warpsize
    value = warp_sum(x[i] if i < x.size else 0)
    if lane == 0:
        partial[warp] = value
    cuda.syncthreads()
    if warp == 0:
        value = partial[lane] if lane < (cuda.blockDim.x + 31) // 32 else 0
        value = warp_sum(value)
        if t == 0:
            out[cuda.blockIdx.x] = value


@pytest.mark.parametrize("block", [96, 1024])
def test_sums_by_shuffles_are_on_lanes(block):
    x = np.random.default_rng(block).integers(-99, 99, 2500)
    out = np.zeros(-(-2500 // block), np.int64)
    special = run(block_sums, out.size, block, x, out)
    assert (special.lowering, special.lanes) == ("lanes", 32)
    assert "a vector is a warp" in special.explain()
    np.testing.assert_array_equal(out, [x[k : k + block].sum() for k in range(0, 2500, block)])


@cuda.jit
def prefix(x, out):
    i = cuda.grid(1)
    if i >= x.size:
        return
    lane = cuda.laneid
    total = x[i]
    for k in (1, 2, 4, 8, 16):
        other = cuda.shfl_up_sync(FULL, total, k)
        if lane >= k:
            total += other
    turns = 0
    while cuda.any_sync(FULL, total > 10):
        total //= 2
        turns += 1
    out[i] = total * 100 + turns


def test_sums_where_the_last_warp_is_not_full():
    x = np.random.default_rng(6).integers(-99, 99, 2500)
    agrees(block_sums, 25, 100, x, np.zeros(25, np.int64), width=32)


def test_early_returns_and_loops_that_a_warp_decides():
    x = np.random.default_rng(3).integers(0, 9, 333)
    agrees(prefix, 6, 64, x, np.zeros(333, np.int64), width=32)


@cuda.jit
def in_two_dimensions(x, out):
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    value = cuda.shfl_xor_sync(FULL, x[ty, tx], 5)
    out[ty, tx] = value + cuda.laneid


@pytest.mark.parametrize("block", [(32, 3), (64, 2), (8, 4), (5, 7), (40, 2)])
def test_rows_that_are_no_warps_are_taken_in_the_order_of_numbers(block):
    x = np.random.default_rng(4).integers(0, 99, block[::-1])
    agrees(in_two_dimensions, 1, block, x, np.zeros_like(x), width=32)
    special = simt.Kernel(in_two_dimensions).specialize((x, x))
    assert special.lowering == "lanes"
    assert special.otherwise is not None
    assert special.otherwise().lowering == "lanes"
    assert "in the order of numbers" in special.otherwise().explain()


@cuda.jit(device=True)
def neighbour(value, lane):
    found = cuda.shfl_down_sync(FULL, value, 3)
    return found if cuda.threadIdx.z < 2 else lane


@cuda.jit
def everywhere(x, out, counts):
    shared = cuda.shared.array(1024, np.int64)
    mine = cuda.local.array(2, np.int64)
    at, dim = cuda.threadIdx, cuda.blockDim
    i, j, k = cuda.grid(3)
    number = at.x + dim.x * (at.y + dim.y * at.z)
    if k >= x.shape[0] or j >= x.shape[1] or i >= x.shape[2]:
        return
    mine[0], mine[1] = x[k, j, i], number
    shared[number] = neighbour(mine[number % 2], number)
    cuda.syncthreads()
    cuda.atomic.add(counts, cuda.threadIdx.y, 1)
    total = shared[number]
    for turn in range(cuda.threadIdx.x + 1):
        total += turn * cuda.grid(1)
    if cuda.any_sync(FULL, x[k, j, i] == 7):
        total += 1000
    cuda.syncthreads()
    out[k, j, i] = total + 7 * shared[number // 2] + cuda.ballot_sync(FULL, i > 2) % 97


@pytest.mark.parametrize("block", [(4, 4, 4), (7, 3, 2), (1, 1, 40), (10, 100), (33, 2)])
def test_places_of_all_kinds_where_a_warp_spans_rows(block):
    whole = (2 * block[0], 2 * block[1], 2 * (*block, 1)[2])
    x = np.random.default_rng(5).integers(0, 99, tuple(one - 1 for one in whole[::-1]))
    counts = np.zeros(100, np.int64)
    grid = (2, 2, 2)
    got, wanted = (np.zeros_like(x), counts.copy()), (np.zeros_like(x), counts.copy())
    kernel = simt.Kernel(everywhere)
    assert kernel.specialize((x, *got)).otherwise().lowering == "lanes"
    run(everywhere, grid, block, x, *got, lowering="lanes")
    run(everywhere, grid, block, x, *wanted, lowering="fibers")
    np.testing.assert_array_equal(got[0], wanted[0])
    np.testing.assert_array_equal(got[1], wanted[1])
    assert got[1].sum() == x.size


@cuda.jit
def failing(x, out):
    i = cuda.threadIdx.y
    out[i] = cuda.shfl_sync(FULL, x[i], 1)
    if x[i] == 5:
        raise ValueError("five")


def test_a_fault_names_the_thread_where_a_warp_spans_rows():
    x = np.zeros(9, np.int64)
    x[7] = 5
    with pytest.raises(KernelFault) as caught:
        run(failing, 2, (6, 9), x, np.zeros(9, np.int64), lowering="lanes")
    assert caught.value.thread == (0, 7, 0)


@cuda.jit
def apart(x, out):
    i = cuda.grid(1)
    if x[i] > 0:
        out[i] = cuda.shfl_sync(cuda.activemask(), x[i], 0)
    out[i] += cuda.ballot_sync(FULL, x[i])


def test_what_a_warp_may_come_to_apart_goes_to_fibers():
    args = (np.arange(32), np.zeros(32, np.int64))
    special = simt.Kernel(apart).specialize(args)
    assert special.lowering == "fibers"
    assert "may part" in special.explain()


@pytest.mark.parametrize("width", [1, 8, 16, 64])
def test_a_vector_that_is_no_warp_is_refused(width):
    with pytest.raises(LanesRefused, match="warp"):
        simt.Kernel(prefix, lowering="lanes", width=width).specialize((np.arange(32), np.arange(32)))


@cuda.jit
def voting(mask, x, out):
    i = cuda.grid(1)
    out[i] = cuda.any_sync(mask[0], x[i])


@pytest.mark.parametrize("lowering", ["lanes", "fibers"])
def test_votes_are_of_whole_numbers(lowering):
    whole, real, out = np.full(32, -1, np.int32), np.ones(32, np.float32), np.zeros(32, np.int32)
    run(voting, 1, 32, whole, whole, out, lowering=lowering)
    assert out.tolist() == [1] * 32
    with pytest.raises(KernelCompileError, match="predicate of a warp vote"):
        run(voting, 1, 32, whole, real, out, lowering=lowering)
    with pytest.raises(KernelCompileError, match="mask of a warp vote"):
        run(voting, 1, 32, real, whole, out, lowering=lowering)
