"""Subscripts outside of an array's shape: in the drop-in they end their thread, as on a GPU without debug."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.errors import KernelFault

pytestmark = pytest.mark.usefixtures("untraced")

WAYS = (("loop", None), ("lanes", 8), ("lanes", 16), ("fibers", None))
THREADS = 24


@cuda.jit
def extents(x, which, out):
    i = cuda.grid(1)
    out[i] = -1
    if which[i] > -9:
        out[i] = x.shape[which[i]] + x.strides[-which[i] - 1]
    elif which[i] == -9:
        out[i] = x.shape[which[i] + 8] if i % 2 else 7
    out[i] += 100


@cuda.jit
def in_loops(x, which, out):
    i = cuda.grid(1)
    for axis in range(which[i], 5):
        out[i] += x.shape[axis]
    out[i] += 100


@cuda.jit
def on_a_condition(x, which, out):
    i = cuda.grid(1)
    out[i] = (which[i] < 2 and x.shape[which[i]] == 3) or x.shape[which[i]] == 4


@cuda.jit
def before_a_barrier(x, which, out):
    held = cuda.shared.array(THREADS, np.int64)
    i = cuda.threadIdx.x
    held[i] = x.shape[which[i]]
    cuda.syncthreads()
    out[i] = held[(i + 1) % THREADS] if -3 < which[(i + 1) % THREADS] < 2 else 0


X = np.zeros((3, 4))
WHICH = np.array([0, 1, 2, -1, -2, -3, 5, -9, -10, 1, 0, 7] * 2)


def shape_at(k):
    return X.shape[k] if -2 <= k < 2 else None


def extents_reference(out):
    for i, k in enumerate(WHICH):
        out[i] = -1
        if k > -9:
            if shape_at(k) is None or shape_at(-k - 1) is None:
                continue
            out[i] = X.shape[k] + X.strides[-k - 1]
        elif k == -9:
            out[i] = X.shape[k + 8] if i % 2 else 7
        out[i] += 100


def in_loops_reference(out):
    for i, k in enumerate(WHICH):
        for axis in range(k, 5):
            if shape_at(axis) is None:
                break
            out[i] += X.shape[axis]
        else:
            out[i] += 100


def before_a_barrier_reference(out):
    for i, k in enumerate(WHICH):
        following = WHICH[(i + 1) % THREADS]
        if shape_at(k) is not None:
            out[i] = shape_at(following) or 0  # what a thread that ended leaves in shared memory is not looked at


@pytest.mark.parametrize(("lowering", "width"), WAYS)
@pytest.mark.parametrize(
    ("kernel", "reference"),
    [(extents, extents_reference), (in_loops, in_loops_reference), (before_a_barrier, before_a_barrier_reference)],
    ids=["extents", "in loops", "before a barrier"],
)
def test_threads_end_and_others_go_on(kernel, reference, lowering, width):
    if kernel is before_a_barrier and lowering == "loop":
        lowering = None
    out, wanted = np.zeros(THREADS, np.int64), np.zeros(THREADS, np.int64)
    reference(wanted)
    run(kernel, 1, THREADS, X, WHICH, out, lowering=lowering, width=width, ends_threads=True)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize(("lowering", "width"), WAYS)
@pytest.mark.parametrize(("kernel", "ends"), [(extents, False), (on_a_condition, True)])
def test_elsewhere_it_is_an_error(kernel, ends, lowering, width):
    with pytest.raises(KernelFault, match="tuple index out of range"):
        run(kernel, 1, THREADS, X, WHICH, np.zeros(THREADS), lowering=lowering, width=width, ends_threads=ends)


def test_under_debug_it_is_an_error():
    with pytest.raises(KernelFault, match="tuple index out of range"):
        run(extents, 1, THREADS, X, WHICH, np.zeros(THREADS), ends_threads=True, debug=True)
