"""What becomes a kernel, and what does not."""

import functools
import gc
import subprocess
import sys
import weakref

import numba.cuda
import pytest

from rkruntime.errors import ArgumentMismatch, UnreadableInput
from rkruntime.kernels import In, InOut, KernelSpec, Out, as_spec, kernel
from rkruntime.kernels._directions import unwrap


def plain(a, x):
    x[0] = a


@numba.cuda.jit(fastmath=True)
def jitted(a, x):
    x[0] = a


@numba.cuda.jit(device=True)
def helper(a):
    return a + 1


def test_importing_kernels_imports_no_numba() -> None:
    code = "import sys, rkruntime.kernels; assert not {'numba', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_decorator_alone_and_with_arguments() -> None:
    alone = kernel(plain)
    with_arguments = kernel(block=(8, 8), name="mine", debug=True, fastmath=True)(plain)
    assert isinstance(alone, KernelSpec)
    assert (alone.name, alone.parameters, alone.block) == ("plain", ("a", "x"), None)
    assert (with_arguments.name, with_arguments.block) == ("mine", (8, 8))
    assert with_arguments.source.name == "mine"
    assert with_arguments.source.options == {"debug": True, "fastmath": True}
    assert with_arguments.signature == "mine(a, x)"


def test_decorator_on_a_dispatcher_keeps_its_options() -> None:
    spec = kernel(debug=True)(jitted)
    assert spec.source.dispatcher is jitted
    assert spec.function is jitted.py_func
    assert spec.source.options == {"fastmath": True, "debug": True}


def test_decorator_on_a_spec_changes_what_it_names() -> None:
    spec = kernel(block=64)(plain)
    again = kernel(name="other")(spec)
    assert (again.name, again.source.name, again.block) == ("other", "other", 64)


@pytest.mark.parametrize("thing", [plain, jitted, kernel(plain)])
def test_one_kernel_has_one_spec(thing) -> None:
    assert as_spec(thing) is as_spec(thing)
    assert as_spec(as_spec(thing)) is as_spec(thing)


def test_a_wrapper_has_a_spec_of_its_own() -> None:
    first = as_spec(plain)

    @functools.wraps(plain)
    def wrapper(a, x):
        x[0] = a + 1

    assert as_spec(wrapper) is not first
    assert as_spec(wrapper).function is wrapper


def test_a_kernel_that_is_gone_takes_its_spec_along() -> None:
    def passing(x):
        x[0] = 1

    gone = weakref.ref(as_spec(passing))
    del passing
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("thing", "named"),
    [(3, "int"), ("saxpy", "saxpy"), (len, "len"), (helper, "a device function"), (None, "None")],
)
def test_what_is_no_kernel_is_named(thing, named: str) -> None:
    with pytest.raises(ArgumentMismatch, match=named):
        as_spec(thing)


def test_a_kernel_takes_named_positional_parameters() -> None:
    def star(*args):
        pass

    def keyword(x, *, y):
        pass

    for function in (star, keyword):
        with pytest.raises(ArgumentMismatch, match="name every parameter"):
            kernel(function)


def example_plain():
    return {"a": 3, "over": 4}


def test_example_is_the_modules() -> None:
    def unnamed(x):
        pass

    assert as_spec(plain).example() == {"a": 3, "over": 4}
    assert as_spec(unnamed).example() == {}


@pytest.mark.parametrize("made", [{"b": 3}, [3]])
def test_example_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, made) -> None:
    monkeypatch.setattr(sys.modules[__name__], "example_plain", lambda: made)
    with pytest.raises(UnreadableInput, match="test_kernels_spec"):
        as_spec(plain).example()
    monkeypatch.delattr(sys.modules[__name__], "example_plain")
    monkeypatch.setattr(sys.modules[__name__], "example", lambda: {"b": 3}, raising=False)
    assert as_spec(plain).example() == {}


def test_directions_are_ours_or_numbas() -> None:
    for module in (numba.cuda, sys.modules["rkruntime.kernels"]):
        assert unwrap(module.In([1])) == ([1], "in")
        assert unwrap(module.Out([1])) == ([1], "out")
        assert unwrap(module.InOut([1])) == ([1], "inout")
    assert unwrap(5) == (5, None)
    assert repr(In(1)) == "In(1)"
    assert {repr(Out(1)), repr(InOut(1))} == {"Out(1)", "InOut(1)"}
