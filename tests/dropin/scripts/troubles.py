"""What goes wrong in scripts, and how they are told; run with RKRUNTIME_DROPIN_STRICT=1 too."""

import os
import warnings

import numpy as np
import pytest
from numba import cuda
from numba.core.errors import TypingError as CpuTypingError
from numba.cuda.core.errors import TypingError

from rkruntime.dropin import report
from rkruntime.errors import ArgumentMismatch, InvalidLaunch, KernelFault, UnsupportedKernel

TEXT = """
from numba.cuda import grid
def fill(x):
    i = grid(1)
    if i < x.size:
        x[i] = double(i)
"""


@cuda.jit(device=True)
def double(i):
    return 2 * i


@cuda.jit
def divide(x, by):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = x[i] // by


@cuda.jit(debug=True, opt=False)
def divide_checked(x, by):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = x[i] // by


@cuda.jit
def no_such_method(x):
    x.no_such_method()


def without_source(function):
    """Have a function be from where nobody has kept its text."""
    function.__code__ = function.__code__.replace(co_filename="<nowhere>")
    return function


def a_kernel_without_source_is_simulated():
    scope = {"double": double}
    exec(TEXT, scope)
    fill = cuda.jit(without_source(scope["fill"]))
    x = np.zeros(8, np.int64)
    if os.environ.get("RKRUNTIME_DROPIN_STRICT") == "1":
        with pytest.raises(UnsupportedKernel, match="no source"):
            fill[1, 8](x)
        return
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            fill[1, 8](x)
    assert x.tolist() == [2 * i for i in range(8)]
    assert [(str(one.message).partition(";")[0], one.filename, one.lineno) for one in told] == [
        (
            "kernel fill runs by numba-cuda's simulator, very slowly: fill has no source that can be read",
            "<nowhere>",
            3,
        )
    ]
    assert "simulator  2" in report()


def what_means_something_in_compiled_code_alone_is_not_simulated():
    scope = {"ldca": cuda.ldca}
    exec("def load(x, out):\n    out[0] = ldca(x, 0)\n", scope)
    load = cuda.jit(without_source(scope["load"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedKernel):
            load[1, 1](np.ones(1), np.zeros(1))


def an_error_of_types_is_numba_cudas():
    with pytest.raises((TypingError, CpuTypingError), match="no_such_method"):
        no_such_method[1, 1](np.zeros(1))


def a_fault_is_raised():
    x = np.arange(300)
    with pytest.raises(KernelFault) as caught:
        divide[3, 128](x, 0)
    assert caught.value.line == divide.py_func.__code__.co_firstlineno + 4
    divide[3, 128](x, 2)
    assert x[299] == 149


def under_debug_it_is_the_class_that_cuda_raises():
    with pytest.raises(ZeroDivisionError, match=r"tid=\[0, 0, 0\] ctaid=\[0, 0, 0\]"):
        divide_checked[1, 1](np.arange(1), 0)


class Own(Exception):
    pass


@cuda.jit(debug=True, opt=False)
def raises_its_own(x):
    i = cuda.grid(1)
    if x[i + 1] < 0:
        raise Own("below")


def under_debug_own_classes_and_indices_too():
    with pytest.raises(Own, match=r"tid=\[0, 0, 0\] ctaid=\[0, 0, 0\]: below"):
        raises_its_own[1, 1](np.array([-1, -1]))
    with pytest.raises(IndexError, match=r"tid=\[0, 0, 0\] ctaid=\[0, 0, 0\]: index 1 is out of bounds"):
        raises_its_own[1, 1](np.array([1]))


def launches_that_no_device_takes_are_refused():
    with pytest.raises(InvalidLaunch):
        divide[1, 2048](np.arange(3), 1)
    with pytest.raises(InvalidLaunch):
        divide[1, 32, 0, 1 << 20](np.arange(3), 1)
    with pytest.raises(ValueError, match="launch configuration"):
        divide(np.arange(3), 1)


@cuda.jit("void(float64[:])")
def declared(x):
    x[0] = 1


def too_many_and_too_few_arguments_are_refused():
    x = np.arange(3)
    divide[1, 3](x, 1)
    for kernel, args in ((divide, (x,)), (divide, (x, 1, 2)), (declared, ()), (declared, (x, x))):
        with pytest.raises(ArgumentMismatch, match=f"got {len(args)} arguments"):
            kernel[1, 3](*args)


CHECKS = (
    a_kernel_without_source_is_simulated,
    what_means_something_in_compiled_code_alone_is_not_simulated,
    an_error_of_types_is_numba_cudas,
    a_fault_is_raised,
    under_debug_it_is_the_class_that_cuda_raises,
    under_debug_own_classes_and_indices_too,
    launches_that_no_device_takes_are_refused,
    too_many_and_too_few_arguments_are_refused,
)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
