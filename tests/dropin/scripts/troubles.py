"""What goes wrong in scripts, and how they are told; run with RKRUNTIME_DROPIN_STRICT=1 too."""

import os
import warnings

import numba
import numpy as np
import pytest
from cuda.core._utils.cuda_utils import CUDAError
from numba import cuda
from numba.core.errors import TypingError as CpuTypingError
from numba.cuda.core.errors import TypingError
from numba.cuda.cudadrv.driver import LinkerError

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


def aligned(alignment):
    @cuda.jit
    def kernel(x):
        x[0] = cuda.local.array(3, np.uint8, alignment=alignment)[0]

    return kernel


def wrong_alignments_raise_what_numba_cuda_raises():
    for alignment in (17, -8):
        with pytest.raises(ValueError, match="Alignment must be"):
            aligned(alignment)[1, 1](np.zeros(1))
    for alignment in ("16", 16.0):
        with pytest.raises((TypingError, CpuTypingError), match="alignment must be a constant integer"):
            aligned(alignment)[1, 1](np.zeros(1))


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


@cuda.jit
def meets_all(x):
    cuda.cg.this_grid().sync()
    x[0] = 1


def launches_that_no_device_takes_are_refused():
    for kind in (InvalidLaunch, CUDAError):
        with pytest.raises(kind, match="CUDA_ERROR_INVALID_VALUE"):
            divide[1, 2048](np.arange(3), 1)
        with pytest.raises(kind, match="CUDA_ERROR_INVALID_VALUE"):
            divide[1, 32, 0, 1 << 20](np.arange(3), 1)
        with pytest.raises(kind, match="CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"):
            meets_all[1000, 64](np.arange(3))
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


@cuda.jit("void(float32[:], int32, float32)")
def typed(x, n, value):
    x[n] = value * value


@cuda.jit([(numba.int64[::1], numba.boolean), (numba.float32[::1], numba.float32)])
def typed_twice(x, value):
    x[0] = value


@cuda.jit("void(float64[:], float64[:, ::1])")
def adds(out, x):
    out[0] += x[1, 1]


@cuda.jit("void(int32[:])")
def halves(x):
    x[cuda.threadIdx.x] //= 2


def declared_types_hold():
    x = np.zeros(4, np.float32)
    for n, value in ((1, 0.1), (np.int64(2), 3), (True, np.float64(1.5)), (2**32 + 3, np.float32(7))):
        typed[1, 1](x, n, value)
    assert x.tolist() == [0, 2.25, 9, 49], "numbers are converted as ctypes does it for numba-cuda"
    typed[1, 1](np.zeros(8, np.float32)[::2], 1, 1)
    whole = np.zeros(3, np.int64)
    typed_twice[1, 1](whole, True)
    typed_twice[1, 1](x, 5)
    assert (whole[0], x[0]) == (1, 5)
    out, square = np.zeros(1), np.ones((2, 2))
    square.flags.writeable = False
    adds[1, 1](out, square)
    assert out[0] == 1, "what is only read may be read-only"
    counts = np.array([5, 2**32 - 7], np.uint32)
    halves[1, 2](counts)
    assert counts.view(np.int32).tolist() == [2, -4], "a sign is what the declared type says"
    halves[1, 2](counts[::-1])
    assert counts.view(np.int32).tolist() == [1, -2]


def other_types_than_the_declared_are_refused():
    x = np.zeros(4, np.float32)
    read_only = np.zeros(1)
    read_only.flags.writeable = False
    refused = (
        (typed, (x.astype(np.float64), 0, 1.0), "x", "float64[::1]"),
        (typed, (x.reshape(2, 2), 0, 1.0), "x", "float32[:,::1]"),
        (typed, (1.0, 0, 1.0), "x", "float64[]"),
        (halves, (np.zeros(2, np.uint64),), "x", "uint64[::1]"),
        (halves, (np.zeros(2, np.float32),), "x", "float32[::1]"),
        (typed, (x, 1.5, 1.0), "n", "float"),
        (typed, (x, np.float32(1), 1.0), "n", "float32"),
        (typed, (x, 0, 1j), "value", "complex"),
        (typed, (x, 0, "1.0"), "value", "str"),
        (typed, (x, 0, None), "value", "NoneType"),
        (typed, (x, 0, x), "value", "float32[::1]"),
        (adds, (np.zeros(1), np.ones((2, 2)).T), "x", "float64[::1,:]"),
        (adds, (read_only, np.ones((2, 2))), "out", "read-only float64[::1]"),
    )
    for kernel, args, argument, got in refused:
        with pytest.raises(TypeError) as caught:
            kernel[1, 1](*args)
        assert isinstance(caught.value, ArgumentMismatch)
        assert (caught.value.argument, caught.value.got) == (argument, got)
    with pytest.raises(TypeError, match="No matching definition for argument type"):
        typed_twice[1, 1](np.zeros(3), 1.0)
    specialized = divide.specialize(np.arange(3), 1)
    with pytest.raises(ArgumentMismatch, match=r"got float64\[::1\], wanted array\(int64, 1d, C\)"):
        specialized[1, 1](np.zeros(3), 1)
    rows = [line.split() for line in report().splitlines()]
    assert {row[2] for row in rows if row[:1] in (["typed"], ["adds"])} == {"loop"}


