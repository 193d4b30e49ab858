"""Machine code of a kernel as it lies on disk, and how it is linked into a process that has not compiled anything.

Numba would set up its whole compiler first, with all that it knows of types and functions, which takes longer than all
the rest of a small script's first launch. Machine code needs none of that, but the addresses of what it calls.
"""

# Numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,attr-defined,unused-ignore"

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import attrs
import llvmlite.binding as llvm
from llvmlite import ir
from numba import _dynfunc
from numba.core.environment import Environment, lookup_environment
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

__all__ = ("OnDisk", "link", "parts_of")

_provided: set[str] = set()


@attrs.frozen(eq=False)
class OnDisk:
    """A driver that was compiled by another process.

    Args:
        entry_point: What workers call.
        library: Owns its machine code.
        environments: Constants of all that it is made of, to which its machine code points.
    """

    entry_point: Any
    library: Any
    environments: tuple[Any, ...]


def parts_of(compiled: Any) -> tuple[Any, ...]:
    """Return what `link` takes, for a driver that `_whole` made: all of it can be pickled."""
    module = compiled.library._final_module
    outside = [one.name for one in (*module.functions, *module.global_variables) if one.is_declaration]
    wrapper = compiled.wrapper
    name, kind, (machine_code, _) = compiled.library.serialize_using_object_code()
    return (
        (name, kind, (machine_code, _only(wrapper))),
        wrapper,
        tuple((name, list(one.consts)) for name, one in compiled.environments.items()),
        tuple(name for name in outside if not name.startswith("llvm.")),
    )


def _only(name: str) -> bytes:
    """Return LLVM's bitcode of a module that defines a function of this name alone.

    Numba keeps all of a library's bitcode for others to inline, and reads from it what the library defines: of a
    driver nobody asks for anything but its wrapper.
    """
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), ()), name)
    ir.IRBuilder(function.append_basic_block()).ret_void()
    bitcode: bytes = llvm.parse_assembly(str(module)).as_bitcode()
    return bitcode


def link(
    library_data: Any, wrapper: str, environments: Sequence[tuple[str, list[Any]]], outside: Sequence[str]
) -> OnDisk:
    """Make machine code callable.

    Args:
        library_data: What numba's library is serialised to.
        wrapper: The function in it for callers in Python.
        environments: Names and constants of the functions that it is made of; the driver's own comes first.
        outside: What it refers to and does not define.

    Raises:
        LookupError: This process does not have one of those.
    """
    _provide(outside)
    generator = cpu_target.target_context.codegen()
    library = generator.unserialize_library(library_data)
    found = tuple(_environment(name, constants) for name, constants in environments)
    for one in found:
        generator.set_env(one.env_name, one)
    address = library.get_pointer_to_function(wrapper)
    entry = _dynfunc.make_function(importlib.import_module(__name__), "drive", "", address, found[0], (library,))
    return OnDisk(entry, library, found)


def _provide(outside: Sequence[str]) -> None:
    """Have the linker know what machine code refers to: it would end the process where it finds none."""
    context = cpu_target.target_context
    for prepare in (lambda: rtsys.initialize(context), context.refresh, lambda: None):
        missing = [name for name in outside if name not in _provided and llvm.address_of_symbol(name) is None]
        if not missing:
            _provided.update(outside)
            return
        prepare()
    raise LookupError(f"nothing here is called {missing[0]}")


def _environment(name: str, constants: list[Any]) -> Any:
    """Return the environment of that name, made if nobody has it."""
    found: Any = lookup_environment(name)
    if found is None:
        found = Environment({"__name__": __name__})
        found.consts[:] = constants
        found.env_name = name
        Environment._memo[name] = found
    return found
