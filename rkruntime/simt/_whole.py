"""A kernel put together: what runs blocks, the kernel's body, and between them what reads the kernel's arguments.

Nothing here is compiled by numba from Python: it would take as long for the smallest function as for a small kernel.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.environment import Environment
from numba.core.funcdesc import FunctionDescriptor
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

from rkruntime.simt import _seam as seam
from rkruntime.simt import _state
from rkruntime.simt._borrowed import without_owner
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt._parts import VectorLibrary, WholeLibrary
from rkruntime.simt._stubs import END_OF_INDICES
from rkruntime.simt.lanes import MOST_BYTES, emit_merge, emit_take

__all__ = ("Parts", "Whole", "put_together")

WORD, BYTE = ir.IntType(64), ir.IntType(8)
PARAMETERS = ("control", "state", "grid", "block", "shared_bytes", "args")
NO_LIMITS = (0, END_OF_INDICES) * 6


@attrs.frozen(eq=False)
class Parts:
    """What a kernel brings.

    Args:
        context: Numba's type of the first parameter of its functions.
        body: The compile result of `body(ctx, *args)`.
        argument_types: Numba's types of its arguments.
        limits: That of `limits(ctx, *args)`; None where a block has none, or nobody asks.
        private: Arguments of which a worker may have a copy.
    """

    context: Any
    body: Any
    argument_types: tuple[Any, ...]
    limits: Any = None
    private: tuple[int, ...] = ()


@attrs.frozen(eq=False)
class Whole:
    """A compiled driver.

    Args:
        entry_point: What workers call.
        library: Owns its machine code.
        environments: Constants of all that it is made of, to which its machine code points, by the names that it has
            for them; its own first.
        wrapper: The name of the function for callers in Python.
    """

    entry_point: Any
    library: Any
    environments: Mapping[str, Any]
    wrapper: str


@global_compiler_lock  # type: ignore[untyped-decorator]
def put_together(template: llvm.ModuleRef, parts: Parts, *, vectors: bool) -> Whole:
    """Compile a kernel's driver.

    Args:
        template: What runs blocks, by `template_of`; it is used up.
        parts: What the kernel brings.
        vectors: Whether its vectors are explicit.
    """
    cpu_target.target_context.refresh()
    # Whoever launches holds the arguments: of most, nobody need count references.
    counts = not all(map(_can_be_borrowed, parts.argument_types))
    context: Any = cpu_target.target_context.subtarget(enable_nrt=counts)
    # Processes load each other's machine code, and the linker knows functions by name.
    name = f"drive_{os.urandom(16).hex()}"
    library = (VectorLibrary if vectors else WholeLibrary)(context.codegen(), name)
    library.enable_object_caching()
    drive = FunctionDescriptor(
        native=True,
        modname=__name__,
        qualname=name,
        unique_name=name,
        doc=None,
        typemap={},
        restype=types.none,
        calltypes={},
        args=PARAMETERS,
        kws=(),
        argtypes=(*seam.DRIVE_PARAMETERS[:-1], types.Tuple(parts.argument_types)),
    )
    environment = Environment.from_fndesc(drive)
    with context.push_code_library(library):
        module = library.create_ir_module(name)
        _Seam(context, module, parts).define(drive)
        library.add_ir_module(module)
        library.link_template(template, f"{name}_run", (seam.DRIVE, seam.BLOCKS, *_names_in(module)))
        context.create_cpython_wrapper(library, drive, environment, None)
        for part in (parts.body, *filter(None, (parts.limits,))):
            library.add_linking_library(part.library)
        library.add_linking_library(rtsys.library)
    entry = context.get_executable(library, drive, environment)
    return Whole(entry, library, {environment.env_name: environment, **library.kept}, drive.llvm_cpython_wrapper_name)


def _can_be_borrowed(type_: Any) -> bool:
    """Whether numba can take a value of this type from Python without counting references."""
    if isinstance(type_, types.BaseTuple):
        return all(map(_can_be_borrowed, type_))
    return isinstance(type_, types.Array | types.Number | types.Boolean)


def _names_in(module: ir.Module) -> tuple[str, ...]:
    """Return which of the seam's functions a module defines."""
    found = (module.globals.get(name) for name in (seam.RUN, seam.BODY, seam.LIMITS, seam.TAKE, seam.MERGE))
    return tuple(one.name for one in found if one is not None)


