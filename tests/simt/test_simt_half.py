"""float16: numba's CPU target has none, so its arithmetic and conversions are held to NumPy's, bit for bit."""

import importlib
import math

import numpy as np
import pytest
from numba import cuda
from numba.core.imputils import builtin_registry
from simt_launching import blocks_for, run

from rkruntime import simt
from rkruntime.simt._short_types import short_floats_in
from rkruntime.simt.lanes import LanesRefused


@cuda.jit
def arithmetic(x, y, doubles, whole, scalar, out, single):
    t = cuda.grid(1)
    if t < x.size:
        a, b = x[t], y[t]
        out[t, 0] = a + b
        out[t, 1] = a - b
        out[t, 2] = a * b
        out[t, 3] = a / b if b != 0 else np.float16(7)
        out[t, 4] = -a
        out[t, 5] = (a + b) + a
        out[t, 6] = doubles[t]
        out[t, 7] = whole[t]
        out[t, 8] = np.float16(1.5) + scalar
        out[t, 9] = a + np.float32(0.1)
        out[t, 10] = math.sqrt(b) if b > 0 else b
        out[t, 11] = 1 if a < b else 0
        out[t, 12], out[t, 13] = min(a, b), max(a, scalar)
        out[t, 14] = float(a) + scalar
        single[t] = a


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(1)
    x = np.arange(65536).astype(np.uint16).view(np.float16)[::17].copy()
    halfway = [65519.999, 65520, 2.0**-25, 2.0**-25 * 1.0000001, 1 + 2.0**-11, 1 + 2.0**-11 + 2.0**-40, 6.2e-8, -7e-8]
    wide = random.standard_normal(x.size - 8) * 10.0 ** random.integers(-9, 6, x.size - 8)
    return x, random.permutation(x), np.concatenate([wide, halfway]), random.integers(-70000, 70000, x.size)


@pytest.mark.parametrize("lowering", ["loop", "lanes"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arithmetic_rounds_as_numpy_does(samples, lowering):
    x, y, doubles, whole = samples
    out, single = np.zeros((x.size, 15), np.float16), np.zeros(x.size, np.float32)
    args = (x, y, doubles, whole, np.float16(2.25), out, single)
    try:
        run(arithmetic, blocks_for(x.size, 64), 64, *args, lowering=lowering)
    except LanesRefused as refused:
        pytest.skip(str(refused))
    wanted = [
        x + y,
        x - y,
        x * y,
        np.where(y != 0, x / y, np.float16(7)),
        -x,
        (x + y) + x,
        doubles,
        whole,
        np.full(x.size, 3.75),
        x + np.float32(0.1),
        np.where(y > 0, np.sqrt(y), y),
        x < y,
        np.where(y < x, y, x),
        np.where(np.float16(2.25) > x, np.float16(2.25), x),
        x + np.float16(2.25),
    ]
    for k, one in enumerate(wanted):
        np.testing.assert_array_equal(out[:, k], np.asarray(one).astype(np.float16), err_msg=str(k))
    np.testing.assert_array_equal(single, x)


@cuda.jit
def functions(x, y, out, flags, whole):
    t = cuda.grid(1)
    if t < x.size:
        a, b = x[t], y[t]
        out[t, 0] = cuda.fp16.hadd(a, b)
        out[t, 1] = cuda.fp16.hfma(a, b, np.float16(1))
        out[t, 2] = cuda.fp16.hmax(a, b)
        out[t, 3] = cuda.fp16.hsin(a)
        out[t, 4] = cuda.fp16.hrsqrt(a)
        out[t, 5] = cuda.fp16.hrint(a)
        out[t, 6] = cuda.fp16.habs(cuda.fp16.hneg(a))
        out[t, 7] = cuda.fp16.hexp2(cuda.fp16.hmin(a, np.float16(4)))
        flags[t, 0] = cuda.fp16.hgt(a, b)
        flags[t, 1] = cuda.fp16.heq(a, b)
        flags[t, 2] = cuda.fp16.hne(a, b)
        whole[t] = int(cuda.fp16.hfloor(a))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_fp16():
    x = np.array([0.5, 2.5, 1.0, 3.75, np.nan, 100.0, 0.001], np.float16)
    y = np.array([0.5, 1.0, np.nan, 4.0, 1.0, -3.0, 0.002], np.float16)
    out, flags, whole = np.zeros((7, 8), np.float16), np.zeros((7, 3), bool), np.zeros(7, np.int64)
    run(functions, 1, 8, x, y, out, flags, whole)
    a, b = x.astype(float), y.astype(float)
    wanted = [a + b, a * b + 1, np.fmax(a, b), np.sin(a), 1 / np.sqrt(a), np.rint(a), abs(a), np.exp2(np.fmin(a, 4))]
    for k, one in enumerate(wanted):
        np.testing.assert_array_equal(out[:, k], one.astype(np.float16), err_msg=str(k))
    np.testing.assert_array_equal(flags.T, [a > b, a == b, (a < b) | (a > b)])
    np.testing.assert_array_equal(whole[:4], np.floor(a[:4]))


@cuda.jit
def whole_parts(x, out):
    t = cuda.grid(1)
    if t < x.size:
        out[t, 0], out[t, 1], out[t, 2] = math.floor(x[t]), math.ceil(x[t]), math.trunc(x[t])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_whole_parts_keep_the_type_of_the_number(dtype):
    x = np.array([1.5, -1.5, 4000.5, 1e4 if dtype is np.float16 else 1e10], dtype)
    out = np.zeros((x.size, 3), dtype)
    run(whole_parts, 1, 4, x, out)
    np.testing.assert_array_equal(out.T, [np.floor(x), np.ceil(x), np.trunc(x)])


TABLE, SCALAR = np.array([1.5, 2.5], np.float16), np.float16(0.5)
FIELDS = np.dtype([("weight", np.float16), ("count", np.int32)])


@cuda.jit(device=True)
def from_table(i):
    return TABLE[i]


@cuda.jit
def of_a_table(out):
    out[0] = from_table(1)


@cuda.jit
def of_a_number(out):
    out[0] = SCALAR + 1


@cuda.jit
def of_a_record(out):
    cuda.local.array(2, FIELDS)[0].weight = out[0]


@cuda.jit
def of_a_string(out):
    cuda.local.array(2, "float16")[0] = out[0]


@cuda.jit
def of_none(out):
    out[0] = 1.5  # no float16


@pytest.mark.parametrize("kernel", [of_a_table, of_a_number, of_a_record, of_a_string, of_none])
def test_what_names_float16_asks_for_it(kernel):
    """In a process without it, numba would not compile these."""
    wanted = [] if kernel is of_none else ["rkruntime.simt._half"]
    assert list(short_floats_in("array(float64, 1d, C)", simt.Kernel(kernel).program)) == wanted


def test_numba_cuda_compiles_short_floats_as_before() -> None:
    """What other packages put into numba's own registry numba-cuda takes for GPUs, too."""
    for module in ("_half", "_bfloat"):
        importlib.import_module(f"rkruntime.simt.{module}")
    taken = [*builtin_registry.functions, *builtin_registry.casts, *builtin_registry.constants]
    assert taken
    assert [one for one in taken if one[0].__module__ == "rkruntime.simt._short_floats"] == []
