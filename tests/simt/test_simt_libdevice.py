"""libdevice on the CPU: every function of numba-cuda's list against a reference that shares no code with ours."""

import importlib.util
import itertools
import math
from fractions import Fraction

import libdevice_cases as cases
import numpy as np
import pytest
from numba.core import types
from numba.cuda import libdevicefuncs
from simt_launching import run

pytestmark = pytest.mark.usefixtures("untraced")

NAMES = sorted(name.removeprefix("__nv_") for name in libdevicefuncs.functions)
MODES = ("_rn", "_rz", "_ru", "_rd")
ROUNDED = [name for name in NAMES if name[-3:] in MODES and name not in cases.WHOLE_NUMBERS]
STEMS = sorted({name[:-3] for name in ROUNDED})
SOME = [
    stem + MODES[k % 4] for k, stem in enumerate(STEMS) if stem + MODES[k % 4] in NAMES
]  # each takes 0.1 s to compile
NICE = (0.1, -0.1, 3.0, -7.5, 1e-3, 123456789.125, -1e20, 5e-5, 2.0**40 + 1)


def plain_name(name):
    """Return the name under which the cases keep a function: without `fast_`, and without f for float32."""
    table = {**cases.WHOLE_NUMBERS, **cases.REAL_NUMBERS, **cases.BESSEL}
    name = name if name in table else name.removeprefix("fast_")
    return name if name in table else name.removesuffix("f")