class _Seam:
    """Defines the functions of `_seam` for one kernel.

    Its arguments lie in a frame while blocks are handed out. What runs a range of them is a function of its own, which
    takes the arguments as they are, and has a frame of its own that LLVM takes apart: what is in its loops is as if
    they were written for this kernel. That one has the arguments twice, as given and as the worker has them.
    """

    def __init__(self, context: Any, module: ir.Module, parts: Parts) -> None:
        self.context = context
        self.convention = context.call_conv
        self.module = module
        self.parts = parts
        self.count = len(parts.argument_types)
        values = [context.get_value_type(one) for one in parts.argument_types]
        rooms = [ir.ArrayType(BYTE, MOST_BYTES).as_pointer() for _ in parts.private]
        self.outer = ir.LiteralStructType(values)
        self.inner = ir.LiteralStructType([*values, *values, *rooms])

    def define(self, drive: Any) -> None:
        """Define them all, and the driver."""
        self._define_drive(drive)
        self._define_run(self._define_range(drive.qualname))
        self._define_call(seam.BODY, self.parts.body, types.none, mine=True)
        if self.parts.context == LoopContext:
            self._define_call(seam.LIMITS, self.parts.limits, seam.LIMITS_TYPE, mine=False)
            self._define_copies()

    def _define_drive(self, drive: Any) -> None:
        """Define what workers call: it puts the arguments into a frame, without their owners, and lets the GIL go.

        Unless the launch is too short for that: whoever waits for it would have it for longer than the launch takes.
        """
        function = self.context.declare_function(self.module, drive)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        *others, args = self.convention.decode_arguments(builder, drive.argtypes, function)
        frame = _room(builder, self.outer)
        for k, type_ in enumerate(self.parts.argument_types):
            held = without_owner(self.context, builder, type_, builder.extract_value(args, k))
            builder.store(held, _place(builder, frame, k))
        given = [*others, builder.bitcast(frame, BYTE.as_pointer())]
        with _without_gil(self.context, builder, others[0]):
            status = self._call(builder, seam.DRIVE, seam.DRIVE_PARAMETERS, given)
        self._end(builder, status)

    def _define_run(self, runs: str) -> None:
        """Define what takes the arguments from their frame, and runs a range of blocks."""
        function = seam.declared(self.context, self.module, seam.RUN, types.none, seam.RUN_PARAMETERS)
        with _body_of(function) as builder:
            *others, address = self.convention.decode_arguments(builder, seam.RUN_PARAMETERS, function)
            frame = builder.bitcast(address, self.outer.as_pointer())
            given = [*others, *(builder.load(_place(builder, frame, k)) for k in range(self.count))]
            self._pass_on(builder, runs, (*seam.RUN_PARAMETERS[:-1], *self.parts.argument_types), given)

    def _define_range(self, driver: str) -> str:
        """Define what runs a range of blocks with the arguments; return its name."""
        name, parameters = f"{driver}_run", (*seam.RUN_PARAMETERS[:-1], *self.parts.argument_types)
        function = seam.declared(self.context, self.module, name, types.none, parameters)
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        values = self.convention.decode_arguments(builder, parameters, function)
        others, held = values[: len(values) - self.count], values[len(values) - self.count :]
        frame = _room(builder, self.inner)
        for k, one in enumerate([*held, *held]):
            builder.store(one, _place(builder, frame, k))
        for k in range(len(self.parts.private)):
            room = _room(builder, ir.ArrayType(BYTE, MOST_BYTES))
            room.align = 64
            builder.store(room, _place(builder, frame, 2 * self.count + k))
        given = [*others, builder.bitcast(frame, BYTE.as_pointer())]
        self._pass_on(builder, seam.BLOCKS, seam.RUN_PARAMETERS, given)
        return name

    def _pass_on(self, builder: ir.IRBuilder, name: str, parameters: Sequence[Any], given: Sequence[ir.Value]) -> None:
        """Emit a call as a function's last act."""
        self._end(builder, self._call(builder, name, parameters, given))

    def _call(self, builder: ir.IRBuilder, name: str, parameters: Sequence[Any], given: Sequence[ir.Value]) -> Any:
        function = seam.declared(self.context, self.module, name, types.none, parameters)
        return self.convention.call_function(builder, function, types.none, parameters, given)[0]

    def _end(self, builder: ir.IRBuilder, status: Any) -> None:
        """Emit a function's end, by how a call ended."""
        with builder.if_then(status.is_error, likely=False):
            self.convention.return_status_propagate(builder, status)
        self.convention.return_value(builder, self.context.get_dummy_value())

    def _define_call(self, name: str, part: Any, returns: Any, *, mine: bool) -> None:
        """Define what calls a part of the kernel with the arguments that are in a frame."""
        parameters = (self.parts.context, seam.FRAME)
        function = seam.declared(self.context, self.module, name, returns, parameters)
        with _body_of(function) as builder:
            if part is None:
                limits = ir.Constant(self.context.get_value_type(returns), NO_LIMITS)
                self.convention.return_value(builder, limits)
                return
            ctx, address = self.convention.decode_arguments(builder, parameters, function)
            given = [ctx, *self._held(builder, address, self.count if mine else 0)]
            status, result = self.context.call_internal_no_propagate(builder, part.fndesc, part.signature, given)
            with builder.if_then(status.is_error, likely=False):
                self.convention.return_status_propagate(builder, status)
            if returns == types.none:
                result = self.context.get_dummy_value()
            else:
                result = self.context.cast(builder, result, part.signature.return_type, returns)
            self.convention.return_value(builder, result)

    def _define_copies(self) -> None:
        for name in (seam.TAKE, seam.MERGE):
            function = seam.plainly_declared(self.module, name)
            address, state, threads = function.args
            with _body_of(function) as builder:
                held = self._held(builder, address, 0)
                rooms = dict(zip(self.parts.private, self._held(builder, address, 2 * self.count), strict=False))
                how = (self.context, builder, self.parts.argument_types, held, rooms, state)
                if rooms and name == seam.MERGE:
                    emit_merge(*how)
                elif rooms:
                    frame = builder.bitcast(address, self.inner.as_pointer())
                    for k, one in enumerate(emit_take(*how, threads)):
                        builder.store(one, _place(builder, frame, self.count + k))
                builder.ret_void()

    def _held(self, builder: ir.IRBuilder, address: ir.Value, first: int) -> Sequence[ir.Value]:
        """Read the arguments from a frame; or the places of copies, which follow them."""
        count = min(self.count, len(self.inner.elements) - first)
        frame = builder.bitcast(address, self.inner.as_pointer())
        return [builder.load(_place(builder, frame, first + k)) for k in range(count)]


