"""What all vectors of a block have in common is done once, and what a vector reads is asked for whole."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.simt import _stubs
from rkruntime.simt.lanes import _blocks, _expressions, _lower, _masked, _ramps
from rkruntime.simt.lanes._memory import LINE_BYTES, bytes_in_lines

LEAST, MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@cuda.jit
def compared(first, bound, out):
    i = cuda.grid(1)
    for turn in range(1):
        number = first + i + turn
        out[0, i] = number < bound
        out[1, i] = number <= bound
        out[2, i] = number > bound
        out[3, i] = number >= bound
        out[4, i] = number == bound
        out[5, i] = number != bound


@pytest.mark.parametrize(("width", "has_masks"), [(8, True), (16, False), (32, True), (32, False), (64, True)])
def test_numbers_that_count_up_compare_with_any_bound(
    width: int, has_masks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    for module in (_expressions, _lower, _masked, _ramps):
        monkeypatch.setattr(module, "has_masks", lambda: has_masks)
    threads = 2 * width + 3
    out = np.zeros((6, threads), np.bool_)
    special = simt.Kernel(compared, lowering="lanes", width=width).specialize((0, 0, out))
    for first in (0, -5, LEAST, MOST - threads):
        near = (first + k for k in (-1, 0, 1, width - 1, width, width + 1, threads, threads + 1))
        for bound in (LEAST, MOST, 0, *(one for one in near if LEAST <= one <= MOST)):
            simt.run(special, 1, threads, (first, bound, out))
            numbers = [first + k for k in range(threads)]
            signs = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
            wanted = [[sign(number, bound) for number in numbers] for sign in signs]
            np.testing.assert_array_equal(out, wanted, err_msg=f"{first} and {bound}")


@cuda.jit
def kept(x, out, counts):
    """No thread looks at y or z, and each keeps a number across a barrier."""
    t = cuda.threadIdx.x
    mine = 2 * x[t]
    cuda.syncthreads()
    out[t] = mine
    cuda.atomic.add(counts, t, 1)


@pytest.mark.parametrize("block", [(32, 1, 1), (48, 3, 2), (5, 4, 1), (1, 7, 9)])
def test_blocks_of_many_rows_run_kernels_that_know_of_none(block: tuple[int, int, int]) -> None:
    x, out, counts = np.arange(block[0]), np.zeros(block[0], np.int64), np.zeros(block[0], np.int32)
    run(kept, 3, block, x, out, counts, lowering="lanes")
    np.testing.assert_array_equal(out, 2 * x)
    np.testing.assert_array_equal(counts, 3 * block[1] * block[2])


@cuda.jit
def around_a_barrier(x):
    step = 1
    while step < 8:
        x[cuda.threadIdx.x] += step
        cuda.syncthreads()
        step *= 2


@cuda.jit
def behind_a_barrier(x):
    t = cuda.threadIdx.x
    cuda.syncthreads()
    while x[t] < 7:
        x[t] += 1


@pytest.mark.parametrize(("kernel", "once"), [(around_a_barrier, True), (behind_a_barrier, False)])
def test_a_block_looks_once_a_turn_whether_it_is_cancelled(
    kernel: Any, once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a loop is each vector's own, that looks as well."""
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    lower, looks = _blocks.BlockLower._lower_assignment, []

    def noted(self: Any, inst: Any) -> None:
        if self._calls(inst) is _stubs.interrupt:
            looks.append(self._context is None)
        lower(self, inst)

    monkeypatch.setattr(_blocks.BlockLower, "_lower_assignment", noted)
    x = np.zeros(40, np.int64)
    run(kernel, 1, 40, x, lowering="lanes")
    np.testing.assert_array_equal(x, 7)
    assert looks
    assert all(looks) is once


@pytest.mark.parametrize("size", [1, 4, 16, 64, 128, 1024])
def test_all_lines_of_a_vector_are_asked_for(size: int) -> None:
    for first in range(LINE_BYTES):
        wanted = {(first + byte) // LINE_BYTES for byte in range(size)}
        assert {(first + byte) // LINE_BYTES for byte in bytes_in_lines(size)} == wanted
