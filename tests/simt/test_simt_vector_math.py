"""Functions of real numbers by Intel's vector math: within two units in the last place, and special values too.

The reference is NumPy in more precision: float64 for float32, and the long double of x86 for float64. Error functions
it has not; Python's, of the C library, are within a unit themselves, which is allowed for.
"""

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import cuda
from numba.core import config
from simt_launching import run

from rkruntime import simt
from rkruntime.simt import _svml

pytestmark = [
    pytest.mark.usefixtures("untraced"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.skipif(
        _svml.library() is None, reason="intel-cmplr-lib-rt, which is for Linux on x86, is not installed"
    ),
]

BLOCK, BLOCKS = 80, 25
RANGES = {
    **dict.fromkeys(("exp", "expm1", "sinh", "cosh", "tanh", "erf", "erfc"), (-8.0, 8.0)),
    **dict.fromkeys(("log", "log2", "log10", "acosh"), (1.0, 1e3)),
    **dict.fromkeys(("sin", "cos", "tan", "atan", "asinh"), (-50.0, 50.0)),
    **dict.fromkeys(("asin", "acos", "atanh", "log1p"), (-0.999, 0.999)),
}
NAMES = ("exp", "expm1", "sinh", "cosh", "tanh", "log", "log2", "log10", "log1p", "sin", "cos", "tan")
NAMES += ("asin", "acos", "atan", "asinh", "acosh", "atanh", "erf", "erfc")
PRECISE = {
    **{name: getattr(np, name) for name in NAMES[:12]},
    **{name: getattr(np, f"arc{name[1:]}") for name in NAMES[12:18]},
    "erf": np.vectorize(math.erf),
    "erfc": np.vectorize(math.erfc),
}
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 2.0, -2.0, 1e-40, -1e-40, 3e38, -3e38, 1e10, 0.5, -0.5]
KINDS = [np.float32, np.float64]


@cuda.jit
def of_one(x, out):
    i = cuda.grid(1)
    if i < out.shape[1]:
        out[0, i], out[1, i], out[2, i] = math.exp(x[0, i]), math.expm1(x[1, i]), math.sinh(x[2, i])
        out[3, i], out[4, i], out[5, i] = math.cosh(x[3, i]), math.tanh(x[4, i]), math.log(x[5, i])
        out[6, i], out[7, i], out[8, i] = math.log2(x[6, i]), math.log10(x[7, i]), math.log1p(x[8, i])
        out[9, i], out[10, i], out[11, i] = math.sin(x[9, i]), math.cos(x[10, i]), math.tan(x[11, i])
        out[12, i], out[13, i], out[14, i] = math.asin(x[12, i]), math.acos(x[13, i]), math.atan(x[14, i])
        out[15, i], out[16, i], out[17, i] = math.asinh(x[15, i]), math.acosh(x[16, i]), math.atanh(x[17, i])
        out[18, i], out[19, i] = math.erf(x[18, i]), math.erfc(x[19, i])


@cuda.jit
def of_two(x, y, out):
    i = cuda.grid(1)
    if i < out.shape[1]:
        out[0, i], out[1, i] = math.pow(x[i], y[i]), x[i] ** y[i]
        out[2, i], out[3, i] = math.atan2(x[i], y[i]), np.arctan2(y[i], x[i])


@cuda.jit
def some_threads(x, out):
    i = cuda.grid(1)
    if x[i] > 0:
        out[i] = math.log(x[i]) if i % 2 else math.sqrt(x[i])
    else:
        out[i] = np.exp(x[i])


def ulps(got: Any, wanted: Any) -> Any:
    """Return how many units in the last place of its type each number is from a more precise one."""
    return np.abs(got.astype(wanted.dtype) - wanted) / np.spacing(np.abs(wanted).astype(got.dtype))


def more_precise(x: Any) -> Any:
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def assert_alike(got: Any, wanted: Any, name: str = "") -> None:
    """Hold special values to those of the C library: the same zeros and infinities, and others nearby."""
    finite = np.isfinite(wanted) & (wanted != 0)
    np.testing.assert_array_equal(np.where(finite, 0, got), np.where(finite, 0, wanted), name)
    np.testing.assert_array_equal(np.signbit(got)[wanted == 0], np.signbit(wanted)[wanted == 0])
    assert ulps(got[finite], more_precise(wanted[finite])).max() < 3, name


