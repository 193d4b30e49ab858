"""`alignment=` of shared and local arrays: addresses are multiples of it in every lowering, and no other is taken."""

import numba
import numpy as np
import pytest
from numba import cuda
from numba.cuda import cg
from simt_launching import run

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt import Kernel
from rkruntime.simt._sizes import WrongAlignment

pytestmark = pytest.mark.usefixtures("untraced")

ALIGNMENTS = (8, 256, 1024)
DTYPES = (numba.uint8, numba.float64, numba.complex64)


def static(dtype, alignment):
    @cuda.jit
    def kernel(out):
        unlike = cuda.shared.array(3, numba.uint8)
        tile = cuda.shared.array((5, 2), dtype, alignment=alignment)
        t = cuda.threadIdx.x
        unlike[t % 3] = t
        tile[t % 5, 1] = t
        cuda.syncthreads()
        out[cuda.blockIdx.x] = tile.ctypes.data

    return kernel


def dynamic(dtype, alignment):
    @cuda.jit
    def kernel(out):
        tile = cuda.shared.array(0, dtype, alignment=alignment)
        t = cuda.threadIdx.x
        tile[t % 5] = t
        cuda.syncthreads()
        out[cuda.blockIdx.x] = tile.ctypes.data

    return kernel


def own(dtype, alignment):
    @cuda.jit
    def kernel(out):
        unlike = cuda.local.array(3, numba.uint8)
        mine = cuda.local.array(5, dtype, alignment=alignment)
        t = cuda.threadIdx.x
        unlike[t % 3] = t
        mine[t % 5] = unlike[t % 3]
        cuda.syncthreads()
        out[cuda.grid(1)] = mine.ctypes.data

    return kernel


def own_without_barrier(dtype, alignment):
    @cuda.jit
    def kernel(out):
        mine = cuda.local.array(5, dtype, alignment=alignment)
        i = cuda.grid(1)
        mine[i % 5] = i
        out[i] = mine.ctypes.data

    return kernel


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("made", "lowering"),
    [
        (static, "lanes"),
        (static, "fibers"),
        (dynamic, "lanes"),
        (dynamic, "fibers"),
        (own, "fibers"),
        (own_without_barrier, "loop"),
    ],
)
def test_addresses_are_multiples(made, lowering, dtype, alignment):
    out = np.full(96, 1, np.uint64)
    special = run(made(dtype, alignment), 3, 32, out, shared=200, lowering=lowering)
    assert special.lowering == lowering
    written = out[out != 1]
    assert written.size >= 3
    assert not (written % alignment).any()


def test_blocks_that_wait_for_one_another_have_aligned_memory_each():
    @cuda.jit
    def kernel(out):
        tile = cuda.shared.array(4, numba.uint8, alignment=1024)
        rest = cuda.shared.array(0, numba.uint8, alignment=1024)
        tile[0] = rest[0] = 1
        cg.this_grid().sync()
        out[cuda.blockIdx.x, 0] = tile.ctypes.data
        out[cuda.blockIdx.x, 1] = rest.ctypes.data

    out = np.ones((3, 2), np.uint64)
    run(kernel, 3, 2, out, shared=200)
    assert np.unique(out).size == out.size
    assert not (out % 1024).any()


@cuda.jit
def aligned_sums(x, out):
    tile = cuda.shared.array(33, numba.int16, alignment=512)
    mine = cuda.local.array(2, numba.int32, alignment=128)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    tile[t] = x[i]
    mine[0], mine[1] = t, i
    cuda.syncthreads()
    if t % 3 != 1:
        out[i] = tile[(t + 1) % 33] + mine[0] * mine[1]


@pytest.mark.parametrize("lowering", ["lanes", "fibers"])
def test_what_is_read_and_written_is_the_same(lowering):
    x, out, wanted = np.arange(66, dtype=np.int16), np.zeros(66, np.int64), np.zeros(66, np.int64)
    run(aligned_sums, 2, 33, x, out, lowering=lowering)
    i = np.arange(66)
    wanted = np.where(i % 33 % 3 != 1, x.reshape(2, 33)[:, np.roll(np.arange(33), -1)].ravel() + i % 33 * i, 0)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("alignment", [-1, 0, 3, 4, 17, 24, 2048])
@pytest.mark.parametrize("made", [static, own])
def test_a_wrong_number_is_a_value_error_too_as_with_numba_cuda(made, alignment):
    with pytest.raises(WrongAlignment, match=rf"alignment={alignment}\b[\s\S]*Alignment must be") as caught:
        Kernel(made(numba.uint8, alignment)).specialize([np.zeros(4, np.uint64)])
    assert isinstance(caught.value, ValueError)
    assert caught.value.line > 0


@pytest.mark.parametrize("alignment", ["16", 16.0, True, (16,)])
def test_what_is_no_whole_number_is_refused(alignment):
    with pytest.raises(UnsupportedKernel, match="Alignment must be a constant"):
        Kernel(static(numba.uint8, alignment)).specialize([np.zeros(4, np.uint64)])