@contextmanager
def _without_gil(context: Any, builder: ir.IRBuilder, control: ir.Value) -> Iterator[None]:
    """Let the GIL go for what is emitted in the block, unless the control record says to keep it."""
    python = context.get_python_api(builder)
    words = builder.inttoptr(control, WORD.as_pointer())
    kept = builder.load(builder.gep(words, [ir.Constant(ir.IntType(32), _state.KEEPS_GIL)]))
    lets_go = builder.icmp_signed("==", kept, ir.Constant(WORD, 0))
    thread = _room(builder, BYTE.as_pointer())
    with builder.if_then(lets_go):
        builder.store(python.save_thread(), thread)
    yield
    with builder.if_then(lets_go):
        python.restore_thread(builder.load(thread))


@contextmanager
def _body_of(function: ir.Function) -> Iterator[ir.IRBuilder]:
    function.attributes.add("alwaysinline")
    yield ir.IRBuilder(function.append_basic_block("entry"))


def _room(builder: ir.IRBuilder, type_: ir.Type) -> ir.Value:
    """Make room on the stack, where LLVM can take it apart; numba's own way would fill it first."""
    with builder.goto_entry_block():
        return builder.alloca(type_)


def _place(builder: ir.IRBuilder, frame: ir.Value, k: int) -> ir.Value:
    return builder.gep(frame, [ir.Constant(ir.IntType(32), one) for one in (0, k)])
