"""Atomics of vectors: combined where they meet, without atomic instructions where memory is a worker's own."""

import ast

import numpy as np
import pytest
from numba import cuda, int32
from simt_launching import run

from rkruntime import simt
from rkruntime.simt._private import added_to_only


@cuda.jit
def counted(x, counts):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(counts, x[i], 1)


@pytest.mark.parametrize("size", [37, 20_000])
def test_workers_count_in_copies_of_their_own(size):
    x = np.random.default_rng(0).integers(0, 256, 40_000 if size > 256 else size).astype(np.uint8)
    counts = np.zeros(size if size > 256 else 256, np.int32)  # 80,000 bytes are too many to copy
    special = simt.Kernel(counted).specialize((x, counts))
    workers = simt.Workers(2)
    try:
        simt.run(special, 8, 64, (x, counts), workers=workers)
        simt.run(special, 3, 32, (x, counts), workers=workers)
    finally:
        workers.close()
    np.testing.assert_array_equal(counts, 2 * np.bincount(x, minlength=counts.size))
    assert special.lowering == "lanes"


@cuda.jit
def added_and_read(x, counts, out):
    i = cuda.grid(1)
    for _ in range(2):
        cuda.atomic.add(counts, i % counts.size, 1)
    out[i] = x[i % counts.size]


def test_a_thread_sees_what_it_added_through_another_argument():
    counts, out = np.zeros(4, np.int64), np.zeros(64, np.int64)
    run(added_and_read, 2, 32, counts[:], counts, out, lowering="lanes")
    assert (out >= 2).all()
    np.testing.assert_array_equal(counts, 32)


@cuda.jit
def met(x, out, reals):
    i = cuda.grid(1)
    if i < x.size:
        for k in range(2):
            if x[i] > k:
                cuda.atomic.add(out, 0, x[i])
                cuda.atomic.sub(out, 1, i)
                cuda.atomic.max(out, 2, x[i])
                cuda.atomic.min(out, 3, x[i] - 7)
                cuda.atomic.and_(out, 4, x[i])
                cuda.atomic.or_(out, 5, x[i] * 16)
                cuda.atomic.xor(out, 6, x[i])
                cuda.atomic.add(reals, 0, x[i] / 2)


def test_operands_that_meet_are_combined():
    x = np.random.default_rng(3).integers(-90, 90, 203)
    start = np.array([0, 0, -1000, 1000, -1, 0, 0])
    out, reals = start.copy(), np.zeros(1)
    run(met, 4, 64, x, out, reals, lowering="lanes")
    some, twice = x[x > 0], np.concatenate([x[x > 0], x[x > 1]])
    places = np.concatenate([np.flatnonzero(x > 0), np.flatnonzero(x > 1)])
    wanted = [
        twice.sum(),
        -places.sum(),
        some.max(),
        some.min() - 7,
        np.bitwise_and.reduce(some),
        np.bitwise_or.reduce(some * 16),
        np.bitwise_xor.reduce(twice),
    ]
    np.testing.assert_array_equal(out, wanted)
    assert reals[0] == twice.sum() / 2


@cuda.jit
def tickets(x, out):
    taken = cuda.shared.array(2, int32)
    t = cuda.threadIdx.x
    if t < 2:
        taken[t] = 0
    cuda.syncthreads()
    i = cuda.grid(1)
    if x[i] > 0:
        out[i] = cuda.atomic.add(taken, x[i] % 2, 1)
    else:
        out[i] = -1


def test_each_thread_gets_a_ticket_of_its_own():
    x, out = np.random.default_rng(5).integers(-5, 9, 120), np.zeros(120, np.int32)
    assert run(tickets, 3, 40, x, out).lowering == "lanes"
    for block in range(3):
        here, mine = x[block * 40 : block * 40 + 40], out[block * 40 : block * 40 + 40]
        for odd in (0, 1):
            given = np.sort(mine[(here > 0) & (here % 2 == odd)])
            np.testing.assert_array_equal(given, np.arange(given.size))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("_rk_atomic_add(a, 0, 1)", (0,)),
        ("_rk_atomic_add(a, b.size, 1)\n    _rk_atomic_sub(a, 1, 2)\n    _rk_atomic_add(b, 0, 1)", (0, 1)),
        ("old = _rk_atomic_add(a, 0, 1)", ()),
        ("_rk_atomic_add(a, 0, 1)\n    b[0] = a[0]", ()),
        ("_rk_atomic_add(a, 0, a[1])", ()),
        ("_rk_atomic_max(a, 0, 1)", ()),
        ("a = b\n    _rk_atomic_add(a, 0, 1)", ()),
        ("other(a)\n    _rk_atomic_add(a, 0, 1)", ()),
    ],
)
def test_only_what_nothing_reads_has_copies(body, found):
    (tree,) = ast.parse(f"def kernel(_rk_ctx, a, b):\n    {body}\n").body
    assert added_to_only(tree) == found


@cuda.jit
def strided_counts(x, counts, weights, step, sums):
    for i in range(cuda.grid(1), x.size, step):
        cuda.atomic.add(counts, x[i], step)
        cuda.atomic.sub(sums, x[i], weights[i])


@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i8"])
@pytest.mark.parametrize(("size", "step"), [(4096, 128), (4099, 128), (777, 1), (5, 128), (70_000, 1)])
def test_places_of_every_type_are_updated_lane_by_lane(dtype, size, step, width):
    """Whole vectors and parts of one, places that count from the end, operands that are the same and that are not."""
    random = np.random.default_rng(5)
    x = random.integers(-50 if np.dtype(dtype).kind == "i" else 0, 100, size).astype(dtype)
    weights = random.integers(0, 9, size)
    counts, sums = np.zeros(100, np.int32), np.zeros(100, np.int64)
    run(strided_counts, 2, 64, x, counts, weights, step, sums, lowering="lanes", width=width)
    first = np.minimum(np.arange(size) // step + 1, 128) if step == 1 else np.ones(size, np.int64)
    places = x.astype(np.int64) % 100
    np.testing.assert_array_equal(counts, np.bincount(places, first * step, 100))
    np.testing.assert_array_equal(sums, -np.bincount(places, first * weights, 100))


@cuda.jit
def backwards(x, out):
    for i in range(x.size - 1 - cuda.grid(1), -1, -cuda.gridsize(1)):
        out[i] = x[i] + 1


@cuda.jit
def far_apart(x, out):
    for i in range(cuda.grid(1), x.size, 2**62):
        out[i] = x[i] + 1


@pytest.mark.parametrize(
    ("kernel", "size", "done"), [(backwards, 1001, 1001), (far_apart, 1001, 96), (far_apart, 9, 9)]
)
def test_loops_by_long_strides_end_where_they_should(kernel, size, done):
    x, out = np.arange(size, dtype=np.float32), np.zeros(size, np.float32)
    run(kernel, 3, 32, x, out, lowering="lanes")
    np.testing.assert_array_equal(out[:done], x[:done] + 1)
    assert not out[done:].any()
