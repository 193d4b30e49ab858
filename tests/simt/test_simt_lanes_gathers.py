"""Elements that lie anywhere: short ones are gathered with what is around them, and no page beyond is read."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

WIDTHS = [4, 16, 64]
SHORT = [np.int8, np.uint8, np.bool_, np.int16, np.uint16]


@cuda.jit
def gathered(x, places, out):
    i = cuda.grid(1)
    if i < places.size:
        total = 0
        for k in range(2):
            total = total * 1000 + x[places[i] + k]
        out[i] = total


@cuda.jit
def looked_up(x, out):
    i = cuda.grid(1)
    if i < x.size:
        seen = cuda.local.array(6, np.uint8)
        for k in range(6):
            seen[(x[i] + k) % 6] = k
        out[i] = seen[x[i] % 6] * 10 + seen[5]


def some(dtype, size):
    return np.random.default_rng(0).integers(0, 2, size).astype(dtype) if dtype is np.bool_ else numbers(dtype, size)


def numbers(dtype, size):
    about = np.iinfo(dtype)
    return np.random.default_rng(0).integers(about.min, about.max, size).astype(dtype)


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("first", [0, 1, 3])
def test_short_elements_are_gathered_wherever_they_lie(dtype, width, first):
    x = some(dtype, 203)[first:]
    places = np.random.default_rng(1).integers(0, x.size - 1, 150)
    run(gathered, 3, 64, x, places, out := np.zeros(150, np.int64), lowering="lanes", width=width)
    np.testing.assert_array_equal(out, x[places].astype(int) * 1000 + x[places + 1])


def test_elements_that_lie_across_words_are_gathered():
    record = np.dtype([("odd", "u1"), ("x", "<i2")])
    x = np.zeros(90, record)
    x["x"] = numbers(np.int16, 90)
    places = np.random.default_rng(1).integers(0, 89, 64)
    run(gathered, 1, 64, x["x"], places, out := np.zeros(64, np.int64), lowering="lanes")
    np.testing.assert_array_equal(out, x["x"][places].astype(int) * 1000 + x["x"][places + 1])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is taken away by Linux's mprotect")
@pytest.mark.parametrize("dtype", SHORT)
def test_no_byte_beyond_the_last_page_is_read(dtype):
    page = mmap.PAGESIZE
    with mmap.mmap(-1, 2 * page) as memory:
        whole = np.frombuffer(memory, np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        beyond = ctypes.c_void_p(whole.ctypes.data + page)
        assert libc.mprotect(beyond, ctypes.c_size_t(page), 0) == 0
        x = whole[:page].view(dtype)[-37:]
        x[:] = some(dtype, 37)
        places = np.arange(64) % 36
        run(gathered, 1, 64, x, places, out := np.zeros(64, np.int64), lowering="lanes")
        np.testing.assert_array_equal(out, x[places].astype(int) * 1000 + x[places + 1])
        assert libc.mprotect(beyond, ctypes.c_size_t(page), mmap.PROT_READ | mmap.PROT_WRITE) == 0
        del x, whole


@pytest.mark.parametrize("width", WIDTHS)
def test_short_elements_of_a_threads_own_array_are_gathered(width):
    x = np.arange(100, dtype=np.int32)
    run(looked_up, 2, 64, x, out := np.zeros(100, np.int32), lowering="lanes", width=width)
    np.testing.assert_array_equal(out, (5 - x % 6) % 6)
