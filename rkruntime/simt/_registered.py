"""Types, functions and operators that users have registered with numba-cuda, for numba's CPU target too.

numba-cuda keeps registries of its own beside numba's: of the types of values (`typeof_impl`), of how a type lies in
memory (`register_model`), of what calls and attributes return (`type_callable`, `make_attribute_wrapper`, templates),
and of how they become LLVM code (`lower_builtin`, `lower_cast` and so on). What is in them is made for the same types
and the same kind of contexts. So what a user put there is put into numba's as well; numba-cuda's own entries are not:
they make code for GPUs, and ours take their place.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from rkruntime.simt._extensions import Overload, without_context
from rkruntime.simt._foreign import for_cpus
from rkruntime.simt._objects import is_users

__all__ = ("carry_registered", "registered_may_matter")

_TYPING = ("numba.cuda.typing.templates", "builtin_registry"), ("numba.cuda.cudadecl", "registry")
_LOWERING = ("numba.cuda.core.imputils", "builtin_registry"), ("numba.cuda.cudaimpl", "registry")
_seen: dict[int, tuple[Any, int]] = {}  # of each registry's list, how much of it has been gone through
_carried: list[Any] = []
_everywhere: list[Any] = []  # of what was carried, what kernels may come by that name nothing of a user


def carry_registered() -> bool:
    """Give what users have registered for the cuda target to numba's CPU target, what is new since the last time.

    Returns:
        Whether there is any: machine code then depends on what no digest tells.

    Raises:
        UnsupportedKernel: An overload of a method, attribute or operator uses a feature that needs to know the thread.
    """
    _carry_types()
    _carry_typing()
    _carry_lowering()
    return bool(_carried)


def registered_may_matter(values: Iterable[Any], argument_types: Iterable[Any]) -> bool:
    """Carry what is new, and say whether anything that users have registered may be part of a kernel.

    What is registered for a user's type or function is for those alone that name it, or get it as an argument. What is
    for an operator, or an attribute of numba's own types, may be for every kernel.

    Args:
        values: What the kernel's names stand for, and those of its device functions.
        argument_types: Numba types of its arguments.
    """
    if not carry_registered():
        return False
    return bool(_everywhere) or any(map(_names_users, values)) or not all(map(_is_numbas, argument_types))


def _names_users(value: Any) -> bool:
    """Whether a value is a user's, or of a user's class, for which types may be registered."""
    if isinstance(value, tuple | list):
        return any(map(_names_users, value))
    return is_users(value if isinstance(value, type) else type(value))


def _is_numbas(kind: Any) -> bool:
    """Whether a type and all that it is made of are numba's own."""
    from numba.core import types

    if is_users(type(kind)):
        return False
    if isinstance(kind, types.Record):
        return all(_is_numbas(field.type) for field in kind.fields.values())
    if isinstance(kind, types.Array):
        return _is_numbas(kind.dtype)
    if isinstance(kind, types.Tuple | types.UniTuple):
        return all(map(_is_numbas, kind))
    plain = (types.Number, types.Boolean, types.NPDatetime, types.NPTimedelta, types.NoneType, types.UnicodeType)
    return isinstance(kind, plain)


def _note(entry: Any, key: Any) -> None:
    """Remember what was carried, and for what."""
    _carried.append(entry)
    if not is_users(key if isinstance(key, type) or callable(key) else type(key)):
        _everywhere.append(entry)


def _carry_types() -> None:
    """Carry how values are typed and how types lie in memory; what numba knows by itself stays."""
    import numba.core.datamodel
    import numba.core.typing.typeof

    managers: Any = numba.core.datamodel
    typing: Any = numba.core.typing.typeof
    models = _found("numba.cuda.models", "cuda_data_manager")
    for kind, model in dict(getattr(models, "_handlers", {})).items():
        if is_users(kind) and kind not in managers.default_manager._handlers:
            managers.default_manager.register(kind, model)
            _note(kind, kind)
    typeof = _found("numba.cuda.typing.typeof", "typeof_impl")
    for kind, function in dict(getattr(typeof, "registry", {})).items():
        if is_users(function) and kind not in typing.typeof_impl.registry:
            typing.typeof_impl.register(kind)(function)
            _note(kind, kind)


