"""Compiling to PTX with no driver: the compiler's seam, its errors, and that no library kernel is left out."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import numba
import pytest
from numba import cuda

from rkruntime.device._cuda_compile import compile_to_ptx, jit_options
from rkruntime.errors import KernelCompileError


def reverse_block(x):
    tile = cuda.shared.array(64, numba.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    x[t] = tile[63 - t]


def misuse(x):
    i = cuda.grid(1)
    x[i] = x[i].no_such_thing


VECTOR = numba.void(numba.float32[::1])


@pytest.fixture(scope="module")
def nvvm() -> None:
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib("nvvm")
        load_nvidia_dynamic_lib("nvrtc")
    except DynamicLibNotFoundError as error:
        pytest.skip(f"numba-cuda's compiler is not installed (the cuda extra): {error}")


@pytest.mark.usefixtures("nvvm")
@pytest.mark.parametrize("cc", [(8, 0), (9, 0)])
@pytest.mark.parametrize("kernel", [reverse_block, cuda.jit(reverse_block)], ids=["function", "dispatcher"])
def test_a_kernel_becomes_ptx_for_its_architecture(kernel, cc: tuple[int, int]) -> None:
    ptx = compile_to_ptx(kernel, VECTOR, cc)
    assert f".target sm_{cc[0]}{cc[1]}" in ptx
    assert ".visible .entry" in ptx
    assert "bar.sync" in ptx or "barrier.sync" in ptx


@pytest.mark.usefixtures("nvvm")
def test_a_kernel_that_does_not_type_names_the_authors_line() -> None:
    with pytest.raises(KernelCompileError) as caught:
        compile_to_ptx(misuse, VECTOR, (8, 0))
    assert (caught.value.kernel, caught.value.file) == ("misuse", __file__)
    assert caught.value.line == misuse.__code__.co_firstlineno + 2
    assert "no_such_thing" in caught.value.detail


def test_debug_is_not_optimised_unless_asked() -> None:
    assert jit_options({"debug": True}) == {"debug": True, "opt": False}
    assert jit_options({"debug": True, "opt": True}) == {"debug": True, "opt": True}
    assert jit_options({"check_bounds": True, "fastmath": True}) == {"fastmath": True}
    assert jit_options({"fastmath": True}) == {"fastmath": True}


def test_every_kernel_of_the_library_is_compiled_by_the_library_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "kernels")
    library_cases = importlib.import_module("library_cases")
    package = importlib.import_module("rkkernels")
    found = set()
    for module in pkgutil.iter_modules(package.__path__, "rkkernels."):
        members = inspect.getmembers(importlib.import_module(module.name))
        found |= {
            name
            for name, value in members
            if hasattr(value, "py_func") and not value.targetoptions.get("device") and not name.startswith("_")
        }
    assert found == {case.name for case in library_cases.CASES}
    assert found
