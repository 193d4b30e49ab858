"""Atomics of every kind and width, on global and shared memory.

What they return depends on the order of threads; so it is summed up, where the sum does not.
"""

import numpy as np
from numba import cuda

from three_ways.case import Case


def sums(kind):
    @cuda.jit
    def sums_and_bounds(x, out, olds):
        i = cuda.grid(1)
        cuda.atomic.add(olds, 0, cuda.atomic.add(out, 0, 1))
        cuda.atomic.add(out, 1, x[i])
        cuda.atomic.sub(out, 2, x[i])
        cuda.atomic.max(out, 3, x[i])
        cuda.atomic.min(out, 4, x[i])
        cuda.atomic.nanmax(out, 5, x[i])
        cuda.atomic.nanmin(out, 6, x[i])

    start = np.array([0, 0, 100_000, 5, 5, 7, 7], kind)
    return Case(sums_and_bounds, 2, 16, (np.arange(32).astype(kind), start, np.zeros(1, kind)))


def bits(kind):
    @cuda.jit
    def bits_and_exchanges(x, out):
        i = cuda.grid(1)
        cuda.atomic.and_(out, 0, ~x[i])
        cuda.atomic.or_(out, 1, x[i])
        cuda.atomic.xor(out, 2, x[i])
        cuda.atomic.cas(out, 3, 7, 99)
        cuda.atomic.cas(out, 4, 8, 98)
        if i == 3:
            out[5] = cuda.atomic.exch(out, 6, 42)
            out[7] = cuda.atomic.compare_and_swap(out[8:], 5, 6)

    start = np.array([127, 0, 5, 7, 7, 0, 3, 0, 5], kind)
    return Case(bits_and_exchanges, 2, 8, (np.arange(16).astype(kind), start))


@cuda.jit
def turning(out, olds):
    cuda.atomic.add(olds, 0, cuda.atomic.inc(out, 0, 4))
    cuda.atomic.add(olds, 1, cuda.atomic.dec(out, 1, 4))


@cuda.jit
def counting_in_shared_memory(x, out):
    counts = cuda.shared.array(4, np.int32)
    largest = cuda.shared.array(1, np.float64)
    t = cuda.threadIdx.x
    if t < 4:
        counts[t] = 0
        largest[0] = -1
    cuda.syncthreads()
    cuda.atomic.add(counts, x[cuda.grid(1)] % 4, 1)
    cuda.atomic.max(largest, 0, x[cuda.grid(1)] / 2)
    cuda.syncthreads()
    if t < 4:
        cuda.atomic.add(out, t, counts[t] + largest[0])


@cuda.jit
def on_views(table, complexes, steps):
    i = cuda.grid(1)
    cuda.atomic.add(table, (i % 2, 1), 1.5)
    cuda.atomic.max(table[1:], (1, i % 4), i)
    cuda.atomic.sub(table[0][::2], 1, 2)
    cuda.atomic.add(complexes.real, 0, i)
    cuda.atomic.add(complexes.imag, 0, 1)
    cuda.atomic.min(steps[::2], i % 3, -i)


@cuda.jit
def with_nan(x, out):
    i = cuda.grid(1)
    cuda.atomic.nanmax(out, 0, x[i])
    cuda.atomic.nanmin(out, 1, x[i])


RECORD = np.dtype([("x", "f4"), ("y", "i8")], align=True)


@cuda.jit
def on_fields(records):
    i = cuda.grid(1)
    cuda.atomic.add(records["x"], i % 2, 1.0)
    cuda.atomic.max(records["y"], i % 2, i)


def on_fields_reference(records):
    records["x"] += 8
    records["y"] = 14, 15


CASES = [
    *map(sums, (np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64)),
    *map(bits, (np.int32, np.uint32, np.int64, np.uint64)),
    Case(turning, 2, 8, (np.array([3, 2], np.uint32), np.zeros(2, np.uint32))),
    Case(turning, 2, 8, (np.array([0, 9], np.uint64), np.zeros(2, np.uint64))),
    Case(counting_in_shared_memory, 2, 16, (np.arange(32) * 5 % 23, np.zeros(4))),
    Case(on_views, 2, 8, (np.zeros((3, 4)), np.zeros(1, complex), np.zeros(6, np.int64))),
    Case(with_nan, 1, 8, (np.array([np.nan, 3, -2, 5, np.nan, 0, 1, 2]), np.array([1.0, 1.0]))),
    Case(
        on_fields,
        2,
        8,
        (np.zeros(2, RECORD),),
        instead=on_fields_reference,
        why="the simulator has no atomics on fields of records",
    ),
]
