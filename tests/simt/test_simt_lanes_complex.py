"""Complex numbers on lanes of several widths, as two vectors, against loops and fibers, and against NumPy."""

import cmath
import math

import numpy as np
import pytest
from numba import cuda
from simt_launching import blocks_for, run
from test_simt_lanes_together import WIDTHS, agrees

from rkruntime import simt
from rkruntime.errors import KernelFault
from rkruntime.simt._registers import register_bytes

pytestmark = pytest.mark.usefixtures("untraced")

SIZE = 203


def made(dtype, seed=0):
    random = np.random.default_rng(seed)
    return (random.normal(size=SIZE) + 1j * random.normal(size=SIZE)).astype(dtype)


@cuda.jit
def operators(x, y, out, truths):
    i = cuda.grid(1)
    if i < x.size:
        z, w = x[i], y[i]
        for k in range(1):
            out[i, 0] = z + w
            out[i, 1] = z - w * 2
            out[i, 2] = z * w
            out[i, 3] = z / w
            out[i, 4] = -z + 1
            out[i, 5] = z**2 * k
            out[i, 6] = complex(abs(z), w.imag)
            out[i, 7] = complex(z.real, i)
            out[i, 8] = z.conjugate() + cmath.exp(w)
            out[i, 9] = 1 / w if i % 3 == 0 else z
            z += w
            z *= z
            out[i, 10] = +z
            out[i, 11] = i
        truths[i] = (z == w) + 2 * (x[i] == x[i]) + 4 * (z != w)


def operators_reference(x, y, out, truths):
    i = np.arange(SIZE)
    total = (x + y) * (x + y)
    rows = [x + y, x - y * 2, x * y, x / y, 1 - x, x * 0, abs(x) + 1j * y.imag, x.real + 1j * i, x.conj() + np.exp(y)]
    out[:] = np.array([*rows, np.where(i % 3 == 0, 1 / y, x), total, i]).T
    truths[:] = 2 + 4


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_operators(width, dtype):
    args = [made(dtype), made(dtype, 1), np.zeros((SIZE, 12), dtype), np.zeros(SIZE, np.int64)]
    by_loop = [one.copy() for one in args]
    wanted = [one.copy() for one in args]
    run(operators, blocks_for(SIZE, 64), 64, *args, lowering="lanes", width=width)
    run(operators, blocks_for(SIZE, 64), 64, *by_loop, lowering="loop")
    operators_reference(*wanted)
    for got, loop, one in zip(args, by_loop, wanted, strict=True):
        np.testing.assert_allclose(got, loop, rtol=1e-6 if dtype == "c8" else 1e-15)
        np.testing.assert_allclose(got, one, rtol=2e-6 if dtype == "c8" else 1e-14)


@cuda.jit
def escaping(corners, steps, out):
    row, column = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        c = corners[0] + complex(row * steps[0], column * steps[1])
        z, turns = 0j, 0
        while abs(z) <= 2 and turns < 50:
            z = z * z + c
            turns += 1
        if turns == 50:
            out[row, column] = z
        else:
            out[row, column] = turns


@pytest.mark.parametrize("width", WIDTHS)
def test_loops_that_end_when_their_own_numbers_say(width):
    corners, steps = np.array([-2 - 1.5j]), np.array([3 / 20, 3 / 30])
    results = []
    for lowering in ("loop", "lanes"):
        out = np.zeros((20, 30), complex)
        run(
            escaping,
            (2, 4),
            (16, 8),
            corners,
            steps,
            out,
            lowering=lowering,
            width=width if lowering == "lanes" else None,
        )
        results.append(out)
    np.testing.assert_allclose(*results, rtol=1e-9)
    assert len(set(results[0].ravel())) > 100


@cuda.jit
def anywhere(x, where, fortran, strided, out):
    i = cuda.grid(1)
    if i < where.size:
        total = x[where[i]]
        for k in range(3):
            total += x[i - k] * x[(where[i] + k) % x.size]
            fortran[where[i], k] = total
            if where[i] % 2:
                strided[i, 2 - k] = total.imag
            strided[where[i], 3 + k] = total
        out[i] = total


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_elements_anywhere(width, dtype):
    where = np.random.default_rng(2).permutation(SIZE)
    results = []
    for lowering, lanes in (("loop", None), ("lanes", width)):
        fortran, strided = np.zeros((SIZE, 3), dtype, "F"), np.zeros((2 * SIZE, 12), dtype)[::2, ::-2]
        x = np.stack([made(dtype), np.zeros(SIZE)], 1).astype(dtype)[:, 0]
        out = np.zeros(SIZE, dtype)
        run(anywhere, blocks_for(SIZE, 40), 40, x, where, fortran, strided, out, lowering=lowering, width=lanes)
        results.append((fortran, strided, out))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6 if dtype == "c8" else 1e-14)
        assert np.count_nonzero(one) > SIZE / 2


