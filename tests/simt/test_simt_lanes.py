"""Kernels on lanes against the same kernels as loops, and against NumPy: divergence of every kind, and faults."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import cuda
from simt_launching import blocks_for, run

from rkruntime.errors import KernelFault
from rkruntime.simt.lanes._flow import Flow, divergent_regions, linear_order


@cuda.jit
def branches(x, out):
    i = cuda.grid(1)
    if i < x.size:
        if x[i] > 10:
            value = x[i] * 2
        elif x[i] < -10:
            value = -x[i]
        else:
            value = 1 if x[i] % 2 == 0 else 3
        total = 0
        for k in range(value % 7):
            if k == 3 and value > 12:
                continue
            if k == 5:
                break
            total += k * value
        else:
            total += 1000
        out[i] = total


@cuda.jit
def early_returns(x, out):
    i = cuda.grid(1)
    if i >= x.size:
        return
    total = 0
    while True:
        total += x[i]
        if total > 50:
            out[i] = total
            return
        if total % 11 == 0:
            return
        total += 1
        if total == 7:
            break
    out[i] = -1


@cuda.jit
def strided(x, out):
    total = 0.0
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        total += math.sqrt(abs(x[i]))
        out[i] = total


@cuda.jit
def gathered(x, index, out):
    i = cuda.grid(1)
    if i < index.size:
        total = 0.0
        for k in range(3):
            total += x[index[i] - k]
            x[index.size - 1 - i] += 0.0
        out[out.size - 1 - i] = total


@cuda.jit
def nested(limits, out):
    row, column = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        count = 0
        for a in range(limits[row]):
            for b in range(limits[column]):
                if a == b:
                    continue
                if a * b > 20:
                    break
                count += a + b
        out[row, column] = count


@cuda.jit
def mixed_types(x, flags, out):
    i = cuda.grid(1)
    if i < x.size:
        number = np.float32(x[i])
        while number > 1 and not flags[i]:
            number = number / np.float32(2)
        whole = int(number * 8)
        flags[i] = whole > 3
        out[i] = (whole << 2) | (whole & 3) ^ (i // 3)


@cuda.jit
def counted(x, counts):
    i = cuda.grid(1)
    if i < x.size:
        k = 0
        while k < x[i]:
            cuda.atomic.add(counts, 1 + (x[i] + k) % (counts.size - 1), 1)
            k += 1
        cuda.atomic.max(counts, 0, k)


@cuda.jit
def counted_in_loops(x, limit, out):
    i = cuda.grid(1)
    if i < x.size:
        turns = last = 0
        value = x[i]
        while turns < limit[0] and value < 100:
            last = value
            value = value * 2 + 3
            turns += 1
            if value % 5 == 4:
                turns -= 2**33
                break
        out[i, 0], out[i, 1], out[i, 2] = turns, last, turns * 7 - value


def cases():
    random = np.random.default_rng(7)
    numbers = random.integers(-40, 40, 203)
    return {
        "branches": (branches, 203, 64, lambda: (numbers, np.zeros(203, np.int64))),
        "early returns": (early_returns, 203, 64, lambda: (abs(numbers) + 1, np.zeros(203, np.int64))),
        "strided": (strided, 77, 32, lambda: (random.random(5000) - 0.5, np.zeros(5000))),
        "gathered": (gathered, 203, 64, lambda: (random.random(203), numbers % 200, np.zeros(203))),
        "nested": (nested, (19, 21), (4, 8), lambda: (abs(numbers) % 9, np.zeros((19, 21), np.int32))),
        "mixed types": (mixed_types, 203, 96, lambda: (numbers, numbers % 5 == 0, np.zeros(203, np.int32))),
        "in loops": (counted_in_loops, 203, 64, lambda: (numbers, np.full(1, 9), np.zeros((203, 3), np.int32))),
        "counted": (counted, 203, 64, lambda: (numbers, np.zeros(17, np.int32))),
    }


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("name", cases())
def test_lanes_agree_with_loops(name, order):
    results = {}
    for lowering in ("loop", "lanes"):
        kernel, size, block, make = cases()[name]
        args = [laid_out(arg, order) for arg in make()]
        grid = blocks_for(size, block) if isinstance(size, int) else tuple(map(blocks_for, size, block))
        special = run(kernel, grid, block, *args, lowering=lowering)
        assert special.lowering == lowering
        results[lowering] = args
    for got, wanted in zip(results["lanes"], results["loop"], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "width"), [("branches", 1), ("counted", 8), ("in loops", 16), ("early returns", 64), ("strided", 64)]
)
def test_lanes_agree_with_loops_at_other_widths(name, width):
    kernel, size, block, make = cases()[name]
    got = make()
    wanted = [one.copy() for one in got]
    assert run(kernel, blocks_for(size, block), block, *got, lowering="lanes", width=width).lanes == width
    run(kernel, blocks_for(size, block), block, *wanted, lowering="loop")
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


GENERIC = """
import numpy as np
import test_simt_lanes as tests
from test_simt_lanes_complex import test_they_outlive_barriers_and_lie_in_every_memory
from test_simt_lanes_own import test_they_outlive_barriers
from test_simt_lanes_records import test_fields_of_every_kind
from test_simt_lanes_together import test_threads_return_before_barriers
from test_simt_lanes_warps import test_sums_by_shuffles_are_on_lanes
test_they_outlive_barriers(8, 40)
test_they_outlive_barriers_and_lie_in_every_memory(16, 40)
test_fields_of_every_kind(8, False)
test_threads_return_before_barriers(16)
test_sums_by_shuffles_are_on_lanes(96)
for name in ("gathered", "counted"):
    tests.test_lanes_agree_with_loops(name, "C")
