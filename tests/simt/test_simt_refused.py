"""What the compiler refuses: each construct named with its line and a way round."""

import numba
import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import ArgumentMismatch, KernelCompileError, KernelFault, UnsupportedKernel


@cuda.jit(device=True)
def times(i, factor):
    return i * factor


@cuda.jit(device=True)
def divided(i, factor):
    return i / factor


@cuda.jit
def plain(out):
    out[cuda.grid(1)] = 1


@cuda.jit
def unknown_feature(out):
    out[0] = cuda.no_such_thing(1)


@cuda.jit
def host_feature(out):
    cuda.synchronize()
    out[0] = 1


@cuda.jit
def shape_at_run_time(out):
    mine = cuda.local.array(out.size, numba.float64)
    out[0] = mine[0]


@cuda.jit
def returns_something(out):
    if cuda.grid(1) > 3:
        return out[0]
    return None


@cuda.jit
def too_many_axes(out):
    out[0] = cuda.grid(4)


@cuda.jit
def fourth_axis(out):
    out[0] = cuda.threadIdx.w


@cuda.jit
def function_as_value(out):
    out[0] = times


@cuda.jit
def wrong_count(out):
    cuda.atomic.add(out, 0)


@cuda.jit
def too_much_local(out):
    mine = cuda.local.array((300, 300), numba.float64)
    out[0] = mine[0, 0]


@cuda.jit
def too_much_shared(out):
    first = cuda.shared.array(4000, numba.float64)
    second = cuda.shared.array((50, 80), numba.float64)
    out[0] = first[0] + second[0, 0]


@cuda.jit
def formatted(out):
    print(f"first {out[0]:.2f}")


@cuda.jit
def odd_alignment(out):
    mine = cuda.local.array(4, numba.float64, alignment=17)
    out[0] = mine[0]


@cuda.jit
def handles_one_class(out):
    try:
        out[0] = 1
    except ValueError:
        out[0] = 2


@cuda.jit
def looks_at_what_was_raised(out):
    try:
        out[0] = 1
    except Exception as error:  # noqa: F841
        out[0] = 2


linked = cuda.declare_device("linked", "int32(int32)", link=cuda.PTXSource(b".version 8.0"))


@cuda.jit
def calls_what_is_linked(out):
    i = cuda.grid(1)
    out[i] = linked(i)


REFUSED = {
    calls_what_is_linked: "a call of linked, which is linked from CUDA C++ or PTX",
    odd_alignment: "alignment=17",
    handles_one_class: "except ValueError",
    looks_at_what_was_raised: "except ... as error",
    too_much_local: "720,000 bytes of local arrays",
    too_much_shared: "64,000 bytes of static shared memory",
    formatted: "an f-string with a format, out[0]",
    unknown_feature: "cuda.no_such_thing",
    host_feature: "cuda.synchronize",
    shape_at_run_time: "cuda.local.array",
    returns_something: "returns a value",
    too_many_axes: "cuda.grid",
    fourth_axis: "cuda.threadIdx.w",
    function_as_value: "device function",
    wrong_count: "cuda.atomic.add",
}


@pytest.mark.parametrize("kernel", REFUSED, ids=lambda kernel: kernel.py_func.__name__)
def test_what_is_not_supported_is_named_with_line_and_a_way_round(kernel):
    with pytest.raises(UnsupportedKernel) as caught:
        run(kernel, 1, 1, np.zeros(4))
    error = caught.value
    first = kernel.py_func.__code__.co_firstlineno
    assert REFUSED[kernel] in error.construct
    assert (error.file, error.kernel) == (__file__, kernel.py_func.__name__)
    assert first + 1 < error.line <= first + 4
    assert error.mend


@cuda.jit
def shared_like_an_argument(out):
    tile = cuda.shared.array(8000, out.dtype)
    tile[0] = out[0]
    cuda.syncthreads()
    out[0] = tile[0]


@cuda.jit
def shared_together(out):
    tile = cuda.shared.array(2000, out.dtype)
    other = cuda.shared.array((2, 2000), out.dtype)
    mine = cuda.shared.array(1000, numba.float32)
    tile[0] = other[0, 0] = mine[0] = out[0]
    cuda.syncthreads()
    out[0] = tile[0] + other[0, 0] + mine[0]


@cuda.jit(device=True)
def first_of_its_own(x):
    tile = cuda.shared.array(4000, x.dtype)
    tile[0] = x[0]
    cuda.syncthreads()
    return tile[0]


@cuda.jit
def shared_by_functions(out):
    mine = cuda.shared.array(3000, numba.float64)
    mine[0] = first_of_its_own(out)
    cuda.syncthreads()
    out[0] = mine[0] + first_of_its_own(out)


@pytest.mark.parametrize("lowering", [None, "fibers"])
@pytest.mark.parametrize(
    ("kernel", "size", "line"),
    [(shared_like_an_argument, "64,000", 2), (shared_together, "52,000", 3)],
)
def test_shared_arrays_like_arguments_are_added_up(kernel, size, line, lowering):
    with pytest.raises(UnsupportedKernel, match="take a smaller tile") as caught:
        run(kernel, 1, 1, np.zeros(4), lowering=lowering)
    assert caught.value.construct.startswith(f"cuda.shared.array: {size} bytes of static shared memory, and a block")
    assert caught.value.line == kernel.py_func.__code__.co_firstlineno + line
    run(kernel, 1, 1, np.zeros(4, np.float32), lowering=lowering)


