"""What lanes compute together, and what they do one after the other: functions of numbers, and whose numbers change."""

import cmath
import math

import numpy as np
import pytest
from numba import cuda
from numba.core import config
from simt_launching import run

from rkruntime.simt.lanes._values import LaneValues

WIDTHS = [4, 16, 64]


@cuda.jit
def together(x, n, out, counts):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i, 0], out[i, 1], out[i, 2] = math.floor(v), math.ceil(v), math.trunc(v)
        out[i, 3], out[i, 4], out[i, 5] = np.floor(v), np.rint(v), math.copysign(v, -v)
        out[i, 6], out[i, 7], out[i, 8] = np.sqrt(np.fabs(v)), abs(v), np.exp(-abs(v))
        counts[i, 0], counts[i, 1], counts[i, 2] = math.isnan(v), math.isinf(v), math.isfinite(v)
        counts[i, 3], counts[i, 4], counts[i, 5] = cuda.popc(n[i]), cuda.clz(n[i]), cuda.ffs(n[i])
        counts[i, 6], counts[i, 7] = abs(n[i]), cuda.brev(n[i])


@cuda.jit
def in_turn(x, z, out, finite):
    i = cuda.grid(1)
    if i < x.size:
        v, is_finite = x[i], i % 5 == 0
        if x[i] > 0:
            v = math.tanh(v)
            is_finite = cmath.isfinite(z[i])
        if i % 3 == 0:
            v = math.erf(v)
        out[i], finite[i] = v, is_finite


@pytest.fixture
def one_by_one(monkeypatch):
    """Lines of which lanes do something one after the other, in kernels that are compiled for them."""
    found, emit = [], LaneValues._for_each_lane

    def noting(lower, what):
        found.append(lower.loc.line)
        emit(lower, what)

    monkeypatch.setattr(LaneValues, "_for_each_lane", noting)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_numbers_are_computed_for_all_lanes_at_once(one_by_one, dtype):
    x = np.random.default_rng(0).normal(size=100).astype(dtype) * 10
    x[:8] = -0.0, 0.5, 1.5, -2.5, np.inf, -np.inf, np.nan, 3
    n = np.random.default_rng(1).integers(-(2**31), 2**31, 100).astype(np.int32)
    n[:3] = 0, -1, 1
    run(
        together,
        2,
        64,
        x,
        n,
        out := np.zeros((100, 9), dtype),
        counts := np.zeros((100, 8), np.int64),
        lowering="lanes",
    )
    assert one_by_one == []
    real = [np.floor(x), np.ceil(x), np.trunc(x), np.floor(x), np.rint(x), np.copysign(x, -x)]
    size = np.abs(x)
    np.testing.assert_array_equal(out[:, :8], np.stack([*real, np.sqrt(size), size], 1))
    np.testing.assert_allclose(out[:, 8], np.exp(-size), rtol=4 * np.finfo(dtype).eps)
    bits = [f"{one & 0xFFFFFFFF:032b}" for one in n.tolist()]
    lowest = [one[::-1].find("1") + 1 for one in bits]
    wanted = [
        np.isnan(x), np.isinf(x), np.isfinite(x), [one.count("1") for one in bits],
        [32 - len(one.lstrip("0")) for one in bits], lowest, np.abs(n.astype(int)), [int(one[::-1], 2) for one in bits],
    ]  # fmt: skip
    np.testing.assert_array_equal(counts, np.stack([np.asarray(one, int) for one in wanted], 1))


@pytest.mark.parametrize("width", WIDTHS)
def test_what_lanes_do_in_turn_leaves_others_as_they_are(one_by_one, width, monkeypatch):
    monkeypatch.setattr(config, "DISABLE_INTEL_SVML", True, raising=False)  # which has tanh and erf for vectors
    x = np.random.default_rng(0).normal(size=150)
    z = np.where(np.arange(150) % 4 == 0, complex(0, np.inf), 1j)
    run(in_turn, 3, 64, x, z, out := np.zeros(150), finite := np.zeros(150, np.bool_), lowering="lanes", width=width)
    assert len(set(one_by_one)) == 3
    i = np.arange(150)
    v = np.where(x > 0, np.tanh(x), x)
    wanted = [math.erf(one) if k % 3 == 0 else one for k, one in enumerate(v)]
    np.testing.assert_allclose(out, wanted, rtol=1e-14)
    np.testing.assert_array_equal(finite, np.where(x > 0, np.isfinite(z), i % 5 == 0))
