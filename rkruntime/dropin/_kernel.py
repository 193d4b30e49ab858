"""A kernel for one list of argument types, in the place of numba-cuda's own, which holds machine code for a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

from rkruntime.dropin._arguments import host_argument, sample_of
from rkruntime.dropin._device import ATTRIBUTES
from rkruntime.dropin._engine import Engine
from rkruntime.dropin._numba import ReduceMixin, signature, types
from rkruntime.errors import UnsupportedKernel
from rkruntime.simt import Kernel

__all__ = ("HostKernel",)

_engine = Engine()


class HostKernel(ReduceMixin):  # type: ignore[misc]
    """One overload of a dispatcher: numba-cuda makes it, asks it for attributes, and launches it.

    Args:
        py_func: The kernel's function.
        argtypes: Numba types of its arguments.
        options: What `cuda.jit` was given.

    Raises:
        UnsupportedKernel: A construct that the CPU compiler cannot take.
        KernelCompileError: The kernel does not type for these arguments.
    """

    objectmode = False
    entry_point = None
    launch_config_sensitive = False
    cooperative = False
    lifted: Sequence[Any] = ()

    def __init__(self, py_func: Any, argtypes: Sequence[Any], **options: Any) -> None:
        if options.get("device"):
            raise RuntimeError("Cannot compile a device function as a kernel")
        self.py_func = py_func
        self.argtypes = tuple(argtypes)
        self.options = options
        self.debug = bool(options.get("debug"))
        self.extensions = list(options.get("extensions") or ())
        self.signature = signature(types.void, *self.argtypes)
        self.entry_name = py_func.__name__
        self.compiled = Kernel(py_func, options=options)
        if not self.extensions:
            self.compiled.specialize([sample_of(kind) for kind in self.argtypes])

    @property
    def argument_types(self) -> tuple[Any, ...]:
        """Numba types of the arguments."""
        return self.argtypes

    def bind(self) -> None:
        """Do nothing: there is no module to load."""

    def launch(self, args: Sequence[Any], griddim: Any, blockdim: Any, stream: Any = 0, sharedmem: int = 0) -> None:
        """Run the kernel; numba-cuda's dispatcher calls this."""
        copies: list[Callable[[], object]] = []
        values = []
        for kind, value in zip(self.argtypes, args, strict=True):
            for extension in reversed(self.extensions):
                kind, value = extension.prepare_args(kind, value, stream=stream, retr=copies)
            values.append(host_argument(kind, value, copies))
        special = self.compiled.find(values) or self.compiled.specialize(values)
        _engine.run(special, tuple(griddim), tuple(blockdim), tuple(values), sharedmem)
        for copy in copies:
            copy()

    # what scripts ask a compiled kernel for

    @property
    def regs_per_thread(self) -> int:
        """Registers of a thread: as many as let the largest block run, since a CPU has no such count."""
        return ATTRIBUTES["MAX_REGISTERS_PER_BLOCK"] // ATTRIBUTES["MAX_THREADS_PER_BLOCK"]

    @property
    def max_threads_per_block(self) -> int:
        """The largest block that this kernel runs with."""
        bounds = self.options.get("launch_bounds")
        first = bounds[0] if isinstance(bounds, tuple) else bounds
        return int(first) if first else ATTRIBUTES["MAX_THREADS_PER_BLOCK"]

    @property
    def shared_mem_per_block(self) -> int:
        """Bytes of static shared memory."""
        return 0

    @property
    def const_mem_size(self) -> int:
        """Bytes of constant memory."""
        return 0

    @property
    def local_mem_per_thread(self) -> int:
        """Bytes of local memory."""
        return 0

    def max_cooperative_grid_blocks(self, blockdim: Any, dynsmemsize: int = 0) -> int:  # noqa: ARG002
        """How many blocks can wait for one another."""
        threads = math.prod(blockdim) if isinstance(blockdim, tuple) else int(blockdim)
        per_processor = ATTRIBUTES["MAX_THREADS_PER_MULTIPROCESSOR"] // max(threads, 1)
        return per_processor * ATTRIBUTES["MULTIPROCESSOR_COUNT"]

    @property
    def _codelibrary(self) -> Any:
        attributes = SimpleNamespace(max_threads_per_block=self.max_threads_per_block)
        function = SimpleNamespace(kernel=SimpleNamespace(attributes=attributes), handle=0, name=self.entry_name)
        return SimpleNamespace(get_cufunc=lambda: function)

    def inspect_llvm(self) -> NoReturn:
        """Say that there is no LLVM IR for a GPU."""
        self._refuse("inspect_llvm")

    def inspect_asm(self, cc: Any = None) -> NoReturn:  # noqa: ARG002
        """Say that there is no PTX."""
        self._refuse("inspect_asm")

    def inspect_lto_ptx(self, cc: Any = None) -> NoReturn:  # noqa: ARG002
        """Say that there is no PTX."""
        self._refuse("inspect_lto_ptx")

    def inspect_sass(self) -> NoReturn:
        """Say that there is no SASS."""
        self._refuse("inspect_sass")

    def inspect_sass_cfg(self) -> NoReturn:
        """Say that there is no SASS."""
        self._refuse("inspect_sass_cfg")

    def inspect_types(self, file: Any = None) -> None:
        """Write how the kernel was lowered for the CPU."""
        special = self.compiled.specialize([sample_of(kind) for kind in self.argtypes])
        print(special.explain(), file=file)

    def _refuse(self, what: str) -> NoReturn:
        code = self.py_func.__code__
        raise UnsupportedKernel(
            self.entry_name,
            f"{what}: the kernel is compiled for the CPU, so there is no code for a GPU",
            code.co_filename,
            code.co_firstlineno,
            "cuda.compile_ptx compiles for a GPU without having one; inspect_types shows what runs here",
        )

    def _reduce_states(self) -> dict[str, Any]:
        return {"py_func": self.py_func, "argtypes": self.argtypes, "options": self.options}

    @classmethod
    def _rebuild(cls, py_func: Any, argtypes: Sequence[Any], options: dict[str, Any]) -> HostKernel:
        return cls(py_func, argtypes, **options)
