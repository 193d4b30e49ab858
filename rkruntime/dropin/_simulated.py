"""Running a kernel by numba-cuda's simulator, Python thread by Python thread, where the compiler cannot take it.

The simulator finds `cuda` in a module's globals and exchanges it while a kernel runs. Here the kernel gets a copy of
its globals and closure instead, in which everything of `cuda` is the simulator's, however it is spelled: other threads
of the program keep theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba.cuda.simulator import kernel as simulator
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray, FakeWithinKernelCUDAArray
from numba.cuda.simulator.kernelapi import FakeCUDAModule

from rkruntime.dropin._arguments import view_of
from rkruntime.dropin._numba import cuda, dispatcher
from rkruntime.simt._linked import is_linked

__all__ = ("NotSimulated", "simulate")

_block_manager: Any = simulator.BlockManager
_push_context: Any = simulator._push_kernel_context
_module: Any = FakeCUDAModule
_outer: Any = FakeCUDAArray
_inner: Any = FakeWithinKernelCUDAArray
_one_at_a_time = threading.Lock()


def simulate(
    function: FunctionType, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], shared_bytes: int
) -> None:
    """Run a kernel to its end.

    Args:
        function: The kernel's Python function.
        grid: Blocks in x, y, z.
        block: Threads of a block in x, y, z.
        args: NumPy arrays and numbers.
        shared_bytes: Dynamic shared memory of a block.

    Raises:
        NotSimulated: The kernel uses what the simulator does not have.
        Exception: Whatever a thread of the kernel raised first.
    """
    fake = _module(tuple(grid), tuple(block), shared_bytes)
    values = [_inner(_outer(value)) if isinstance(value, np.ndarray | np.void) else value for value in args]
    body = _Rebinder(fake).function(function)
    with _one_at_a_time, _push_context(fake):
        for point in np.ndindex(*grid):
            manager: Any = _block_manager(body, tuple(grid), tuple(block), False)
            manager.run(point, *values)


class NotSimulated(Exception):
    """The simulator does not have what a kernel uses; the text says what."""


class _Late:
    """Stands for `threadIdx` and its like, imported by name: what it is depends on the thread that asks."""

    def __init__(self, fake: Any, name: str) -> None:
        self._find: Any = lambda: getattr(fake, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


class _Rebinder:
    """Copies functions so that what they know of `cuda` is the simulator's."""

    def __init__(self, fake: Any) -> None:
        self._fake = fake
        self._done: dict[int, Any] = {}
        self._names = {id(value): name for name, value in vars(cuda).items() if hasattr(fake, name)}

    def function(self, function: FunctionType) -> FunctionType:
        """Return a copy of a function, with the functions that it calls copied too."""
        known: FunctionType | None = self._done.get(id(function))
        if known is not None:
            return known
        code = function.__code__
        scope = dict(function.__globals__)
        cells = tuple(CellType() for _ in code.co_freevars)
        copy = FunctionType(code, scope, function.__name__, function.__defaults__, cells)
        copy.__kwdefaults__ = function.__kwdefaults__
        self._done[id(function)] = copy
        for name in _names_in(code) & scope.keys():
            scope[name] = self.value(scope[name])
        for cell, given in zip(cells, function.__closure__ or (), strict=True):
            cell.cell_contents = self.value(given.cell_contents)
        return copy

    def value(self, value: Any) -> Any:
        """Return what a kernel shall see in the place of a value."""
        if value is cuda:
            return self._fake
        name = self._names.get(id(value))
        if name is not None:
            return _Late(self._fake, name) if name in ("threadIdx", "blockIdx") else getattr(self._fake, name)
        if is_linked(value):
            raise NotSimulated(f"a call of {value.name}, which is linked from CUDA C++ or PTX")
        if hasattr(value, "__cuda_array_interface__"):
            return _inner(_outer(view_of(value)))
        if isinstance(value, dispatcher.CUDADispatcher):
            return self.function(value.py_func)
        if isinstance(value, FunctionType) and _has_compiled_meaning(value):
            raise NotSimulated(f"a call of {value.__qualname__}, which means something in compiled code alone")
        if isinstance(value, FunctionType) and _knows_cuda(value.__globals__):
            return self.function(value)
        return value


def _names_in(code: CodeType) -> set[str]:
    """Return the global names that a function and those inside it may ask for."""
    inner = [_names_in(const) for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*inner)


def _has_compiled_meaning(function: FunctionType) -> bool:
    """Whether numba-cuda calls something else for a function, so that its Python body says nothing."""
    if function.__module__.partition(".")[0] == "numpy":
        return False
    context = dispatcher.cuda_target.typing_context
    context.refresh()
    return context._lookup_global(function) is not None


def _knows_cuda(scope: Mapping[str, Any]) -> bool:
    return any(isinstance(value, ModuleType) and value is cuda for value in scope.values())
