"""Kernels that raise, and handle it themselves: each thread by itself, whatever its neighbours do."""

import numpy as np
from numba import cuda

from three_ways.case import Case


@cuda.jit(device=True)
def even(i):
    if i % 2 == 1:
        raise ValueError
    return i


@cuda.jit
def raising(out):
    i = cuda.grid(1)
    try:
        if i % 3 == 1:
            raise ValueError("one of three")
        out[i] = 1
    except Exception:
        out[i] = 5


@cuda.jit
def dividing(x, out):
    i = cuda.grid(1)
    try:
        out[i] = 100 // int(x[i])
    except:  # noqa: E722
        out[i] = -1


@cuda.jit
def indexing(out):
    i = cuda.grid(1)
    try:
        out[i] = (10, 20, 30)[i % 4]
    except Exception:
        out[i] = -1


@cuda.jit
def calling(out):
    i = cuda.grid(1)
    try:
        out[i] = even(i) + 1
    except Exception:
        out[i] = -1
    else:
        out[i] += 100


@cuda.jit
def in_loops(out):
    i = cuda.grid(1)
    for k in range(i):
        try:
            if k % 3 == 2:
                raise ValueError
            out[i] += k
        except Exception:
            out[i] += 100


@cuda.jit
def one_in_another(out):
    i = cuda.grid(1)
    try:
        try:
            out[i] = even(i)
        except Exception:
            if i % 4 == 1:
                raise IndexError  # noqa: B904 - kernels know no `from`
            out[i] = 3
    except Exception:
        out[i] = 7
    finally:
        out[i] += 20


@cuda.jit
def after_a_barrier(x, out):
    held = cuda.shared.array(32, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    held[t] = x[i]
    cuda.syncthreads()
    try:
        out[i] = 100 // int(held[(t + 1) % 32])
    except Exception:
        out[i] = -1


@cuda.jit
def around_a_barrier(out):
    held = cuda.shared.array(32, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    try:
        held[t] = t
        cuda.syncthreads()
        out[i] = even(held[31 - t])
    except Exception:
        out[i] = -1


NUMBERS = np.arange(64) % 5
CASES = [
    Case(raising, 2, 32, (np.zeros(64, np.int64),)),
    Case(dividing, 2, 32, (NUMBERS, np.zeros(64, np.int64))),
    Case(indexing, 2, 32, (np.zeros(64, np.int64),)),
    Case(calling, 2, 32, (np.zeros(64, np.int64),)),
    Case(in_loops, 2, 16, (np.zeros(32, np.int64),)),
    Case(one_in_another, 2, 32, (np.zeros(64, np.int64),)),
    Case(after_a_barrier, 2, 32, (NUMBERS, np.zeros(64, np.int64))),
    Case(around_a_barrier, 2, 32, (np.zeros(64, np.int64),)),
]