def _carry_typing() -> None:
    """Carry what calls, operators and attributes return."""
    import numba.core.typing.templates

    ours: Any = numba.core.typing.templates
    for registry in _registries(_TYPING, "_typingctx"):
        for template in _new(registry.functions):
            if hasattr(template, "_overload_func"):
                _carry_overload(template)
            elif _is_users_template(template):
                ours.builtin_registry.functions.append(template)
                _note(template, template.key)
        for template in _new(registry.attributes):
            if hasattr(template, "_overload_func"):
                _carry_attribute(template)
            elif _is_users_template(template):
                ours.builtin_registry.attributes.append(template)
                _note(template, template.key)
        for value, kind in _new(registry.globals):
            templates = getattr(kind, "templates", ())
            if not any(hasattr(one, "_overload_func") for one in templates) and any(map(_is_users_template, templates)):
                ours.builtin_registry.globals.append((value, kind))


def _carry_lowering() -> None:
    """Carry how calls, attributes, casts and constants become LLVM code, where a user's function or type is concerned.

    For numba's own functions of its own types there is code for CPUs already.
    """
    import numba.core.imputils

    ours: Any = numba.core.imputils
    for registry in _registries(_LOWERING, "_targetctx"):
        for name in ("functions", "getattrs", "setattrs", "casts", "constants"):
            for entry in _new(getattr(registry, name)):
                if any(map(is_users, _concerned(name, entry))):
                    getattr(ours.builtin_registry, name).append((for_cpus(entry[0]), *entry[1:]))
                    _carried.append(entry)  # which is for nothing else, since all of them have to fit


def _concerned(name: str, entry: tuple[Any, ...]) -> Iterator[Any]:
    """Go through the function and the types that an implementation is for."""
    if name == "functions":
        yield entry[1]
    yield from entry[-1]


def _carry_overload(template: Any) -> None:
    """Carry an overload of an operator or built-in function; kernels call those of plain functions with the context."""
    from rkruntime.simt._numba import overload

    one = Overload(template)
    if isinstance(template.key, FunctionType) or not is_users(one.define) or not callable(template.key):
        return
    overload(template.key, strict=False, prefer_literal=one.prefers_literals)(_definition(one, str(template.key)))
    _note(template, template.key)


def _carry_attribute(template: Any) -> None:
    """Carry an overload of an attribute or method."""
    import numba.extending

    one = Overload(template)
    if not is_users(one.define) or getattr(template, "metadata", {}).get("target", "cuda") != "cuda":
        return
    is_method = any("Method" in base.__name__ for base in template.__mro__)
    register: Any = numba.extending.overload_method if is_method else numba.extending.overload_attribute
    register(template.key, template._attr, strict=False, prefer_literal=one.prefers_literals)(
        _definition(one, template._attr)
    )
    _note(template, template.key)


def _definition(one: Overload, name: str) -> Callable[..., Any]:
    """Make the function that numba asks for an implementation; numba looks at its parameters."""

    @functools.wraps(one.define)
    def define(*args: Any, **keywords: Any) -> Any:
        found = one.implementation(args, keywords)
        if found is None:
            return None
        signature, implementation = found
        made = without_context(implementation, name)
        return made if signature is None else (signature, made)

    return define


def _registries(known: Iterable[tuple[str, str]], context: str) -> list[Any]:
    """Return numba-cuda's registries of one kind: those where users register, and those installed in its context."""
    found = [_found(module, name) for module, name in known]
    target = _found("numba.cuda.descriptor", "cuda_target")
    installed = getattr(getattr(target, context, None), "_registries", {})
    return list(dict.fromkeys(one for one in (*found, *installed) if one is not None))


def _found(module: str, name: str) -> Any:
    """Return an attribute of a module, or None where the module was not imported: nobody then registered there."""
    return getattr(sys.modules.get(module), name, None)


def _new(entries: list[Any]) -> list[Any]:
    """Return what a registry's list has gained since it was gone through last."""
    _, done = _seen.get(id(entries), (entries, 0))
    _seen[id(entries)] = entries, len(entries)
    return entries[done:]


def _is_users_template(template: Any) -> bool:
    """Whether a user wrote a template, or numba-cuda made it of a user's function or for a user's type.

    Not so those of intrinsics: kernels call another in their place.
    """
    if hasattr(template, "_definition_func"):
        return False
    functions = (inspect.unwrap(one) for one in vars(template).values() if isinstance(one, FunctionType))
    inner = (cell.cell_contents for function in functions for cell in function.__closure__ or () if _is_bound(cell))
    return any(map(is_users, (template, template.key, *inner)))


def _is_bound(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:
        return False
