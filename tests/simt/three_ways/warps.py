"""Warps: the simulator has none of their operations, so these are held to what CUDA's guide says, in NumPy."""

import numpy as np
from numba import cuda

from three_ways.case import Case

FULL = 0xFFFFFFFF
WHY = "the simulator has no warp operations"


def signed(bits):
    """Return bits as numba-cuda types them: an int32."""
    return bits - 2**32 if bits >> 31 else bits


@cuda.jit
def shuffles(x, real, out, moved):
    i = cuda.grid(1)
    out[i, 0] = cuda.shfl_sync(FULL, x[i], 5)
    out[i, 1] = cuda.shfl_up_sync(FULL, x[i], 3)
    out[i, 2] = cuda.shfl_down_sync(FULL, x[i], 7)
    out[i, 3] = cuda.shfl_xor_sync(FULL, x[i], 12)
    moved[i] = cuda.shfl_xor_sync(FULL, real[i], 1)


def shuffles_reference(x, real, out, moved):
    lane, first = np.arange(x.size) % 32, np.arange(x.size) // 32 * 32
    wanted = np.stack([np.full(x.size, 5), lane - 3, lane + 7, lane ^ 12], axis=1)
    wanted = np.where((wanted < 0) | (wanted > 31), lane[:, None], wanted)
    out[:] = x[first[:, None] + wanted]
    moved[:] = real[first + (lane ^ 1)]


@cuda.jit
def votes(x, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.all_sync(FULL, x[i] > 1)
    out[i, 1] = cuda.any_sync(FULL, x[i] > 60)
    out[i, 2] = cuda.eq_sync(FULL, x[i] > 3)
    out[i, 3] = cuda.ballot_sync(FULL, x[i] % 3 == 0)
    out[i, 4] = cuda.activemask()
    cuda.syncwarp()


def votes_reference(x, out):
    for first in range(0, x.size, 32):
        warp, rows = x[first : first + 32], out[first : first + 32]
        rows[:, 0], rows[:, 1] = (warp > 1).all(), (warp > 60).any()
        rows[:, 2] = (warp > 3).all() or not (warp > 3).any()
        rows[:, 3] = signed(sum(1 << k for k, one in enumerate(warp) if one % 3 == 0))
        rows[:, 4] = FULL


@cuda.jit
def matches(x, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.match_any_sync(FULL, x[i])
    lanes, same = cuda.match_all_sync(FULL, x[i] // 100)
    out[i, 1], out[i, 2] = lanes, same


def matches_reference(x, out):
    for first in range(0, x.size, 32):
        warp, rows = x[first : first + 32], out[first : first + 32]
        rows[:, 0] = [signed(sum(1 << k for k, other in enumerate(warp) if other == one)) for one in warp]
        same = len(set(warp // 100)) == 1
        rows[:, 1], rows[:, 2] = signed(FULL) if same else 0, same


@cuda.jit
def sums_of_warps(x, out):
    i = cuda.grid(1)
    total = x[i]
    step = 16
    while step > 0:
        total += cuda.shfl_down_sync(FULL, total, step)
        step //= 2
    if cuda.laneid == 0:
        cuda.atomic.add(out, i // 32, total)


def sums_of_warps_reference(x, out):
    out[:] = x.reshape(-1, 32).sum(axis=1)


@cuda.jit
def half_a_warp(x, out):
    i = cuda.grid(1)
    if cuda.laneid < 16:
        out[i] = cuda.shfl_xor_sync(0xFFFF, x[i], 1) + cuda.ballot_sync(0xFFFF, x[i] % 2)
    else:
        out[i] = cuda.any_sync(0xFFFF0000, x[i] == 31)


def half_a_warp_reference(x, out):
    lane = np.arange(x.size) % 32
    for i in range(x.size):
        first = i - lane[i]
        if lane[i] < 16:
            out[i] = x[i ^ 1] + sum(1 << k for k in range(16) if x[first + k] % 2)
        else:
            out[i] = (x[first + 16 : first + 32] == 31).any()


X = (np.arange(64) * 7) % 61
CASES = [
    Case(
        shuffles,
        1,
        64,
        (X, X / 3, np.zeros((64, 4), np.int64), np.zeros(64)),
        instead=shuffles_reference,
        why=WHY,
    ),
    Case(votes, 1, 64, (X, np.zeros((64, 5), np.int64)), instead=votes_reference, why=WHY),
    Case(
        matches,
        1,
        64,
        (X % 5 + 95 * (np.arange(64) > 40), np.zeros((64, 3), np.int64)),
        instead=matches_reference,
        why=WHY,
    ),
    Case(sums_of_warps, 2, 64, (np.arange(128), np.zeros(4, np.int64)), instead=sums_of_warps_reference, why=WHY),
    Case(half_a_warp, 1, 64, (np.arange(64), np.zeros(64, np.int64)), instead=half_a_warp_reference, why=WHY),
]