"""


def test_lanes_agree_with_loops_where_the_processor_has_no_wide_vectors():
    surroundings = {
        **os.environ,
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "RKRUNTIME_CACHE_DIR": "",
        "PYTHONPATH": os.path.dirname(__file__),
    }
    command = [sys.executable, "-c", GENERIC]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=surroundings)
    assert ran.returncode == 0, ran.stderr


def laid_out(array, order):
    if order == "strided":
        room = np.zeros([2 * extent for extent in array.shape], array.dtype)
        view = room[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        return view
    return np.array(array, order=order)


@cuda.jit
def fails(x, out):
    i = cuda.grid(1)
    total = 0
    for k in range(x[i]):
        if x[i] == 13 and k == 2:
            raise ValueError("unlucky")
        total += k
    out[i] = total // (x[i] - 20)


@pytest.mark.parametrize(("place", "number", "said"), [(45, 13, "unlucky"), (38, 20, "division")])
def test_a_fault_names_the_lane_that_failed(place, number, said):
    x = np.full(64, 5)
    x[place] = number
    with pytest.raises(KernelFault, match=said) as failed:
        run(fails, 2, 32, x, np.zeros(64, np.int64), lowering="lanes")
    assert failed.value.block == (place // 32, 0, 0)
    assert failed.value.thread == (place % 32, 0, 0)


@cuda.jit
def sums(x, out):
    i = cuda.grid(1)
    if i < out.size:
        total = np.float32(0)
        for k in range(x.shape[0]):
            total += x[k, i]
        out[i] = total


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
def test_sums_of_columns(size):
    x = np.random.default_rng(1).random((33, size), dtype=np.float32)
    out = np.zeros(size, np.float32)
    assert run(sums, blocks_for(size, 32), 32, x, out).lowering == "lanes"
    np.testing.assert_allclose(out, x.sum(0, dtype="f8"), rtol=1e-5)


def test_ways_that_part_meet_again():
    flow = Flow({0: (1, 2), 1: (3,), 2: (3,), 3: (4, 5), 4: (3,), 5: ()}, 0)
    assert divergent_regions(flow, [0]) == ({1, 2},)
    assert divergent_regions(flow, [3]) == ({3, 4},)
    assert linear_order(flow, {1, 2}) == (1, 2)
    assert linear_order(flow, {3, 4}) == ((flow.loops[3], (3, 4)),)
