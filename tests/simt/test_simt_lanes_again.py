"""What loops read anew in each turn: from memory where anything may have been written since, and else not."""

import operator
from collections.abc import Callable

import numpy as np
import pytest
from numba import cuda
from numba.core import ir

from rkruntime import simt
from rkruntime.simt.lanes import _lower

SIZE = 100


@cuda.jit
def unchanged(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        total, k = x[i], 0
        while k < ends[i]:
            total += x[i]
            k += 1
        out[i] = total


@cuda.jit
def changed_in_the_loop(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        total, k = x[i], 0
        while k < ends[i]:
            total += x[i]
            out[i] = total
            k += 1


@cuda.jit
def changed_by_a_function_of_operator(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        total, k = x[i], 0
        while k < ends[i]:
            total += x[i]
            operator.setitem(out, i, total)
            k += 1


@cuda.jit
def changed_before_the_loop(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        total, k = x[i], 0
        out[i] = 7
        while k < ends[i]:
            total += x[i]
            k += 1
        out[i] = total


@cuda.jit
def changed_by_an_atomic(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        total, k = x[i], 0
        while k < ends[i]:
            total += x[i]
            cuda.atomic.add(out, i, 1)
            k += 1


@cuda.jit
def changed_by_another_thread(x, ends, out):
    t = cuda.threadIdx.x
    total, k = x[t], 0
    while k < 3:
        cuda.syncthreads()
        total += x[t]
        cuda.syncthreads()
        out[(t + 1) % SIZE] = total
        k += 1


@cuda.jit
def changed_after_the_loop(x, ends, out):
    """The outer loop comes round to what was written."""
    i = cuda.grid(1)
    if i < out.size:
        total = x[i]
        for _ in range(3):
            k = 0
            while k < ends[i]:
                total += x[i]
                k += 1
            out[i] = total


def by_hand(kernel: Callable[..., None], x: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return what memory holds in the end if `x` and `out` are the same."""
    x = x.copy()
    if kernel is changed_by_another_thread:
        total = x.copy()
        for _ in range(3):
            total += x
            x = np.roll(total, 1)
        return x
    for i in range(SIZE):
        total = x[i]
        if kernel is changed_before_the_loop:
            x[i] = 7
        for _ in range(3 if kernel is changed_after_the_loop else 1):
            for _ in range(ends[i]):
                total += x[i]
                if kernel in (changed_in_the_loop, changed_by_a_function_of_operator):
                    x[i] = total
                elif kernel is changed_by_an_atomic:
                    x[i] += 1
            if kernel not in (changed_in_the_loop, changed_by_a_function_of_operator, changed_by_an_atomic):
                x[i] = total
    return x


KERNELS = {  # of `x[i]` and `ends[i]`, how many are read once
    unchanged: 2, changed_in_the_loop: 0, changed_by_a_function_of_operator: 0, changed_before_the_loop: 1,
    changed_by_an_atomic: 0, changed_by_another_thread: 0, changed_after_the_loop: 0,
}  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.py_func.__name__)
def test_a_loop_reads_again_what_may_have_been_written(
    kernel: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    kept = []
    without = _lower.without_reading_again

    def noted(blocks: dict[int, ir.Block], *given: object) -> dict[int, ir.Block]:
        made = without(blocks, *given)  # type: ignore[arg-type]
        pairs = [pair for label in blocks for pair in zip(blocks[label].body, made[label].body, strict=True)]
        kept.append(sum(one is not other for one, other in pairs))
        return made

    monkeypatch.setattr(_lower, "without_reading_again", noted)
    x = np.arange(SIZE, dtype=np.int64)
    ends = np.arange(SIZE, dtype=np.int64) % 5
    wanted = by_hand(kernel, x, ends)
    special = simt.Kernel(kernel, lowering="lanes", width=16).specialize((x, ends, x))
    simt.run(special, 1, SIZE, (x, ends, x))
    np.testing.assert_array_equal(x, wanted)
    assert kept
    assert max(kept) == KERNELS[kernel]


@cuda.jit
def changed_as_a_part(x, ends, out):
    i = cuda.grid(1)
    if i < out.size:
        part = x[i : i + 1]
        total, k = x[i], 0
        while k < ends[i]:
            total += x[i]
            part += 1
            k += 1
        out[i] = total


def test_a_loop_reads_again_what_a_part_in_place_wrote_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    x, ends = np.arange(float(SIZE)), np.arange(SIZE) % 5
    wanted = x * (1 + ends) + ends * (ends - 1) / 2
    out = np.empty(SIZE)
    special = simt.Kernel(changed_as_a_part, lowering="lanes", width=16).specialize((x, ends, out))
    simt.run(special, 1, SIZE, (x, ends, out))
    np.testing.assert_array_equal(out, wanted)
