"""Compiling for the CUDA device: numba-cuda's own dispatchers, specialised for one list of argument types."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from rkruntime.device._api import Dim3, KernelSource
from rkruntime.device._cuda_backoff import best_block
from rkruntime.device._cuda_errors import compile_error
from rkruntime.device._cuda_numba import numba_cuda, numba_error, numba_typeof

__all__ = ("CudaCompiled", "CudaCompiler", "compile_to_ptx")

CONFIGURATIONS = 64
"""Launch configurations kept per kernel."""

CANDIDATE_BLOCKS = (64, 128, 256, 512, 1024)


class CudaCompiled:
    """A dispatcher of numba-cuda, specialised.

    Args:
        source: The kernel.
        dispatcher: Its specialised dispatcher.
        signature: The types that it was specialised for.
        arguments: How many arguments it takes.
        compile_s: Seconds that the compilation took.
    """

    lowering = "cuda"

    def __init__(self, source: KernelSource, dispatcher: Any, signature: str, arguments: int, compile_s: float) -> None:
        self.source = source
        self.dispatcher = dispatcher
        self.signature = signature
        self.written = frozenset(range(arguments))
        self.compile_s = compile_s
        self._configured: dict[tuple[Dim3, Dim3, Any, int], Any] = {}

    @property
    def name(self) -> str:
        """The kernel's name."""
        return self.source.name

    def explain(self) -> str:
        """Say what it was compiled for, what a thread of it takes, and the head of its PTX."""
        kernel = next(iter(self.dispatcher.overloads.values()))
        ptx = next(iter(self.dispatcher.inspect_asm().values()))
        head = [line for line in ptx.splitlines() if line.startswith((".version", ".target", ".address_size"))]
        return "\n".join(
            [
                f"{self.name}({self.signature}): compiled by numba-cuda in {self.compile_s:.3f} s",
                f"{kernel.regs_per_thread} registers and {kernel.local_mem_per_thread} local bytes a thread, "
                f"{kernel.shared_mem_per_block} shared bytes a block, at most {kernel.max_threads_per_block} threads",
                *head,
            ]
        )

    def configure(self, grid: Dim3, block: Dim3, stream: Any, shared_bytes: int) -> Any:
        """Return what launches it so; numba's advice on small grids is left out, as they are often meant."""
        key = (grid, block, stream, shared_bytes)
        if key not in self._configured:
            if len(self._configured) >= CONFIGURATIONS:
                self._configured.clear()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Grid size .* low occupancy")
                self._configured[key] = self.dispatcher.configure(*key)
        return self._configured[key]

    def preferred_block(self, shared_bytes: int = 0) -> int:
        """Ask the driver's occupancy calculator for the block size that keeps most threads active."""
        kernel = next(iter(self.dispatcher.overloads.values()))
        most = kernel.max_threads_per_block
        sizes = [size for size in CANDIDATE_BLOCKS if size <= most] or [most]
        return best_block({size: kernel.max_cooperative_grid_blocks(size, shared_bytes) for size in sizes})


class CudaCompiler:
    """Compiles each kernel once for each list of argument types, and keeps what it compiled."""

    def __init__(self) -> None:
        self._dispatchers: dict[tuple[object, ...], Any] = {}
        self._compiled: dict[tuple[object, ...], CudaCompiled] = {}

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> CudaCompiled:
        """Compile for the types of `args`.

        Raises:
            KernelCompileError: The kernel does not type or compile; names the author's line.
        """
        types = _types(kernel, args)
        key = (*_identity(kernel), types)
        if key in self._compiled:
            return self._compiled[key]
        signature = ", ".join(str(kind) for kind in types)
        began_s = time.perf_counter()
        try:
            dispatcher = self._dispatcher(kernel)
            special = dispatcher if dispatcher.specialized else dispatcher.specialize(*args)
        except (numba_error(), TypeError, ValueError, NotImplementedError) as error:
            raise compile_error(kernel, signature, error) from error
        compiled = CudaCompiled(kernel, special, signature, len(args), time.perf_counter() - began_s)
        return self._compiled.setdefault(key, compiled)

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Whether `compile` would answer at once."""
        return (*_identity(kernel), _types(kernel, args)) in self._compiled

    def clear(self) -> None:
        """Forget what was compiled."""
        self._compiled.clear()
        self._dispatchers.clear()

    def _dispatcher(self, kernel: KernelSource) -> Any:
        if kernel.dispatcher is not None:
            return kernel.dispatcher
        identity = _identity(kernel)
        if identity not in self._dispatchers:
            self._dispatchers[identity] = numba_cuda().jit(**jit_options(kernel.options))(kernel.function)
        return self._dispatchers[identity]


def jit_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `cuda.jit`'s options; debug code is not optimised unless `opt` says so."""
    chosen = {name: value for name, value in options.items() if name != "check_bounds"}  # numba-cuda has no such
    if chosen.get("debug"):
        chosen.setdefault("opt", False)
    return chosen


def compile_to_ptx(function: Any, signature: Any, cc: tuple[int, int]) -> str:
    """Compile a kernel to PTX with no device and no driver.

    Args:
        function: A plain Python function, or a `cuda.jit` dispatcher.
        signature: Its numba types, as `numba.void(...)`.
        cc: The compute capability, such as (9, 0).

    Raises:
        KernelCompileError: The kernel does not type or compile.
    """
    plain = getattr(function, "py_func", function)
    options = {key: value for key, value in getattr(function, "targetoptions", {}).items() if key in ("fastmath",)}
    try:
        ptx, _ = numba_cuda().compile_ptx(plain, signature, cc=cc, **options)
    except (numba_error(), TypeError, ValueError, NotImplementedError) as error:
        raise compile_error(KernelSource(plain, plain.__name__), str(signature), error) from error
    return str(ptx)


def _identity(kernel: KernelSource) -> tuple[object, ...]:
    if kernel.dispatcher is not None:
        return (kernel.dispatcher,)
    return (kernel.function, tuple(sorted((name, repr(value)) for name, value in kernel.options.items())))


def _types(kernel: KernelSource, args: Sequence[object]) -> tuple[Any, ...]:
    try:
        return tuple(numba_typeof(arg) for arg in args)
    except ValueError as error:
        raise compile_error(kernel, ", ".join(type(arg).__name__ for arg in args), error) from error