@cuda.jit
def together(x, out):
    shared = cuda.shared.array(40, np.complex128)
    mine = cuda.local.array((2, 3), np.complex64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    z, turned = x[i], 1 + 0j
    for k in range(3):
        mine[0, k] = k * z
        mine[1, k] = 1j
    shared[t] = z
    for k in range(4):
        cuda.syncthreads()
        if z.real > 0:
            z += shared[(t + k) % cuda.blockDim.x]
            mine[k % 2, t % 3] += k
        turned *= 1j
        cuda.syncthreads()
        shared[t] = z * turned
    cuda.syncthreads()
    out[i] = z + shared[0] - shared[-1] + mine[0, t % 3] * 2 + mine[1, 1] + turned


@pytest.mark.parametrize("block", [40, (5, 3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_they_outlive_barriers_and_lie_in_every_memory(width, block):
    x = np.round(made("c16")[:80] * 8)
    agrees(together, 2 if block == 40 else (2, 1), block, x, np.zeros(80, "c16"), width=width)


@cuda.jit
def divided(x, out):
    i = cuda.grid(1)
    for k in range(2):
        out[i] = 1 / x[i] + k


def test_a_division_by_zero_names_the_thread():
    x = made("c16")[:64].copy()
    x[45] = 0
    with pytest.raises(KernelFault, match="division") as failed:
        run(divided, 2, 32, x, np.zeros(64, complex), lowering="lanes")
    assert (failed.value.block, failed.value.thread) == ((1, 0, 0), (13, 0, 0))


@cuda.jit
def lengths(x, y, of_pairs, of_numbers):
    i = cuda.grid(1)
    for _ in range(1):
        of_pairs[i] = math.hypot(x[i], y[i])
        of_numbers[i] = abs(complex(x[i], y[i]))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("width", WIDTHS)
def test_lengths_are_within_one_unit_in_the_last_place(width, dtype):
    random = np.random.default_rng(5)
    least, most = (-149, 127) if dtype == "f4" else (-1074, 1023)
    x, y = (np.ldexp(random.normal(size=4096), random.integers(least, most, 4096)).astype(dtype) for _ in range(2))
    y[::2] = x[::2] * random.normal(size=2048).astype(dtype)
    special = [0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal, 1]
    x[:64], y[:64] = np.repeat(special, 8), np.tile(special, 8)
    out = np.zeros(4096, dtype), np.zeros(4096)
    run(lengths, 32, 128, x, y, *out, lowering="lanes", width=width)
    with np.errstate(all="ignore"):
        wide = np.hypot(x.astype(np.longdouble), y.astype(np.longdouble))
        wanted = wide.astype(dtype)
        unit = np.spacing(np.where(np.isfinite(wanted), wanted, 1))
        for got in (out[0], out[1].astype(dtype)):
            same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
            assert (same | (abs(got - wide) <= unit)).all()


@cuda.jit
def exponentials(x, out):
    i = cuda.grid(1)
    for k in range(1):
        out[i] = cmath.exp(x[i] * (k + 1))


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_exponentials_of_all_kinds_of_numbers(width, dtype):
    odd = [0, -0.0, np.inf, -np.inf, np.nan, 1, -2]
    x = np.zeros(64 + SIZE // 64 * 64, dtype)
    x.real[:49], x.imag[:49] = np.repeat(odd, 7), np.tile(odd, 7)
    x[64:] = 3 * made(dtype)[: x.size - 64]
    out = np.zeros_like(x)
    run(exponentials, x.size // 64, 64, x, out, lowering="lanes", width=width)
    with np.errstate(all="ignore"):
        wanted = np.exp(x)
    for got, one in ((out.real, wanted.real), (out.imag, wanted.imag)):
        finite = np.isfinite(x)
        np.testing.assert_allclose(got[finite], one[finite], rtol=1e-5 if dtype == "c8" else 1e-13)
    by_loop = np.zeros_like(x)
    run(exponentials, x.size // 64, 64, x, by_loop, lowering="loop")
    np.testing.assert_array_equal(out[~np.isfinite(x)], by_loop[~np.isfinite(x)])


@cuda.jit
def roots(x, out):
    i = cuda.grid(1)
    for k in range(2):
        out[i] += cmath.sqrt(x[i] + k)


@cuda.jit
def conjugates(x, out):
    i = cuda.grid(1)
    for k in range(2):
        out[i] += (x[i] + k).conjugate()


@pytest.mark.parametrize(("kernel", "function"), [(roots, np.sqrt), (conjugates, np.conj)])
def test_functions_without_a_form_for_vectors_are_left_to_loops(kernel, function):
    x, out = made("c16")[:64], np.zeros(64, complex)
    assert run(kernel, 2, 32, x, out).lowering == "loop"
    np.testing.assert_allclose(out, function(x) + function(x + 1), rtol=1e-14)


def test_kernels_that_loop_take_lanes():
    args = (np.zeros(1, np.complex64), np.zeros(1), np.zeros((2, 2), np.complex64))
    assert simt.Kernel(escaping).specialize(args).lowering == "lanes"
    args = (np.zeros(1, complex), np.zeros(1), np.zeros((2, 2), complex))
    wide = register_bytes() >= 64  # else a register has two of these numbers, and threads wait for the slowest
    assert simt.Kernel(escaping).specialize(args).lowering == ("lanes" if wide else "loop")
