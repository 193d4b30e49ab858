"""What `cuda.jit` is told: options and signatures. Every lowering obeys them; a GPU does the same."""

import numpy as np
import pytest
from cuda.core._utils.cuda_utils import CUDAError
from numba import cuda, float32, float64, void
from numba.core.errors import TypingError as CpuTypingError
from numba.cuda.core.errors import TypingError
from simt_launching import run

from rkruntime.dropin._late import LateDevice
from rkruntime.errors import UnsupportedKernel

TypingErrors = (TypingError, CpuTypingError)
X = np.arange(300.0)
OPTIONS = (
    {"max_registers": 16},
    {"lineinfo": True},
    {"opt": False},
    {"opt": True},
    {"debug": True, "opt": False},
    {"fastmath": True},
    {"cache": True},
    {"launch_bounds": 128},
    {"launch_bounds": (128, 2)},
    {"launch_bounds": (128, 2, 1)},
)
SIGNATURES = (
    "void(float64[:], float64[:])",
    "(float64[::1], float64[::1])",
    void(float64[:], float64[:]),
    ["void(float32[:], float32[:])", "void(float64[:], float64[:])"],
    [(float32[:], float32[:]), (float64[:], float64[:])],
)


def squares(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i] * x[i] + 1


def check_all_lowerings(kernel, x=X):
    """Launch a kernel as it is chosen to run, and on each lowering."""
    out = np.zeros_like(x)
    kernel[3, 128](x, out)
    np.testing.assert_array_equal(out, x * x + 1)
    for lowering in ("lanes", "loop", "fibers"):
        out = np.zeros_like(x)
        assert run(kernel, 3, 128, x, out, lowering=lowering).lowering == lowering
        np.testing.assert_array_equal(out, x * x + 1)


def options():
    for one in OPTIONS:
        check_all_lowerings(cuda.jit(**one)(squares))


def launch_bounds_are_held_to():
    for bounds in (128, (128, 2), (128, 2, 1)):
        kernel = cuda.jit(launch_bounds=bounds)(squares)
        with pytest.raises(CUDAError, match="at most 128 threads by its launch bounds"):
            kernel[1, 129](X, np.zeros(300))
    for wrong in ("many", (1, 2, 3, 4), 0.5, -1):
        with pytest.raises((TypeError, ValueError)):
            cuda.jit(launch_bounds=wrong)(squares)[1, 1](X, np.zeros(300))


def signatures():
    for one in SIGNATURES:
        check_all_lowerings(cuda.jit(one)(squares))
    several = cuda.jit(SIGNATURES[3])(squares)
    check_all_lowerings(several, X.astype(np.float32))
    with pytest.raises(TypeError, match="No matching definition"):
        several[1, 1](np.arange(3), np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="must have void return type"):
        cuda.jit("float64(float64[:], float64[:])")(squares)


def calling(plus_one):
    """Return a kernel that calls a device function."""

    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = plus_one(x[i] * x[i])

    return kernel


def device_functions_have_signatures_and_are_inlined():
    for given in ("float64(float64)", float64(float64)):
        for inline in ("always", "never"):
            check_all_lowerings(calling(cuda.jit(given, device=True, inline=inline)(lambda x: x + 1)))


@cuda.jit("int32(int32)", device=True)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@cuda.jit("float32(float32, int64)", device=True)
def third(x, n):
    if n == 0:
        return x
    return third(x / 3, n - 1)


@cuda.jit
def recursive(whole, single):
    i = cuda.grid(1)
    whole[i] = fibonacci(i + 0.5)
    single[i] = third(1, i)


def those_that_call_themselves_have_signatures_too():
    wanted = [np.float32(1)]
    for _ in range(9):
        wanted.append(np.float32(wanted[-1] / 3))
    for lowering in (None, "loop", "fibers"):
        whole, single = np.zeros(10, np.int64), np.zeros(10)
        run(recursive, 1, 10, whole, single, lowering=lowering)
        assert whole.tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
        assert single.tolist() == wanted, "each call's argument is a float32"


@cuda.jit(["int64(int64)", "float64(float64)"], device=True)
def of_two_types(n):
    return n if n < 2 else of_two_types(n - 1) + of_two_types(n - 2)


def but_not_several():
    for lowering in (None, "loop", "fibers"):
        with pytest.raises(UnsupportedKernel, match="of_two_types, which calls itself and declares several") as caught:
            run(calling(of_two_types), 1, 1, X, np.zeros(1), lowering=lowering)
        assert caught.value.line == of_two_types.py_func.__code__.co_firstlineno + 1


@cuda.jit("float64(float64)", device=True)
def wrong(x):
    return x.no_such_attribute


@cuda.jit
def calls_wrong(x):
    x[0] = wrong(x[0])


def wrong_types_are_told_when_a_kernel_calls_the_function():
    for _ in range(2):
        with pytest.raises(TypingErrors, match="Unknown attribute 'no_such_attribute' of type float64"):
            calls_wrong[1, 1](np.zeros(1))


@cuda.jit("float64(float64)", device=True)
def twice(x):
    return 2 * x


def what_numba_cuda_compiles_is_there_for_whoever_asks():
    assert [str(one) for one in twice.nopython_signatures] == ["(float64,) -> float64"]
    (compiled,) = twice.overloads.values()
    assert isinstance(compiled, LateDevice)
    assert compiled.fndesc.restype == float64
    assert not isinstance(twice.overloads[(float64,)], LateDevice)
    (text,) = twice.inspect_llvm().values()
    assert "twice" in text


CHECKS = (
    options,
    launch_bounds_are_held_to,
    signatures,
    device_functions_have_signatures_and_are_inlined,
    those_that_call_themselves_have_signatures_too,
    but_not_several,
    wrong_types_are_told_when_a_kernel_calls_the_function,
    what_numba_cuda_compiles_is_there_for_whoever_asks,
)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
