"""How many threads are one vector: a table, by what a kernel does and what its arrays hold."""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import cuda
from numba.core import types

from rkruntime import simt
from rkruntime.simt._choice import choose_width, counts_by_turns
from rkruntime.simt._registers import gathers_slowly, register_bytes

pytestmark = pytest.mark.usefixtures("untraced")


@cuda.jit
def by_extent(x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(x.shape[0]):
            out[i] += x[k]


@cuda.jit
def by_data(x, out):
    i = cuda.grid(1)
    if i < out.size:
        end = int(x[i])
        for k in range(end):
            out[i] += k


@cuda.jit
def by_block(x, out):
    i = cuda.blockIdx.x * 4 + cuda.threadIdx.x % 4
    for k in range(x.size):
        out[i] += x[k]


@cuda.jit
def by_square(x, out):
    i = cuda.blockIdx.x * 4 + cuda.threadIdx.x % 4 + cuda.threadIdx.y
    for k in range(x.size):
        out[i] += x[k]


@cuda.jit
def by_many(x, out):
    i = cuda.threadIdx.x + cuda.blockIdx.x * 4
    a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
    e = f = g = h = x[i]
    for k in range(x.size):
        near = x[k]
        e, f = e + (near - a), f + (near - b)
        g, h = g + (near - c), h + (near - d)
    out[i] = e + f + g + h


@cuda.jit
def by_turns(x, out):
    i = cuda.grid(1)
    if i < out.size:
        while out[i] < x[i]:
            out[i] += x[i] / 4


@pytest.mark.parametrize(
    ("kernel", "dtype", "register_bytes", "lanes", "why"),
    [
        (by_extent, "f4", 64, 64, "four bytes"),
        (by_extent, "f8", 64, 32, "eight bytes"),
        (by_extent, "u1", 64, 64, "one byte"),
        (by_extent, "c16", 64, 16, "two times eight bytes"),
        (by_data, "f4", 64, 16, "its data say"),
        (by_block, "f4", 64, 32, "one dimension"),
        (by_block, "f8", 64, 16, "one dimension"),
        (by_block, "u1", 64, 64, "one byte"),
        (by_square, "u1", 64, 16, "blocks may be narrow"),
        (by_turns, "f4", 64, 64, "four bytes"),
        (by_extent, "f4", 32, 32, "a byte each"),
        (by_extent, "f8", 32, 32, "eight bytes"),
        (by_extent, "u1", 32, 32, "a byte each"),
        (by_extent, "f4", 16, 16, "a byte each"),
        (by_data, "f4", 32, 16, "its data say"),
        (by_block, "f4", 32, 32, "one dimension"),
        (by_block, "f4", 16, 16, "a byte each"),
        (by_many, "f4", 64, 32, "one dimension"),
        (by_many, "f4", 32, 16, "9 numbers at hand"),
        (by_turns, "f4", 32, 16, "while loop"),
        (by_turns, "f8", 32, 16, "while loop"),
    ],
)
def test_the_width_follows_the_kernel_and_the_processor(kernel, dtype, register_bytes, lanes, why):
    array = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    joined = kernel not in (by_block, by_square, by_many)
    width = choose_width(simt.Kernel(kernel).program, [array] * 2, joined=joined, register_bytes=register_bytes)
    assert width.lanes == lanes
    assert why in width.why


def test_the_width_is_told():
    special = simt.Kernel(by_extent).specialize((np.zeros(8, np.float32), np.zeros(8, np.float32)))
    assert special.lanes == register_bytes()
    assert f"vectors: {special.lanes} threads, since " in special.explain()


def test_what_numba_is_told_of_the_processor_counts():
    """Masks of 64 threads come apart where registers have 16 or 32 bytes."""
    script = "from rkruntime.simt._registers import register_bytes; print(register_bytes())"
    for features, wanted in (("", "16"), ("+avx2,-avx512bw", "32"), ("+avx2,+avx512bw", "64")):
        environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
        command = [sys.executable, "-c", script]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert told.stdout.strip() == (wanted if platform.machine() == "x86_64" else "16")


@cuda.jit
def from_data(starts, x, out):
    i = cuda.grid(1)
    if i < out.size:
        first, end = starts[i], starts[i + 1]
        for k in range(first, end):
            out[i] += x[k]


@cuda.jit
def to_data(ends, x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(ends[i]):
            out[i] += x[(i + k) % x.size]


@pytest.mark.parametrize(("kernel", "wanted"), [(from_data, [3, 0, 42]), (to_data, [0, 6, 9])])
def test_a_loop_that_reads_where_data_say_is_left_to_one_thread_after_the_other(kernel, wanted):
    bounds, x, out = np.array([0, 3, 3, 10]), np.arange(10.0), np.zeros(3)
    special = simt.Kernel(kernel).specialize((bounds, x, out))
    simt.run(special, 1, 32, (bounds, x, out))
    assert special.lowering == "loop"
    assert f"runs as its data say, and what it reads lies apart: {__file__}:" in special.explain()
    np.testing.assert_array_equal(out, wanted)


def long_kernel(lines: int, folder: Path) -> Any:
    """Write a kernel with so many lines in its loop, and load it."""
    body = "\n".join(f"            out[i] += x[k] * {line} + k" for line in range(lines))
    head = "def kernel(x, out):\n    i = cuda.grid(1)\n    if i < out.size:\n        for k in range(x.size):\n"
    path = folder / f"long_{lines}.py"
    path.write_text(f"from numba import cuda\n\n@cuda.jit\n{head}{body}\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


@pytest.mark.parametrize(("lines", "lanes"), [(3, register_bytes()), (60, 16)])
def test_a_long_kernel_has_fewer_lanes(lines, lanes, tmp_path):
    x, out = np.arange(4, dtype=np.float32), np.zeros(100, np.float32)
    special = simt.Kernel(long_kernel(lines, tmp_path)).specialize((x, out))
    assert special.lanes == lanes
    simt.run(special, 4, 32, (x, out))
    np.testing.assert_allclose(out, sum(value * line + k for line in range(lines) for k, value in enumerate(x)))


@pytest.mark.parametrize("width", [0, 3, 128])
def test_a_width_is_a_power_of_two(width):
    with pytest.raises(ValueError, match=f"width={width}"):
        simt.Kernel(by_extent, width=width).specialize((np.zeros(8), np.zeros(8)))


@cuda.jit
def along_the_grid(x, out):
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        out[i] = x[i] * x[i]


def test_what_is_stored_to_does_not_make_an_array_s_extent_data():
    x, out = np.arange(8.0), np.zeros(8)
    special = simt.Kernel(along_the_grid).specialize((x, out))
    assert special.lowering == "lanes"
    simt.run(special, 1, 4, (x, out))
    np.testing.assert_array_equal(out, x * x)


@cuda.jit
def of_records(x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(3):
            x[i]["a"] += k
            out[i] += x[i]["a"]


@cuda.jit
def add_to(record, number):
    record.a += number


@cuda.jit
def through(record, number):
    add_to(record, number)
    return record["a"]


@cuda.jit
def of_records_by_functions(x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(3):
            out[i] += through(x[i], k)


@cuda.jit
def of_records_at_their_places(x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(3):
            out[i] += x[i].a + k
        through(x[i], 3)


@cuda.jit
def of_records_that_all_read(x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(x.size):
            out[i] += x[x.size - 1 - k].a
        x[i].b = k


@pytest.mark.parametrize("kernel", [of_records, of_records_by_functions, of_records_at_their_places])
def test_fields_of_a_thread_s_own_records_are_left_to_one_thread_after_the_other(kernel):
    x, out = np.zeros(8, [("a", "f4"), ("b", "i8")]), np.zeros(8)
    special = simt.Kernel(kernel).specialize((x, out))
    assert special.lowering == "loop"
    assert "since threads read fields of their own records" in special.explain()
    simt.run(special, 1, 8, (x, out))
    np.testing.assert_array_equal(x["a"], 3)
    np.testing.assert_array_equal(out, 0 + 1 + (2 if kernel is of_records_at_their_places else 3))


@cuda.jit
def along_rows(a, x, out):
    i = cuda.grid(1)
    if i < out.size:
        for k in range(a.shape[1]):
            out[i] += a[i, k] * x[k]


@cuda.jit
def along_flat_rows(a, x, out):
    i = cuda.grid(1)

    if i < out.size:
        for k in range(x.size):
            out[i] += a[i // 8, i * 0 + k] * x[k]


@cuda.jit
def along_columns(a, x, out):
    i, j = cuda.grid(2)
    if i < out.size and j == 0:
        for k in range(a.shape[0]):
            out[i] += a[k, i] * x[k] + 0 * a[j, k]


@pytest.mark.parametrize(
    ("kernel", "dtype", "register_bytes", "is_left"),
    [
        (by_turns, "i8", 32, True),
        (by_turns, "i4", 16, True),
        (by_turns, "i8", 64, False),
        (by_turns, "f4", 32, False),
        (by_extent, "i8", 32, False),
    ],
)
def test_while_loops_of_whole_numbers_are_left_to_loops_on_narrow_registers(kernel, dtype, register_bytes, is_left):
    array = types.Array(numba.from_dtype(np.dtype(dtype)), 1, "C")
    where = counts_by_turns(simt.Kernel(kernel).program, [array] * 2, register_bytes)
    assert (where is not None) == is_left
    assert where is None or where.startswith(f"{__file__}:")


@cuda.jit
def halves_below(limit, out):
    i = cuda.grid(1)
    if i < out.size:
        below = 0
        while below * 0.5 < limit:
            below += 1
        out[i] = below


@cuda.jit
def steps_below(limit, step, out):
    i = cuda.grid(1)
    if i < out.size:
        below = 0
        while below * step < limit:
            below += 1
        out[i] = below


@pytest.mark.parametrize(
    ("kernel", "scalars"),
    [(halves_below, [types.int64]), (steps_below, [types.float64, types.float64])],
)
def test_a_loop_over_real_numbers_is_not_taken_for_one_of_whole_numbers_by_what_it_stores(kernel, scalars):
    out = types.Array(types.int32, 1, "C")
    assert counts_by_turns(simt.Kernel(kernel).program, [*scalars, out], 32) is None


def test_a_while_loop_of_whole_numbers_tells_why_it_is_a_loop():
    x, out = np.arange(8), np.zeros(8, np.int64)
    special = simt.Kernel(turns_of_whole_numbers).specialize((x, out))
    simt.run(special, 1, 8, (x, out))
    np.testing.assert_array_equal(out, x)
    assert (special.lowering == "loop") == (register_bytes() < 64)
    assert ("each thread ends its own loop over whole numbers" in special.explain()) == (register_bytes() < 64)


@cuda.jit
def turns_of_whole_numbers(x, out):
    i = cuda.grid(1)
    if i < out.size:
        while out[i] < x[i]:
            out[i] += 1


@cuda.jit
def to_their_ends(a, x, out):
    i = cuda.grid(1)
    if i < out.size:
        z = x[i]
        while z.real < 100:
            z = 2 * z + 1
        out[i] = z


@pytest.mark.parametrize(
    ("kernel", "dtype", "lowering", "why"),
    [
        (along_rows, "c8", "loop", "which lie apart"),
        (along_rows, "c16", "loop", "which lie apart"),
        (along_rows, "f8", "loop" if gathers_slowly() else "lanes", ""),
        (along_flat_rows, "c8", "loop", "which lie apart"),
        (along_columns, "c16", "lanes", ""),
        (to_their_ends, "c16", "loop" if register_bytes() < 64 else "lanes", ""),
        (to_their_ends, "c8", "lanes", ""),
    ],
)
def test_complex_numbers_are_read_as_they_lie(kernel, dtype, lowering, why):
    random = np.random.default_rng(0)
    a = random.integers(0, 9, (8, 8)).astype(dtype)
    x, out = a[0] + 1, np.zeros(8, dtype)
    special = simt.Kernel(kernel).specialize((a, x, out))
    assert special.lowering == lowering
    assert why in special.explain()
    wanted = out.copy()
    simt.run(special, 1, 8, (a, x, out))
    simt.run(simt.Kernel(kernel, lowering="loop").specialize((a, x, out)), 1, 8, (a, x, wanted))
    np.testing.assert_array_equal(out, wanted)
    assert out.any()


def test_records_that_all_threads_read_take_lanes():
    x, out = np.zeros(8, [("a", "f4"), ("b", "i8")]), np.zeros(8)
    x["a"] = np.arange(8)
    special = simt.Kernel(of_records_that_all_read).specialize((x, out))
    assert special.lowering == "lanes"
    simt.run(special, 1, 8, (x, out))
    np.testing.assert_array_equal(out, np.arange(8).sum())
    np.testing.assert_array_equal(x["b"], 7)


def test_a_worker_takes_as_many_blocks_as_fill_a_vector():
    x, out = np.ones(8, np.float32), np.zeros(1024, np.float32)
    special = simt.Kernel(by_extent).specialize((x, out))
    special.ns_per_block = 1e9  # a worker would take one block at a time
    workers = simt.Workers(2)
    try:
        simt.run(special, 256, 4, (x, out), workers=workers)
    finally:
        workers.close()
    assert special.together == register_bytes()
    np.testing.assert_array_equal(out, 8)
