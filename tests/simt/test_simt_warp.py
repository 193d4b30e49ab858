"""Warp operations on fibers against what CUDA says they do, written down in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fiber_bodies import FULL, FiberRig, body
from hypothesis import given, settings
from hypothesis import strategies as st

from rkruntime.simt import _stubs as s
from rkruntime.simt._fibers import StuckThreads

RIG = FiberRig()
DTYPES = ("int32", "uint32", "int64", "uint64", "float32", "float64")
SHUFFLES = ("idx", "up", "down", "xor")
masks = st.integers(1, FULL)


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    RIG.arena.close()


@body
def shuffles(ctx, mask, x, lane, out):
    i = s.grid_1(ctx)
    if (mask >> (i & 31)) & 1:
        out[0, i] = s.shfl_sync(ctx, mask, x[i], lane[i])
        out[1, i] = s.shfl_up_sync(ctx, mask, x[i], lane[i])
        out[2, i] = s.shfl_down_sync(ctx, mask, x[i], lane[i])
        out[3, i] = s.shfl_xor_sync(ctx, mask, x[i], lane[i])


def source_lane(kind: str, lane: int, given: int) -> int:
    given &= 31
    wanted = {"idx": given, "up": lane - given, "down": lane + given, "xor": lane ^ given}[kind]
    return wanted if 0 <= wanted < 32 else lane


def expected_shuffle(kind: str, mask: int, x: np.ndarray, lane: np.ndarray) -> np.ndarray:
    out = np.zeros_like(x)
    for i in range(x.size):
        if mask >> (i & 31) & 1:
            source = source_lane(kind, i & 31, int(lane[i]))
            at = (i & ~31) + source
            out[i] = x[at] if mask >> source & 1 and at < x.size else x[i]
    return out


@settings(max_examples=30, deadline=None)
@given(dtype=st.sampled_from(DTYPES), mask=st.one_of(st.just(FULL), masks), threads=st.integers(1, 80), data=st.data())
def test_shuffles(dtype: str, mask: int, threads: int, data: Any) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = (random.random(threads) * 2**33 - 2**32).astype(np.int64).astype(dtype)
    lane = random.integers(0, 70, threads).astype(np.int32)
    out = np.zeros((4, threads), dtype)
    RIG.run(shuffles, 1, threads, np.int64(mask), x, lane, out)
    for row, kind in zip(out, SHUFFLES, strict=True):
        np.testing.assert_array_equal(row, expected_shuffle(kind, mask, x, lane), err_msg=kind)


@body
def votes(ctx, mask, predicate, value, out):
    i = s.grid_1(ctx)
    if (mask >> (i & 31)) & 1:
        out[0, i] = s.all_sync(ctx, mask, predicate[i])
        out[1, i] = s.any_sync(ctx, mask, predicate[i])
        out[2, i] = s.eq_sync(ctx, mask, predicate[i])
        out[3, i] = np.uint32(s.ballot_sync(ctx, mask, predicate[i]))
        out[4, i] = np.uint32(s.match_any_sync(ctx, mask, value[i]))
        lanes, same = s.match_all_sync(ctx, mask, value[i])
        out[5, i], out[6, i] = np.uint32(lanes), same


def lanes_of(flags: np.ndarray) -> int:
    return sum(1 << int(k) for k in np.flatnonzero(flags))


def expected_votes(mask: int, predicate: np.ndarray, value: np.ndarray) -> np.ndarray:
    out = np.zeros((7, predicate.size), np.int64)
    for first in range(0, predicate.size, 32):
        warp = slice(first, min(first + 32, predicate.size))
        p, v = predicate[warp] != 0, value[warp]
        on = np.array([mask >> k & 1 for k in range(p.size)], bool)
        for k in np.flatnonzero(on):
            agree = lanes_of(on & (v == v[k]))
            every = lanes_of(on) if agree == lanes_of(on) else 0
            row = [p[on].all(), p[on].any(), p[on].all() or not p[on].any(), lanes_of(on & p), agree, every, every != 0]
            out[:, first + k] = row
    return out


@settings(max_examples=30, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    mask=st.one_of(st.just(FULL), masks),
    threads=st.integers(1, 70),
    kinds=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_votes_and_matches(dtype: str, mask: int, threads: int, kinds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    predicate = random.integers(0, kinds, threads)
    value = random.integers(0, kinds, threads).astype(dtype)
    out = np.zeros((7, threads), np.int64)
    RIG.run(votes, 1, threads, np.int64(mask), predicate, value, out)
    np.testing.assert_array_equal(out, expected_votes(mask, predicate, value))


@body
def sums_in_diverged_groups(ctx, groups, out):
    """Three groups of lanes at once, each with its own mask and its own number of steps."""
    i, lane = s.grid_1(ctx), s.laneid(ctx)
    group = groups[lane]
    mask = np.int64(0)
    for k in range(32):
        if groups[k] == group:
            mask |= np.int64(1) << k
    total = np.int64(0)
    for step in range(group + 2):
        for k in range(32):
            if (mask >> k) & 1:
                total += s.shfl_sync(ctx, mask, np.int64(lane) * (step + 1), k)
        s.syncwarp(ctx, mask)
    out[i] = total


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=32, max_size=32))
def test_diverged_groups_of_one_warp_do_not_disturb_each_other(groups: list[int]) -> None:
    out = np.zeros(64, np.int64)
    RIG.run(sums_in_diverged_groups, 1, 64, np.array(groups), out)
    lanes = np.arange(32)
    sums = [lanes[np.array(groups) == g].sum() for g in range(3)]
    expected = [sums[g] * sum(range(1, g + 3)) for g in groups]
    assert out.tolist() == expected * 2


@body
def some_return_first(ctx, stays, out):
    thread = s.thread_idx(ctx, 0)
    if thread % 32 >= stays:
        return
    out[thread] = np.uint32(s.ballot_sync(ctx, FULL, True))


@pytest.mark.parametrize("stays", [1, 5, 31, 32])
def test_lanes_that_returned_are_not_waited_for(stays: int) -> None:
    out = np.zeros(64, np.int64)
    RIG.run(some_return_first, 1, 64, stays, out)
    assert out.tolist() == ([2**stays - 1] * stays + [0] * (32 - stays)) * 2


@body
def asks_who_is_here(ctx, out):
    thread = s.thread_idx(ctx, 0)
    if thread % 3 == 0:
        out[thread] = s.activemask(ctx, 0)
    else:
        out[thread] = s.activemask(ctx, 1)
    s.syncthreads(ctx)
    out[thread + 64] = s.activemask(ctx, 2)
    out[thread + 128] = s.lanemask_lt(ctx)


def test_activemask_is_those_who_came_the_same_way() -> None:
    out = np.zeros(192, np.int64)
    RIG.run(asks_who_is_here, 1, 64, out)
    thirds = np.arange(64) % 3 == 0
    for first in (0, 32):
        mine = thirds[first : first + 32]
        for k in range(32):
            assert out[first + k] == lanes_of(mine == mine[k])
    assert (out[64:128] == FULL).all()
    assert out[128:].tolist() == [2**k - 1 for k in range(32)] * 2


@body
def not_in_its_own_mask(ctx, out):
    out[0] = s.ballot_sync(ctx, 0b1110, True)


@body
def waits_for_a_lane_that_never_comes(ctx, out):
    if s.laneid(ctx) != 3:
        s.syncwarp(ctx, FULL)
    else:
        s.syncthreads(ctx)
    out[0] = 1


@pytest.mark.parametrize("wrong", [not_in_its_own_mask, waits_for_a_lane_that_never_comes])
def test_masks_that_cannot_be_met_are_faults(wrong: Any) -> None:
    out = np.zeros(1, np.int64)
    with pytest.raises(StuckThreads):
        RIG.run(wrong, 1, 32, out)
    assert out[0] == 0