def test_shared_arrays_of_functions_are_added_up_once_each():
    with pytest.raises(KernelCompileError, match="56,000 bytes of static shared memory"):
        run(shared_by_functions, 1, 1, np.zeros(4), lowering="lanes")
    with pytest.raises(KernelFault, match="exceed 48 KiB together"):
        run(shared_by_functions, 1, 1, np.zeros(4), lowering="fibers")
    for lowering in ("lanes", "fibers"):
        out = np.full(4, 3, np.float32)
        run(shared_by_functions, 1, 1, out, lowering=lowering)
        assert out[0] == 6


@cuda.jit
def real_number_in_text(out):
    print(f"first {out[0]}")


@cuda.jit
def real_number_as_text(out):
    print("first", str(out[0]))


@pytest.mark.parametrize("lowering", [None, "fibers"])
@pytest.mark.parametrize(
    ("kernel", "said", "line"),
    [
        (real_number_in_text, "this is float64: give the value itself to print", 2),
        (real_number_as_text, "this is float64: give the value itself to print", 2),
    ],
)
def test_what_is_refused_once_types_are_known(kernel, said, line, lowering):
    with pytest.raises(KernelCompileError) as caught:
        run(kernel, 1, 1, np.zeros(4), lowering=lowering)
    assert said in caught.value.detail
    assert caught.value.line == kernel.py_func.__code__.co_firstlineno + line


@cuda.jit
def text_that_can_be_made(out, flag):
    i = cuda.grid(1)
    name = f"thread {i}"
    print(f"{name} of {cuda.blockDim.x}: {flag}", str(i + 1), out[0])


@pytest.mark.parametrize("lowering", ["loop", "fibers"])
def test_f_strings_show_whole_numbers_and_text(lowering, capfd):
    run(text_that_can_be_made, 1, 1, np.array([0.5]), 7, lowering=lowering)
    run(text_that_can_be_made, 1, 1, np.array([0.5]), True, lowering=lowering)
    assert capfd.readouterr().out.splitlines() == ["thread 0 of 1: 7 1 0.5", "thread 0 of 1: True 1 0.5"]


def generator(out):
    yield out


def variadic(*out):
    pass


SOURCELESS = {}
exec("def sourceless(out): pass", SOURCELESS)


@pytest.mark.parametrize(
    ("function", "construct"),
    [
        (lambda out: None, "lambda"),
        (generator, "generator"),
        (variadic, r"\*args"),
        (SOURCELESS["sourceless"], "no source"),
        (len, "builtin_function"),
    ],
    ids=["lambda", "generator", "variadic", "sourceless", "builtin"],
)
def test_what_cannot_be_read(function, construct):
    with pytest.raises(UnsupportedKernel, match=construct):
        run(function, 1, 1, np.zeros(1))


@pytest.mark.parametrize(
    ("args", "argument"),
    [((), "list"), ((1, 2), "list"), ((object(),), "out"), ((times,), "out"), (("text", 1), "list")],
)
def test_arguments_that_do_not_fit(args, argument):
    with pytest.raises(ArgumentMismatch) as caught:
        simt.Kernel(plain).specialize(args)
    assert caught.value.argument == argument


@cuda.jit
def stored(x, out):
    out[cuda.grid(1)] = x


FLOATS = np.zeros(4)
UNWRITABLE = np.zeros(4)
UNWRITABLE.flags.writeable = False


@pytest.mark.parametrize(
    ("args", "argument"),
    [
        ((), "list"),
        ((2.0,), "list"),
        ((2.0, FLOATS, 1), "list"),
        ((1j, FLOATS), "x"),
        (("2", FLOATS), "x"),
        ((FLOATS, FLOATS), "x"),
        ((2.0, 3.0), "out"),
        ((2.0, object()), "out"),
        ((2.0, FLOATS.astype(np.float32)), "out"),
        ((2.0, FLOATS.reshape(2, 2)), "out"),
        ((2.0, FLOATS[::2]), "out"),
        ((2.0, UNWRITABLE), "out"),
    ],
)
def test_a_specialisation_takes_no_other_arguments(args, argument):
    """Too few of them ended the process."""
    special = simt.Kernel(stored).specialize((2.0, FLOATS))
    for _ in range(2):
        with pytest.raises(ArgumentMismatch) as caught:
            simt.run(special, 1, 2, args)
        assert caught.value.argument == argument


@pytest.mark.parametrize("x", [3, np.float32(3), np.uint8(3), 3.0])
def test_a_specialisation_converts_numbers_and_takes_lists(x):
    special = simt.Kernel(stored).specialize((2.0, FLOATS))
    out = np.zeros(4)
    for _ in range(2):
        simt.run(special, 1, 4, [x, out])
    assert out.tolist() == [3.0] * 4
    whole = simt.Kernel(stored).specialize((2, FLOATS))
    with pytest.raises(ArgumentMismatch, match="got float64, wanted int64"):
        simt.run(whole, 1, 4, (2.5, out))
