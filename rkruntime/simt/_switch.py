"""Changing stacks: the few machine instructions that leave one fiber and go on with another.

`rk_switch(save, resume)` pushes the registers that a call must keep, writes the stack pointer to `save`, takes `resume`
as the new one, pops and returns: into the caller of whoever switched away from that stack last. `rk_enter` is where a
new stack begins: its first two kept registers hold a function and the argument to call it with.

The rounding modes (mxcsr, the x87 control word, fpcr) are not switched: kernel code has no means to change them.

Both are symbols that compiled kernels name and the linker resolves, so machine code kept on disk stays valid in
another process once this module is imported. x86-64 and aarch64 are known. The aarch64 text is assembled in the tests,
where an assembler for it is at hand, and has been run under an emulator; it has not been executed on hardware.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import attrs
import llvmlite.binding as llvm
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from rkruntime.errors import DeviceUnavailable
from rkruntime.simt._parts import PART

__all__ = ("MACHINES", "Machine", "assembly", "machine", "machine_code", "native", "new_stack", "put", "switch", "word")

WORD = ir.IntType(64)
BYTE_P = ir.IntType(8).as_pointer()
F = TypeVar("F", bound=Callable[..., Any])


def machine_code(function: Callable[..., Any]) -> Any:
    """Make a numba intrinsic, which compiled functions call and whose code `function` emits."""
    return intrinsic(prefer_literal=False)(function)


def native(function: F) -> F:
    """Compile a function with numba on its first use, for other compiled code alone; its ints are int64."""
    return cast(F, njit(**PART)(function))


@attrs.frozen
class Machine:
    """How one instruction set keeps registers on a stack.

    Args:
        switch: Instructions of `rk_switch`; the System V or AAPCS64 argument registers hold `save` and `resume`.
        enter: Instructions of `rk_enter`.
        words: Words of 8 bytes that `rk_switch` pops, the return address included.
        argument: The word that becomes the argument of the first call.
        function: The word that becomes the function of the first call.
        return_address: The word that becomes the place to go on at.
    """

    switch: Sequence[str]
    enter: Sequence[str]
    words: int
    argument: int
    function: int
    return_address: int


_X86_KEPT = ("%rbp", "%rbx", "%r12", "%r13", "%r14", "%r15")
_ARM_KEPT = (
    *((f"x{k}", f"x{k + 1}") for k in range(19, 30, 2)),
    *((f"d{k}", f"d{k + 1}") for k in range(8, 15, 2)),
)

MACHINES = {
    "x86_64": Machine(
        switch=(
            *(f"pushq {register}" for register in _X86_KEPT),
            "movq %rsp, (%rdi)",
            "movq %rsi, %rsp",
            *(f"popq {register}" for register in reversed(_X86_KEPT)),
            "retq",
        ),
        enter=("movq %r12, %rdi", "callq *%rbx", "ud2"),
        words=7,
        argument=3,
        function=4,
        return_address=6,
    ),
    "aarch64": Machine(
        switch=(
            "sub sp, sp, #160",
            *(f"stp {a}, {b}, [sp, #{16 * k}]" for k, (a, b) in enumerate(_ARM_KEPT)),
            "mov x9, sp",
            "str x9, [x0]",
            "mov sp, x1",
            *(f"ldp {a}, {b}, [sp, #{16 * k}]" for k, (a, b) in enumerate(_ARM_KEPT)),
            "add sp, sp, #160",
            "ret",
        ),
        enter=("mov x0, x19", "blr x20", "brk #0"),
        words=20,
        argument=0,
        function=1,
        return_address=11,
    ),
}
_OTHER_NAMES = {"amd64": "x86_64", "AMD64": "x86_64", "arm64": "aarch64"}


def machine(name: str | None = None, system: str | None = None) -> Machine:
    """Return the instruction set of this machine, or of the one named.

    Raises:
        DeviceUnavailable: Fibers are not written for that machine or system.
    """
    name = platform.machine() if name is None else name
    system = sys.platform if system is None else system
    known = MACHINES.get(_OTHER_NAMES.get(name, name))
    if known is None or system == "win32":
        raise DeviceUnavailable(
            "cpu", f"kernels with barriers need x86-64 or aarch64 on Linux or macOS, and this is {name} on {system}"
        )
    return known


def assembly(instructions: Machine, symbol_prefix: str = "") -> str:
    """Return an LLVM module that defines `rk_switch` and `rk_enter`, and a getter for the address of each.

    Args:
        instructions: The machine to write for.
        symbol_prefix: What the object format puts before C names: an underscore on macOS.
    """
    text = [".text"]
    for name, lines in (("rk_switch", instructions.switch), ("rk_enter", instructions.enter)):
        text += [f".globl {symbol_prefix}{name}", ".p2align 4", f"{symbol_prefix}{name}:", *lines]
    return "\n".join(
        [
            *(f'module asm "{line}"' for line in text),
            "declare void @rk_switch(ptr, ptr)",
            "declare void @rk_enter()",
            "define i64 @rk_switch_address() { ret i64 ptrtoint (ptr @rk_switch to i64) }",
            "define i64 @rk_enter_address() { ret i64 ptrtoint (ptr @rk_enter to i64) }",
        ]
    )


def _load_symbols() -> Any:
    """Assemble for this machine and make both symbols known to the linker of compiled kernels."""
    import ctypes

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    module = llvm.parse_assembly(assembly(machine(), "_" if sys.platform == "darwin" else ""))
    engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine())
    engine.finalize_object()
    for name in ("rk_switch", "rk_enter"):
        getter = ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address(f"{name}_address"))
        llvm.add_symbol(name, getter())
    return engine


_engine = _load_symbols()  # owns the machine code, for as long as the process lives


def _external(builder: ir.IRBuilder, name: str, *arguments: ir.Type) -> ir.Function:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), arguments), name)


@machine_code
def switch(typing_context: Any, save: Any, resume: Any) -> Any:
    """Leave this stack, writing its pointer to the address `save`; go on where stack pointer `resume` was left."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = _external(builder, "rk_switch", BYTE_P, BYTE_P)
        builder.call(function, [builder.inttoptr(argument, BYTE_P) for argument in args])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@machine_code
def new_stack(typing_context: Any, top: Any, function: Any, argument: Any) -> Any:
    """Write a stack's first frame below `top` (16-byte aligned); switching to the result calls `function(argument)`.

    The function must never return: it has nowhere to return to.
    """
    layout = machine()

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        enter = builder.ptrtoint(_external(builder, "rk_enter"), WORD)
        words = {layout.argument: args[2], layout.function: args[1], layout.return_address: enter}
        pointer = builder.sub(args[0], ir.Constant(WORD, 8 * layout.words))
        for k in range(layout.words):
            place = builder.inttoptr(builder.add(pointer, ir.Constant(WORD, 8 * k)), WORD.as_pointer())
            builder.store(words.get(k, ir.Constant(WORD, 0)), place)
        return pointer

    return types.int64(types.int64, types.int64, types.int64), codegen


def _word(typing_context: Any, record: Any, k: Any) -> Any:
    """Read word `k` (8 bytes each, int64) of the record at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_word_pointer(builder, *args))

    return types.int64(types.int64, types.int64), codegen


word: Callable[[int, int], int] = machine_code(_word)


@machine_code
def put(typing_context: Any, record: Any, k: Any, value: Any) -> Any:
    """Write word `k` of the record at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _word_pointer(builder, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _word_pointer(builder: ir.IRBuilder, record: ir.Value, k: ir.Value) -> ir.Value:
    return builder.gep(builder.inttoptr(record, WORD.as_pointer()), [k])