@pytest.mark.parametrize(("kind", "width"), [(np.float32, 4), (np.float32, 64), (np.float64, 8), (np.float64, 32)])
def test_functions_are_within_two_units(kind, width):
    random = np.random.default_rng(3)
    x = np.array([random.uniform(*RANGES[name], BLOCK * BLOCKS) for name in NAMES]).astype(kind)
    out = np.zeros_like(x)
    run(of_one, BLOCKS, BLOCK, x, out, lowering="lanes", width=width)
    worst = {}
    for name, given, got in zip(NAMES, x, out, strict=True):
        is_error = name.startswith("erf")
        wanted = PRECISE[name](given.astype(np.float64) if is_error else more_precise(given))
        worst[name] = ulps(got, wanted).max() - is_error
    assert max(worst.values()) < 2, worst


@pytest.mark.parametrize("kind", KINDS)
def test_special_values_are_those_of_the_c_library(kind):
    x = np.tile(np.array(SPECIAL, kind), (len(NAMES), 1))
    out, wanted = np.zeros_like(x), np.zeros_like(x)
    run(of_one, 1, len(SPECIAL), x, out, lowering="lanes")
    run(of_one, 1, len(SPECIAL), x, wanted, lowering="loop")
    for name, one, other in zip(NAMES, out, wanted, strict=True):
        assert_alike(one, other, name)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_two_numbers(kind):
    x, y = (one.ravel().astype(kind) for one in np.meshgrid(SPECIAL, SPECIAL))
    out, wanted = np.zeros((4, x.size), kind), np.zeros((4, x.size), kind)
    run(of_two, 4, 64, x, y, out, lowering="lanes")
    run(of_two, 4, 64, x, y, wanted, lowering="loop")
    assert_alike(out, wanted)
    x, y = np.random.default_rng(4).uniform(0.01, 9, (2, 256)).astype(kind)
    run(of_two, 4, 64, x, y, out, lowering="lanes")
    fine_x, fine_y = more_precise(x), more_precise(y)
    assert ulps(out[:2], fine_x**fine_y).max() < 2
    assert ulps(out[2], np.arctan2(fine_x, fine_y)).max() < 2
    assert ulps(out[3], np.arctan2(fine_y, fine_x)).max() < 2


@pytest.mark.parametrize("disabled", [False, True])
def test_the_library_is_called_unless_numba_is_told_not_to(monkeypatch, disabled):
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    monkeypatch.setattr(config, "DISABLE_INTEL_SVML", disabled, raising=False)
    x = np.random.default_rng(5).normal(size=256).astype(np.float32)
    out = np.zeros_like(x)
    special = simt.Kernel(some_threads).specialize((x, out))
    assert special.lowering == ("loop" if disabled else "lanes")
    lanes = run(some_threads, 4, 64, x, out, lowering="lanes")
    code = lanes._compiled.library.get_asm_str()
    assert ("__svml_logf" in code, "__svml_expf" in code) == (not disabled, not disabled)
    fine, odd = x.astype(float), np.arange(256) % 2
    assert ulps(out, np.where(x > 0, np.where(odd, np.log(fine), np.sqrt(fine)), np.exp(fine))).max() < 2


def test_kernels_on_disk_are_told_apart_by_the_library(monkeypatch):
    args = np.ones(64, np.float32), np.zeros(64, np.float32)
    keys = []
    for disabled in (False, True):
        monkeypatch.setattr(config, "DISABLE_INTEL_SVML", disabled, raising=False)
        special = simt.Kernel(some_threads, lowering="lanes").specialize(args)
        keys.append(special.explain().count("taken from the cache"))
        again = simt.Kernel(some_threads, lowering="lanes").specialize(args)
        assert "taken from the cache" in again.explain()
    assert keys[1] == 0, "without the library, what calls it was taken"


SCRIPT = """
import math
import numpy as np
from numba import cuda
from rkruntime import simt

@cuda.jit
def logarithms(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = math.log(x[i])

if __name__ == "__main__":
    x, out = np.linspace(1, 9, 64, dtype=np.float32), np.zeros(64, np.float32)
    special = simt.Kernel(logarithms).specialize((x, out))
    simt.run(special, 1, 64, (x, out))
    np.testing.assert_allclose(out, np.log(x), rtol=1e-6)
    print(special.lowering, "taken from the cache" in special.explain())
"""


def test_another_process_finds_the_library_for_what_is_on_disk(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "RKRUNTIME_CACHE_DIR": str(tmp_path / "kept")}
    for told in ("lanes False", "lanes True"):
        done = subprocess.run(
            [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.stdout.strip() == told, done.stderr
