"""A kernel for one list of argument types, in the place of numba-cuda's own, which holds machine code for a GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pickle import PicklingError
from types import FunctionType, SimpleNamespace
from typing import Any, NoReturn

from rkruntime.dropin._arguments import converter_of, keep_apart, sample_of
from rkruntime.dropin._declared import fits, may_be_written, read_as, told
from rkruntime.dropin._device import ATTRIBUTES, COMPUTE_CAPABILITY
from rkruntime.dropin._engine import Engine
from rkruntime.dropin._fallback import fall_back, numba_cudas_error
from rkruntime.dropin._faults import as_cuda_raises, refused_launch
from rkruntime.dropin._function import HostFunction
from rkruntime.dropin._numba import GpuKernel, ReduceMixin, current_launch_config, dispatcher, signature, types
from rkruntime.dropin._options import check_options
from rkruntime.dropin._ptx import bytes_in
from rkruntime.dropin._report import Entry, kernels
from rkruntime.dropin._sources import executed
from rkruntime.errors import ArgumentMismatch, InvalidLaunch, KernelCompileError, KernelFault, UnsupportedKernel
from rkruntime.simt import Kernel, Special
from rkruntime.simt._arguments import check_count
from rkruntime.simt._executed import look_in
from rkruntime.simt._linked import Linked
from rkruntime.simt._prepared import Prepared, preparing
from rkruntime.simt._run import checked_extents
from rkruntime.simt._runner import MOST_TOGETHER, Extent, fitting
from rkruntime.simt._sizes import TooLarge, WrongAlignment
from rkruntime.simt._variants import variant_of

__all__ = ("HostKernel",)

_engine = Engine()
look_in(executed)


class HostKernel(ReduceMixin):  # type: ignore[misc]
    """One overload of a dispatcher: numba-cuda makes it, asks it for attributes, and launches it.

    Args:
        py_func: The kernel's function.
        argtypes: Numba types of its arguments.
        options: What `cuda.jit` was given.

    Raises:
        NumbaError: numba-cuda itself would not compile the kernel.
        UnsupportedKernel: Neither the CPU compiler can take it, nor may the simulator.
    """

    objectmode = False
    entry_point = None
    lifted: Sequence[Any] = ()

    def __init__(self, py_func: Any, argtypes: Sequence[Any], **options: Any) -> None:
        if options.get("device"):
            raise RuntimeError("Cannot compile a device function as a kernel")
        check_options(options)
        super().__init__()
        self._describe(argtypes, options)
        self.attach(py_func)

    def _describe(self, argtypes: Sequence[Any], options: dict[str, Any]) -> None:
        self.argtypes = tuple(argtypes)
        self.options = options
        self.debug = bool(options.get("debug"))
        self.extensions = list(options.get("extensions") or ())
        self.signature = signature(types.void, *self.argtypes)
        self.launch_config_sensitive = False
        self.refused: UnsupportedKernel | KernelCompileError | None = None
        self.py_func: Any = None
        self._gpu_kernel: Any = None
        self._converters = [converter_of(kind) for kind in self.argtypes]
        self._arrays = sum(isinstance(kind, types.Array) for kind in self.argtypes)
        self._last_checked: tuple[Any, tuple[Extent, Extent]] = None, ((1, 1, 1), (1, 1, 1))

    def attach(self, py_func: Any) -> None:
        """Compile the kernel's function, if there is none yet: numba-cuda's cache on disk keeps no functions."""
        if self.py_func is not None:
            return
        self.py_func = py_func
        self.entry_name = py_func.__name__
        places = zip(py_func.__code__.co_varnames, self.argtypes, strict=False)  # their number is checked at a launch
        functions = {name: kind.dispatcher for name, kind in places if isinstance(kind, types.Dispatcher)}
        self.compiled = Kernel(variant_of(py_func, functions), options={**self.options, "ends_threads": True})
        if not self.extensions:
            self._specialize([sample_of(kind) for kind in self.argtypes])
        config = current_launch_config()
        self.launch_config_sensitive |= config is not None and config._is_kernel_launch_config_sensitive()

    @property
    def argument_types(self) -> tuple[Any, ...]:
        """Numba types of the arguments."""
        return self.argtypes

    @property
    def codegen(self) -> Any:
        """What numba-cuda's cache takes the name of its target from."""
        return dispatcher.cuda_target.target_context.codegen()

    def bind(self) -> None:
        """Do nothing: there is no module to load."""

    def launch(self, args: Sequence[Any], griddim: Any, blockdim: Any, stream: Any = 0, sharedmem: int = 0) -> None:
        """Run the kernel; numba-cuda's dispatcher calls this."""
        if len(args) != len(self._converters):  # numba-cuda's dispatcher looks at as many as it has types of
            code = self.py_func.__code__
            check_count(self.entry_name, code.co_varnames[: code.co_argcount], args)
        after: list[Callable[[], object]] = []
        values = self._extended(args, stream, after) if self.extensions else self._converted(args)
        if self._arrays > 1:
            keep_apart(args, values, after)
        special = self.compiled.find(values) or self._specialize_as_declared(values)
        shape = griddim, blockdim, sharedmem
        checked = self._last_checked
        if shape != checked[0]:
            checked = self._last_checked = shape, self._checked(*shape)
        grid, block = checked[1]
        if special is not None and self.extensions:
            with preparing(values):
                fitting(special, block)  # which may compile for such blocks
        began_s = time.perf_counter()
        if special is None:
            self._simulate(grid, block, values, sharedmem)
        else:
            try:
                _engine.run(special, grid, block, tuple(values), sharedmem)
            except KernelFault as fault:
                raise as_cuda_raises(fault, self.debug, self.py_func.__globals__) from fault.__cause__
            except InvalidLaunch as error:
                raise refused_launch(error, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE") from None
        self._count(special, time.perf_counter() - began_s)
        for call in after:
            call()

    def _converted(self, args: Sequence[Any]) -> list[Any]:
        """Turn arguments into what compiled code takes."""
        try:
            return [convert(value) for convert, value in zip(self._converters, args, strict=True)]
        except TypeError:
            for place, (convert, value) in enumerate(zip(self._converters, args, strict=True)):
                try:
                    convert(value)
                except TypeError as error:
                    raise self._mismatch(place, value) from error
            raise

    def _specialize_as_declared(self, values: list[Any]) -> Special | None:
        """Compile for arguments that are not those of the last launches, if the kernel takes them."""
        if not self.extensions:
            values[:] = map(read_as, self.argtypes, values)
        for place, (kind, value) in enumerate(zip(self.argtypes, values, strict=True)):
            if not self.extensions and not (fits(kind, value) and (may_be_written(kind, value) or self._reads(place))):
                raise self._mismatch(place, value)
        with preparing(values):
            return self._specialize(values)

    def _reads(self, place: int) -> bool:
        """Whether the kernel, as it was declared, stores nothing to an argument."""
        special = self._specialize([sample_of(kind) for kind in self.argtypes])
        return special is None or place not in special.written

    def _mismatch(self, place: int, value: Any) -> ArgumentMismatch:
        declared = f"{self.argtypes[place]}, as the kernel's signature says"
        mend = "give what is declared (x.astype(np.float32), np.ascontiguousarray(x)), or declare no signature"
        name = self.py_func.__code__.co_varnames[place]
        return ArgumentMismatch(self.entry_name, name, told(value), declared, mend)

    def _extended(self, args: Sequence[Any], stream: Any, after: list[Callable[[], object]]) -> list[Any]:
        """Let the extensions of `cuda.jit` turn arguments into others; what shall follow the launch goes to `after`."""
        values = []
        for declared, value in zip(self.argtypes, args, strict=True):
            kind = declared
            for extension in reversed(self.extensions):
                kind, value = extension.prepare_args(kind, value, stream=stream, retr=after)
            made = converter_of(kind)(value)
            values.append(made if kind == declared else Prepared(made, kind, declared))
        return values

    def _checked(self, grid: Any, block: Any, shared_bytes: int) -> tuple[Extent, Extent]:
        """Check a launch against the limits of CUDA and of the kernel's own launch bounds."""
        try:
            extents = checked_extents(self.entry_name, grid, block, shared_bytes)
            threads = math.prod(extents[1])
            if threads > self.max_threads_per_block:
                allowed = f"at most {self.max_threads_per_block} threads by its launch bounds, not {threads}"
                raise InvalidLaunch(self.entry_name, "block", extents[1], allowed, "take smaller blocks")
        except InvalidLaunch as error:
            raise refused_launch(error) from None
        return extents

    def _specialize(self, values: Sequence[Any]) -> Special | None:
        """Compile for arguments; None where the simulator has to run the kernel."""
        if self.refused is None:
            try:
                return self.compiled.specialize(values)
            except (TooLarge, WrongAlignment):
                raise  # for GPUs too
            except (UnsupportedKernel, KernelCompileError) as error:
                theirs = numba_cudas_error(self.py_func, self.argtypes, self.debug)
                if theirs is not None:
                    raise theirs from error
                self.refused = error
            fall_back(self.refused)
        return None

    def _simulate(self, grid: Any, block: Any, values: Sequence[Any], shared_bytes: int) -> None:
        from rkruntime.dropin._simulated import NotSimulated, simulate

        assert self.refused is not None
        if isinstance(self.refused, Linked):
            raise self.refused
        try:
            simulate(self.py_func, grid, block, values, shared_bytes)
        except NotSimulated as error:
            raise self._unsupported(str(error), "write it in Python, or run the program on a GPU") from self.refused
        except AttributeError as error:
            if "FakeCUDA" in str(error):
                raise self.refused from error  # the simulator does not have it either
            raise
        except NotImplementedError as error:
            raise self.refused from error  # numba's intrinsics say so, which compiled code alone can call
        except Exception as error:
            error.add_note(f"The kernel was simulated, since it could not be compiled: {self.refused}")
            raise

    def _count(self, special: Special | None, took_s: float) -> None:
        code = self.py_func.__code__
        place = f"{code.co_filename}:{code.co_firstlineno}"
        if special is None:
            types_of = ", ".join(map(str, self.argtypes))
            kernels.count(self, Entry(self.entry_name, place, types_of, "simulator"), took_s)
        else:
            entry = Entry(special.name, place, special.signature, special.lowering, compile_s=special.compile_s)
            kernels.count(special, entry, took_s)

    # what scripts ask a compiled kernel for

    @property
    def regs_per_thread(self) -> int:
        """Registers of a thread: as many as let the largest block run and `max_registers` allows; a CPU counts none."""
        most = ATTRIBUTES["MAX_REGISTERS_PER_BLOCK"] // ATTRIBUTES["MAX_THREADS_PER_BLOCK"]
        return min(most, self.options.get("max_registers") or most)

    @property
    def max_threads_per_block(self) -> int:
        """The largest block that this kernel runs with."""
        bounds = self.options.get("launch_bounds")
        first = bounds[0] if isinstance(bounds, tuple) else bounds
        return int(first) if first else ATTRIBUTES["MAX_THREADS_PER_BLOCK"]

    @property
    def shared_mem_per_block(self) -> int:
        """Bytes of static shared memory, as numba-cuda compiles the kernel for a GPU."""
        return bytes_in(self.inspect_asm(), ".shared")

    @property
    def const_mem_size(self) -> int:
        """Bytes of constant memory, as numba-cuda compiles the kernel for a GPU."""
        return bytes_in(self.inspect_asm(), ".const")

    @property
    def local_mem_per_thread(self) -> int:
        """Bytes of local memory, as numba-cuda compiles the kernel for a GPU."""
        return bytes_in(self.inspect_asm(), ".local")

    @property
    def cooperative(self) -> bool:
        """Whether all threads of the grid wait for one another."""
        special = self._specialize([sample_of(kind) for kind in self.argtypes])
        return special is not None and special.cooperative

    def max_cooperative_grid_blocks(self, blockdim: Any, dynsmemsize: int = 0) -> int:  # noqa: ARG002
        """How many blocks can wait for one another."""
        threads = math.prod(blockdim) if isinstance(blockdim, tuple) else int(blockdim)
        return MOST_TOGETHER // max(threads, 1)

    @property
    def _codelibrary(self) -> Any:
        function = HostFunction(self.entry_name, self.max_threads_per_block)
        return SimpleNamespace(get_cufunc=lambda: function, _linking_files=frozenset())

    # what a GPU would run: numba-cuda compiles it, where NVVM is installed

    def inspect_llvm(self) -> str:
        """Return the LLVM IR that numba-cuda makes for a GPU."""
        return str(self._for_gpu("inspect_llvm").inspect_llvm())

    def inspect_asm(self, cc: Any = COMPUTE_CAPABILITY) -> str:
        """Return the PTX that numba-cuda makes for a GPU."""
        return str(self._for_gpu("inspect_asm").inspect_asm(cc))

    def inspect_lto_ptx(self, cc: Any = COMPUTE_CAPABILITY) -> str:
        """Return the PTX of what is linked to the kernel."""
        return str(self._for_gpu("inspect_lto_ptx").inspect_lto_ptx(cc))

    def inspect_types(self, file: Any = None) -> None:
        """Write the types that numba-cuda infers, line by line."""
        self._for_gpu("inspect_types").inspect_types(file)

    @property
    def type_annotation(self) -> Any:
        """The types that numba-cuda infers."""
        return self._for_gpu("type_annotation").type_annotation

    _type_annotation = type_annotation

    def inspect_sass(self) -> NoReturn:
        """Say that there is no machine code of a GPU."""
        raise self._nothing_for_gpu("inspect_sass")

    def inspect_sass_cfg(self) -> NoReturn:
        """Say that there is no machine code of a GPU."""
        raise self._nothing_for_gpu("inspect_sass_cfg")

    def explain(self) -> str:
        """Say how the kernel was lowered for the CPU, or why it is simulated."""
        special = self._specialize([sample_of(kind) for kind in self.argtypes])
        return special.explain() if special is not None else f"simulated: {self.refused}"

    def _for_gpu(self, what: str) -> Any:
        """Return numba-cuda's own kernel, which is not for launching."""
        if self._gpu_kernel is None:
            try:
                self._gpu_kernel = GpuKernel(self.py_func, self.argtypes, **self.options)
            except (OSError, RuntimeError, ImportError) as error:
                raise self._nothing_for_gpu(what) from error
        return self._gpu_kernel

    def _nothing_for_gpu(self, what: str) -> UnsupportedKernel:
        return self._unsupported(
            f"{what}: the kernel is compiled for the CPU, and there is no code for a GPU here",
            "PTX needs NVVM (pip install 'rkruntime[cuda]'); SASS needs a GPU's tools",
        )

    def _unsupported(self, construct: str, mend: str) -> UnsupportedKernel:
        code = self.py_func.__code__
        return UnsupportedKernel(self.entry_name, construct, code.co_filename, code.co_firstlineno, mend)

    def _reduce_states(self) -> dict[str, Any]:
        """Return what numba-cuda's cache on disk keeps; the machine code is in the CPU compiler's own."""
        if self.options.get("link"):
            raise RuntimeError("Cannot pickle CUDACodeLibrary with linking files")
        if any(hasattr(value, "__cuda_array_interface__") for value in _captured(self.py_func)):
            raise PicklingError(f"{self.entry_name} refers to global device arrays, which no cache can keep")
        return {
            "argtypes": self.argtypes,
            "options": self.options,
            "launch_config_sensitive": self.launch_config_sensitive,
        }

    @classmethod
    def _rebuild(cls, argtypes: Sequence[Any], options: dict[str, Any], launch_config_sensitive: bool) -> HostKernel:
        kernel = cls.__new__(cls)
        kernel._describe(argtypes, options)
        kernel.launch_config_sensitive = launch_config_sensitive
        return kernel


def _captured(function: FunctionType) -> Iterator[Any]:
    """Go through what a function captures: its closure, and the globals that it names."""
    for name in function.__code__.co_names:
        yield function.__globals__.get(name)
    for cell in function.__closure__ or ():
        yield cell.cell_contents
