"""Barriers across the whole grid: sums that need every block, early returns, and what cannot be waited for."""

import threading

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import BarrierDivergence, InvalidLaunch, LaunchCancelled


@cuda.jit
def scans(x, partial, out, turns):
    shared = cuda.shared.array(0, np.float64)
    grid = cuda.cg.this_grid()
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if i == 0 and turns < 0:
        while True:
            cuda.cg.this_grid().sync()
    for turn in range(turns):
        shared[t] = x[i] + turn
        cuda.syncthreads()
        if t == 0:
            total = 0.0
            for k in range(cuda.blockDim.x):
                total += shared[k]
            partial[cuda.blockIdx.x] = total
        grid.sync()
        if i == cuda.gridsize(1) - 1 and turn == 1:
            return  # the others go on without it
        before = 0.0
        for k in range(cuda.blockIdx.x):
            before += partial[k]
        out[i] += before
        grid.sync()


@pytest.mark.parametrize("workers", [0, 2])
def test_every_block_sees_what_all_have_written(workers):
    x = np.arange(24.0)
    partial, out = np.zeros(6), np.zeros(24)
    pool = simt.Workers(workers) if workers else None
    try:
        special = simt.Kernel(scans).specialize((x, partial, out, 3))
        for _ in range(2):
            out[:] = 0
            simt.run(special, 6, 4, (x, partial, out, 3), 4 * 8, workers=pool)
    finally:
        if pool:
            pool.close()
    sums = x.reshape(6, 4).sum(1)
    wanted = np.zeros(24)
    for turn in range(3):
        before = np.concatenate([[0], np.cumsum(sums + 4 * turn)[:-1]])
        wanted += np.repeat(before, 4) * np.where((np.arange(24) == 23) & (turn >= 1), 0, 1)
    np.testing.assert_array_equal(out, wanted)


def test_a_grid_that_cannot_be_there_at_once_is_refused():
    arrays = np.zeros(40_000), np.zeros(100), np.zeros(40_000)
    special = simt.Kernel(scans).specialize((*arrays, 1))
    with pytest.raises(InvalidLaunch, match="16,384 threads"):
        simt.run(special, 100, 400, (*arrays, 1), 400 * 8)


def test_a_thread_that_waits_for_ever_can_be_cancelled():
    arrays = np.zeros(8), np.zeros(2), np.zeros(8)
    special = simt.Kernel(scans).specialize((*arrays, 1))
    workers, over = simt.Workers(1), threading.Event()
    try:
        launch = workers.submit(special, (2, 1, 1), (4, 1, 1), (*arrays, -1), 32, over.set)
        launch.cancel()
        assert over.wait(30)
        simt.run(special, 2, 4, (*arrays, 1), 32, workers=workers)
    finally:
        workers.close()
    assert isinstance(launch.error, LaunchCancelled)


@cuda.jit
def waits_at_two_places(out):
    if cuda.threadIdx.x == 0:
        cuda.syncthreads()
    else:
        cuda.cg.this_grid().sync()
    out[0] = 1


def test_a_block_whose_threads_wait_at_two_places_is_an_error():
    with pytest.raises(BarrierDivergence):
        run(waits_at_two_places, 2, 2, np.zeros(1))
