"""Debug mode: every subscript and atomic that is out of bounds names index, axis, size, line, block and thread."""

from collections import namedtuple

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.errors import KernelFault

Pair = namedtuple("Pair", "a b")


@cuda.jit(device=True)
def all_but_the_first(x):
    return x[1:]


@cuda.jit(device=True)
def same(i):
    return i


@cuda.jit
def watched(x, pair, square, whole, which):
    i = cuda.threadIdx.x
    if which == 0:
        pair.a[i] = 1
    elif which == 1:
        square[0][i] = 1
    elif which == 2:
        x[0] = square.T[i, 0]
    elif which == 3:
        x[4] = 1
    elif which == 4:
        x[-5] += 1
    elif which == 5:
        x[0] = all_but_the_first(x)[i]
    elif which == 6:
        all_but_the_first(x)[i] = 1
    elif which == 7:
        x[0] = all_but_the_first(x)[same(i)]
    elif which == 8:
        square[1:, i] = 1
    elif which == 9:
        square[i, :] = 1
    elif which == 10:
        cuda.atomic.add(all_but_the_first(x), i, 1)
    elif which == 11:
        cuda.atomic.add(all_but_the_first(x), same(i), 1)
    elif which == 12:
        cuda.atomic.cas(all_but_the_first(whole), same(i), 0, 1)
    elif which == 13:
        cuda.atomic.compare_and_swap(whole[4:], 0, 1)
    elif which == 14:
        square[0, 4] = 1
    elif which == 15:
        square[..., i] = 1
    elif which == 16:
        square[i, ...] = 1
    elif which == 17:
        x[0] = square[None, i, 1:][0, 0]
    else:
        x[0] = pair[0][0] + pair[-1] + square.shape[0] + square[..., 3][0] + all_but_the_first(x)[-3]


WRONG = {  # branch: what is named, and the thread
    0: ("index 4 is out of bounds for axis 0, which has size 4", 4),
    1: ("index 4 is out of bounds for axis 0, which has size 4", 4),
    2: ("index 4 is out of bounds for axis 0, which has size 4", 4),
    3: ("index 4 is out of bounds for axis 0, which has size 4", 0),
    4: ("index -5 is out of bounds for axis 0, which has size 4", 0),
    5: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    6: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    7: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    8: ("index 4 is out of bounds for axis 1, which has size 4", 4),
    9: ("index 2 is out of bounds for axis 0, which has size 2", 2),
    10: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    11: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    12: ("index 3 is out of bounds for axis 0, which has size 3", 3),
    13: ("index 0 is out of bounds for axis 0, which has size 0", 0),
    14: ("index 4 is out of bounds for axis 1, which has size 4", 0),
    15: ("index 4 is out of bounds for axis 1, which has size 4", 4),
    16: ("index 2 is out of bounds for axis 0, which has size 2", 2),
    17: ("index 2 is out of bounds for axis 0, which has size 2", 2),
}


@pytest.mark.parametrize("lowering", ["loop", "fibers"])
def test_what_is_out_of_bounds_is_named_wherever_the_array_comes_from(lowering):
    first = watched.py_func.__code__.co_firstlineno + 4
    for which, (what, thread) in WRONG.items():
        square = np.zeros((2, 5))[:, :4] if which != 2 else np.zeros((4, 4))
        whole = np.zeros(4, np.int64)
        args = np.zeros(5)[:4], Pair(np.zeros(5)[:4], 2.0), square, whole, which
        with pytest.raises(KernelFault) as caught:
            run(watched, 1, 5, *args, lowering=lowering, debug=True)
        fault = caught.value
        assert (which, fault.what) == (which, what)
        assert (fault.thread, fault.block, fault.line) == ((thread, 0, 0), (0, 0, 0), first + 2 * which)
    args = np.zeros(5)[:4], Pair(np.ones(4), 2.0), np.zeros((2, 5))[:, :4], whole, 18
    run(watched, 1, 5, *args, lowering=lowering, debug=True)
    assert args[0][0] == 5