@cuda.jit
def with_a_large_tile(x):
    tile = cuda.shared.array((80, 80), numba.float64)
    tile[0, cuda.threadIdx.x] = x[0]
    cuda.syncthreads()
    x[0] = tile[0, 0]


def more_shared_memory_than_a_block_has_is_refused_whatever_else_is_allowed():
    with pytest.raises(UnsupportedKernel, match=r"smaller tile.*dynamic shared memory") as caught:
        with_a_large_tile[1, 1](np.zeros(1))
    assert "51,200 bytes of static shared memory, and a block has 49,152" in caught.value.construct
    assert caught.value.line == with_a_large_tile.py_func.__code__.co_firstlineno + 2


linked = cuda.declare_device("linked", "int32(int32)", link=cuda.PTXSource(b".version 8.0"))


@cuda.jit(device=True)
def calls_linked(i):
    return linked(i)


@cuda.jit
def with_linked(x):
    x[0] = calls_linked(1)


def what_is_linked_is_refused_at_its_line_and_nothing_is_said_of_the_simulator():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnsupportedKernel, match="a call of linked, which is linked from CUDA C") as caught:
            with_linked[1, 1](np.zeros(1, np.int32))
    assert caught.value.line == calls_linked.py_func.__code__.co_firstlineno + 2


def files_that_cannot_be_linked_are_refused():
    for file, kind, said in (
        ("nonexistent.a", LinkerError, "nonexistent.a not found"),
        ("header.cuh", RuntimeError, "Don't know how to link file with extension .cuh"),
        ("data", RuntimeError, "Don't know how to link file with no extension"),
    ):
        with pytest.raises(kind, match=said):
            cuda.jit("void(float64[:])", link=[file])(divide.py_func)
        with pytest.raises(kind, match=said):
            cuda.jit(link=[file])(declared.py_func)[1, 1](np.zeros(1))


class Foreign:
    """An array of another library."""

    def __init__(self, owner, **changes):
        self.owner = owner
        self.__cuda_array_interface__ = {**owner.__cuda_array_interface__, **changes}


def interfaces_that_say_what_is_not_known_are_refused():
    d = cuda.to_device(np.arange(3))
    for changes, said in (
        ({"version": 99}, "a Foreign has version 99, and those up to 3 are known"),
        ({"version": None}, "has version None"),
        ({"mask": Foreign(d)}, "masked arrays are not supported"),
    ):
        with pytest.raises(NotImplementedError, match=said):
            divide[1, 3](Foreign(d, **changes), 2)
    assert d.copy_to_host().tolist() == [0, 1, 2], "nothing ran"
    divide[1, 3](Foreign(d, version=2, mask=None), 2)
    assert d.copy_to_host().tolist() == [0, 0, 1]


CHECKS = (
    a_kernel_without_source_is_simulated,
    what_means_something_in_compiled_code_alone_is_not_simulated,
    an_error_of_types_is_numba_cudas,
    a_fault_is_raised,
    under_debug_it_is_the_class_that_cuda_raises,
    under_debug_own_classes_and_indices_too,
    wrong_alignments_raise_what_numba_cuda_raises,
    launches_that_no_device_takes_are_refused,
    too_many_and_too_few_arguments_are_refused,
    declared_types_hold,
    other_types_than_the_declared_are_refused,
    more_shared_memory_than_a_block_has_is_refused_whatever_else_is_allowed,
    what_is_linked_is_refused_at_its_line_and_nothing_is_said_of_the_simulator,
    files_that_cannot_be_linked_are_refused,
    interfaces_that_say_what_is_not_known_are_refused,
)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
