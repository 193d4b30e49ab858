"""A block's threads on fibers: barriers in any control flow, shared memory, and how a block ends badly."""

from __future__ import annotations

from collections.abc import Iterator

import fiber_bodies as bodies
import numpy as np
import pytest
from fiber_bodies import FiberRig

from rkruntime.simt import _state
from rkruntime.simt._fibers import StuckThreads


@pytest.fixture(scope="module")
def rig() -> Iterator[FiberRig]:
    rig = FiberRig()
    yield rig
    rig.arena.close()


@pytest.mark.parametrize("threads", [1, 2, 32, 256, 1024])
def test_block_sums(rig: FiberRig, threads: int) -> None:
    x = np.random.default_rng(threads).random(3 * threads - threads // 2, np.float32)
    out = np.zeros(3, np.float32)
    rig.run(bodies.block_sums, 3, threads, x, out)
    expected = [x[k * threads : (k + 1) * threads].sum(dtype=np.float64) for k in range(3)]
    np.testing.assert_allclose(out, expected, rtol=1e-5)


@pytest.mark.parametrize("size", [8, 13, 24])
def test_tiled_product(rig: FiberRig, size: int) -> None:
    a, b = np.random.default_rng(size).random((2, size, size))
    c = np.zeros((size, size))
    tiles = -(-size // 8)
    rig.run(bodies.tiled_product, (tiles, tiles, 1), (8, 8, 1), a, b, c)
    np.testing.assert_allclose(c, a @ b, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 7, 64, 500])
def test_scan_in_dynamic_shared_memory(rig: FiberRig, threads: int) -> None:
    x = np.random.default_rng(threads).integers(-99, 99, threads)
    out = np.zeros(threads + 1, np.int64)
    rig.run(bodies.scan, 1, threads, x, out, shared_bytes=8 * threads)
    assert out[:-1].tolist() == np.cumsum(x).tolist()
    assert out[-1] == threads


@pytest.mark.parametrize("stays", [1, 31, 32, 100])
def test_threads_that_return_are_not_waited_for(rig: FiberRig, stays: int) -> None:
    out = np.full(128, -1)
    rig.run(bodies.returns_early, 1, 128, out, stays)
    assert out.tolist() == [*range(stays - 1, -1, -1), *[-1] * (128 - stays)]


def test_threads_leave_a_loop_of_barriers_at_different_times(rig: FiberRig) -> None:
    rounds = np.random.default_rng(0).integers(0, 9, 96)
    out = np.zeros(96, np.int64)
    rig.run(bodies.leaves_loop_at_its_own_time, 1, 96, rounds, out)
    at_barrier = [int((rounds > k).sum()) for k in range(9)]
    assert out.tolist() == [sum(at_barrier[:n]) for n in rounds]


def test_barriers_in_device_functions(rig: FiberRig) -> None:
    x = np.arange(128.0) ** 2
    out = np.zeros(128)
    rig.run(bodies.calls_device_function, 2, 64, x, out)
    mirrored = x.reshape(2, 64)[:, ::-1].ravel()
    np.testing.assert_array_equal(out, 21 * (x + mirrored))


def test_indices_in_three_dimensions(rig: FiberRig) -> None:
    out = np.zeros((2 * 2, 3 * 2, 4 * 3, 3), np.int64)
    rig.run(bodies.indices, (3, 2, 2), (4, 3, 2), out)
    assert out[..., 0].ravel().tolist() == list(range(12 * 6 * 4))
    lanes = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(out[..., 1], np.tile(lanes, (2, 2, 3)))
    assert (out[..., 2] == 4).all()


@pytest.mark.parametrize("predicate", [np.zeros(40), np.ones(40), np.arange(40) % 3], ids=["none", "all", "some"])
def test_barriers_that_combine(rig: FiberRig, predicate: np.ndarray) -> None:
    predicate = predicate.astype(np.int64)
    out = np.zeros((3, 40), np.int64)
    rig.run(bodies.combines, 1, 40, predicate, out)
    expected = (np.count_nonzero(predicate), int(predicate.all()), int(predicate.any()))
    np.testing.assert_array_equal(out, np.repeat(np.array(expected)[:, None], 40, axis=1))


def test_several_shared_arrays_lie_apart(rig: FiberRig) -> None:
    out = np.zeros(4, np.int64)
    rig.run(bodies.three_arrays, 2, 33, out)
    assert out.tolist() == [5, 8, 27, 0]


def test_static_shared_memory_has_a_limit(rig: FiberRig) -> None:
    with pytest.raises(MemoryError, match="48 KiB"):
        rig.run(bodies.too_much_shared, 1, 4, np.zeros(1, np.int64))


@pytest.mark.parametrize(("what", "kind"), [(0, ValueError), (1, IndexError)])
def test_a_fault_leaves_the_run_and_says_where(rig: FiberRig, what: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        rig.run(bodies.raises_where, (5, 1, 1), (16, 1, 1), 3 * 16 + 7, what)
    assert caught.value.args == ((7 + 3 * 16,) if what else ("what it was told to",))
    assert rig.place == ([3, 0, 0], [7, 0, 0])


def test_works_again_after_every_kind_of_end(rig: FiberRig) -> None:
    rig.control[:] = 0
    for _ in range(20):
        with pytest.raises(ValueError, match="told"):
            rig.run(bodies.raises_where, 4, 64, 70, 0)
        with pytest.raises(StuckThreads):
            rig.run(bodies.half_waits_elsewhere, 1, 64, np.zeros(1))
    growths = rig.arena.stats.growths
    test_block_sums(rig, 32)
    assert rig.arena.stats.growths == growths


def test_threads_that_wait_for_one_another_at_different_places(rig: FiberRig) -> None:
    out = np.zeros(1)
    with pytest.raises(StuckThreads):
        rig.run(bodies.half_waits_elsewhere, 2, 64, out)
    assert rig.place[0] == [0, 0, 0]
    assert out[0] == 0


def test_barriers_with_and_without_predicate_do_not_mix(rig: FiberRig) -> None:
    with pytest.raises(StuckThreads):
        rig.run(bodies.mixes_barriers, 1, 64, np.zeros(64))


def test_an_endless_kernel_ends_when_cancelled(rig: FiberRig) -> None:
    rounds = np.zeros(1, np.int64)
    control = rig.control[_state.CANCEL : _state.CANCEL + 1]
    try:
        rig.run(bodies.waits_for_ever, 3, 64, rounds, control)
    finally:
        rig.control[:] = 0
    assert rounds[0] == 1000


def test_runs_leave_nothing_mapped_behind(rig: FiberRig) -> None:
    x, out = np.ones(96, np.float32), np.zeros(3, np.float32)
    rig.run(bodies.block_sums, 3, 32, x, out)
    before = rig.arena.stats
    for _ in range(100):
        rig.run(bodies.block_sums, 3, 32, x, out)
    assert rig.arena.stats == before