def samples_of(name):
    """Return tuples of arguments."""
    parameters = cases.signature_of(name).args
    if name in ROUNDED:
        kinds = [NICE if isinstance(one, types.Float) else cases.LONG for one in parameters]
    elif plain_name(name) in cases.REAL_NUMBERS:
        real = cases.REAL_NUMBERS[plain_name(name)][1]
        kinds = [real if isinstance(one, types.Float) else (-3, 0, 2, 7) for one in parameters]
    elif plain_name(name) in cases.BESSEL:
        kinds = [(0, 1, 3), cases.POSITIVE[1:3]]
    else:
        small = [0, 1, 0x3C00, 0x7C00, 0x03FF, -0x4400, 0x4248]
        by_type = {types.int16: small, types.int32: cases.WHOLE, types.int64: cases.LONG}
        kinds = [by_type.get(one, (*cases.MODERATE, 1e-6, 1e-8, 70000.0)) for one in parameters]
    every = list(itertools.product(*kinds))
    return [tuple(map(as_given, one, parameters)) for one in every[:: max(1, len(every) // 60)]]


def as_given(value, kind):
    """Return a sample as the function gets it."""
    if kind == types.float32:
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    return float(value) if kind == types.float64 else cases.wrapped(value, kind.bitwidth)


def kernel_over(names, folder):
    """Write a kernel that calls every function, and import it."""
    lines = ["from numba import cuda", "from numba.cuda import libdevice", "", "@cuda.jit"]
    lines += ["def kernel(real, whole, count, f, i):", "    k = cuda.grid(1)"]
    for row, name in enumerate(names):
        signature = cases.signature_of(name)
        given = ", ".join(
            f"{'real' if isinstance(one, types.Float) else 'whole'}[{row}, k, {j}]"
            for j, one in enumerate(signature.args)
        )
        lines.append(f"    if k < count[{row}]:")
        if isinstance(signature.return_type, types.BaseTuple):
            lines.append(f"        f[{row}, k, 0], f[{row}, k, 1] = libdevice.{name}({given})")
        else:
            out = "f" if isinstance(signature.return_type, types.Float) else "i"
            lines.append(f"        {out}[{row}, k, 0] = libdevice.{name}({given})")
    path = folder / f"libdevice_{names[0]}.py"
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


def results_of(names, folder):
    """Return for every function its samples and what it made of them."""
    samples = [samples_of(name) for name in names]
    most = max(map(len, samples))
    real, whole = np.zeros((len(names), most, 3)), np.zeros((len(names), most, 3), np.int64)
    for row, rows in enumerate(samples):
        for k, given in enumerate(rows):
            for j, value in enumerate(given):
                (real if isinstance(value, float) else whole)[row, k, j] = value
    count = np.array([len(rows) for rows in samples])
    f, i = np.zeros((len(names), most, 2)), np.zeros((len(names), most, 1), np.int64)
    run(kernel_over(names, folder), -(-most // 32), 32, real, whole, count, f, i, lowering="loop", fma=False)
    for row, name in enumerate(names):
        returned = cases.signature_of(name).return_type
        for k, given in enumerate(samples[row]):
            if isinstance(returned, types.BaseTuple):
                yield name, given, tuple(f[row, k].tolist())
            else:
                yield name, given, (f if isinstance(returned, types.Float) else i)[row, k, 0]


def test_every_function_of_the_list_has_a_case():
    known = {*cases.WHOLE_NUMBERS, *cases.REAL_NUMBERS, *cases.BESSEL}
    assert [name for name in NAMES if name not in ROUNDED and plain_name(name) not in known] == []


def test_whole_numbers_and_bits(tmp_path):
    names = [name for name in NAMES if name in cases.WHOLE_NUMBERS]
    for name, given, got in results_of(names, tmp_path):
        wanted = cases.WHOLE_NUMBERS[name](*given)
        returned = cases.signature_of(name).return_type
        if isinstance(returned, types.Float):
            assert got == wanted or (math.isnan(got) and math.isnan(wanted)), (name, given)
        elif not (name == "float2half_rn" and math.isnan(given[0])):
            assert got == cases.wrapped(int(wanted), returned.bitwidth), (name, given)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_real_numbers(tmp_path):
    table = {**{name: one[0] for name, one in cases.REAL_NUMBERS.items()}, **cases.BESSEL}
    names = [name for name in NAMES if name not in ROUNDED and plain_name(name) in table]
    assert len(names) > 140
    for name, given, got in results_of(names, tmp_path):
        wanted = table[plain_name(name)](*given)
        single = types.float32 in cases.signature_of(name).args
        rtol, atol = (3e-6, 1e-6) if single else (1e-13, 1e-15)
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol, err_msg=f"{name}{given}")


def exact_of(name, given):
    """Return the exact result as a fraction, or None where it has none that is rational."""
    stem = name[:-3]
    a, *rest = map(Fraction, given)
    if "2" in stem:
        source = stem.partition("2")[0]
        return a % 2 ** (64 if source == "ull" else 32) if source in ("uint", "ull") else a
    operation = stem if stem.startswith("fma") else stem[1:]
    if operation in ("sqrt", "rsqrt"):
        return None
    return {
        "add": lambda: a + rest[0],
        "sub": lambda: a - rest[0],
        "mul": lambda: a * rest[0],
        "div": lambda: a / rest[0],
        "rcp": lambda: 1 / a,
        "fma": lambda: a * rest[0] + rest[1],
        "fmaf": lambda: a * rest[0] + rest[1],
    }[operation]()


def whole_of(exact, mode, returned, unsigned):
    """Round a fraction to a whole number, within the range of its type."""
    bits = returned.bitwidth
    step = {"rd": math.floor, "ru": math.ceil, "rz": math.trunc, "rn": round}[mode]
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return cases.wrapped(min(max(step(exact), low), high), bits)


def test_rounding_in_a_direction(tmp_path):
    assert len(SOME) > 20
    for name, given, got in results_of(SOME, tmp_path):
        returned, mode, exact = cases.signature_of(name).return_type, name[-2:], exact_of(name, given)
        if exact is None:
            if given[0] > 0:
                assert_root(name, given[0], got, mode)
        elif isinstance(returned, types.Float):
            real = np.float32 if returned == types.float32 else np.float64
            assert got == cases.rounded_exactly(exact, real, mode), (name, given)
        else:
            assert got == whole_of(exact, mode, returned, "2u" in name), (name, given)


def assert_root(name, x, got, mode):
    """Hold a root to its square, which is exact as a fraction."""
    real = np.float32 if name.startswith("f") else np.float64
    if name == "frsqrt_rn":
        assert abs(got * math.sqrt(x) - 1) < 1e-7
        return
    low, high = (Fraction(float(np.nextafter(real(got), real(way)))) for way in (-np.inf, np.inf))
    square = Fraction(float(got)) ** 2
    if mode in ("rd", "rz"):
        assert square <= Fraction(x) < high**2
    elif mode == "ru":
        assert low**2 < Fraction(x) <= square
    else:
        assert abs(square - Fraction(x)) <= min(abs(low**2 - Fraction(x)), abs(high**2 - Fraction(x)))
