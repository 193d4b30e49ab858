"""What a kernel is to the runtime: its function, its name, its parameters, and how it likes to be launched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, TypeAlias, cast, overload

import attrs

from rkruntime.device import KernelSource
from rkruntime.errors import ArgumentMismatch
from rkruntime.kernels._example import make_example
from rkruntime.kernels._signatures import Declared, read_slots

__all__ = ("KEPT_SIGNATURES", "BlockHint", "KernelSpec", "as_spec", "kernel")

BlockHint: TypeAlias = int | Sequence[int]

KEPT_SIGNATURES = "_rk_signatures"
"""Where a dispatcher made without a driver keeps the argument types of its signatures."""
_KEPT_ON = "_rk_kernel_spec"
_WANTED = "a @rk.kernel, a @cuda.jit kernel or a plain function"
_PASSED_ON = ("debug", "fastmath", "lineinfo", "max_registers", "launch_bounds", "link", "extensions")


@attrs.frozen(eq=False)
class KernelSpec:
    """A kernel, ready to be launched on any device.

    Args:
        name: What errors and records call it.
        source: What devices compile.
        block: Threads a block, where a launch says nothing: an int, or one int an axis; None for the default.
        parameters: Names of the arguments, in order.
        defaults: Values of the last parameters, where a launch leaves them out.
        declared: The signatures that its author declared, if any: launches take their types alone.
    """

    name: str
    source: KernelSource
    block: BlockHint | None = None
    parameters: tuple[str, ...] = ()
    defaults: tuple[Any, ...] = ()
    declared: tuple[Declared, ...] = ()

    @property
    def function(self) -> FunctionType:
        """The plain Python function."""
        return cast(FunctionType, self.source.function)

    @property
    def signature(self) -> str:
        """The kernel as its author's call would read: `saxpy(a, x, y, out)`."""
        return f"{self.name}({', '.join(self.parameters)})"

    def example(self) -> Mapping[str, Any]:
        """Return the arguments that the kernel's module offers in `example_<function>()` or `example()`.

        Returns:
            Values by argument, with some of `over`, `grid`, `block` and `shared`; empty where there is no example.

        Raises:
            UnreadableInput: The example raises, or gives no such mapping.
        """
        return make_example(cast(FunctionType, self.source.function), self.parameters)

    def __repr__(self) -> str:
        return f"<kernel {self.signature}>"


@overload
def kernel(function: Any, /) -> KernelSpec: ...


@overload
def kernel(
    *,
    name: str | None = ...,
    block: BlockHint | None = ...,
    debug: bool | None = ...,
    check_bounds: bool | None = ...,
    **options: Any,
) -> Callable[[Any], KernelSpec]: ...


def kernel(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    block: BlockHint | None = None,
    debug: bool | None = None,
    check_bounds: bool | None = None,
    **options: Any,
) -> KernelSpec | Callable[[Any], KernelSpec]:
    """Make a kernel of a plain function, or of a `@cuda.jit` dispatcher; with and without arguments.

    Args:
        function: The function, where the decorator stands alone.
        name: What errors and records call it; by default the function's name.
        block: Threads a block where a launch says nothing: an int, or one int an axis.
        debug: Check bounds and divisions; by default as the dispatcher says.
        check_bounds: Check bounds alone; on the CPU, since numba-cuda checks none.
        options: Further options of `cuda.jit`, such as `fastmath`.

    Raises:
        ArgumentMismatch: What is decorated is no kernel.
    """
    if debug is not None:
        options["debug"] = debug
    if check_bounds is not None:
        options["check_bounds"] = check_bounds

    def decorate(thing: Any) -> KernelSpec:
        return _make(thing, name, block, options)

    return decorate if function is None else decorate(function)


def as_spec(thing: Any) -> KernelSpec:
    """Return the spec of a kernel: of a spec itself, of a `@cuda.jit` dispatcher, or of a plain function.

    The same thing always gives the same spec, so that devices compile it once.

    Raises:
        ArgumentMismatch: It is no kernel.
    """
    if isinstance(thing, KernelSpec):
        return thing
    function: Any = _function_of(thing)
    # Kept on the kernel itself, so that it goes when the kernel goes; functools.wraps copies it on to other functions.
    kept = getattr(thing, _KEPT_ON, None)
    if isinstance(kept, KernelSpec) and kept.function is function:
        return kept
    spec = _make(thing, None, None, {})
    setattr(thing, _KEPT_ON, spec)
    return spec


def _make(thing: Any, name: str | None, block: BlockHint | None, options: Mapping[str, Any]) -> KernelSpec:
    if isinstance(thing, KernelSpec):
        source = attrs.evolve(thing.source, name=name or thing.name, options={**thing.source.options, **options})
        return attrs.evolve(thing, name=source.name, source=source, block=thing.block if block is None else block)
    function = _function_of(thing)
    chosen = name or function.__name__
    given = getattr(thing, "targetoptions", None) or {}
    kept = {key: given[key] for key in _PASSED_ON if given.get(key)}
    source = KernelSource(
        function=function,
        name=chosen,
        options={**kept, **options},
        dispatcher=None if thing is function else thing,
    )
    parameters, defaults = _parameters(chosen, function)
    return KernelSpec(chosen, source, block, parameters, defaults, _declared(thing, chosen, parameters))


def _declared(thing: Any, name: str, parameters: Sequence[str]) -> tuple[Declared, ...]:
    """Read the signatures of a dispatcher: those kept while it was made with no driver, or those it compiled."""
    kept = getattr(thing, KEPT_SIGNATURES, None)
    if kept is None and getattr(thing, "_can_compile", True) is False:
        kept = tuple(getattr(thing, "overloads", ()))
    declared = tuple(read_slots(types) for types in kept or ())
    for slots in declared:
        if len(slots) != len(parameters):
            got, wanted = f"a declared signature of {len(slots)}", f"{len(parameters)}: {', '.join(parameters)}"
            raise ArgumentMismatch(name, "signature", got, wanted, "give @cuda.jit a type for every parameter")
    return declared


def _function_of(thing: Any) -> FunctionType:
    if isinstance(thing, FunctionType):
        return thing
    options = getattr(thing, "targetoptions", None)
    function = getattr(thing, "py_func", None) or getattr(thing, "fn", None)
    name = getattr(thing, "__name__", None) or repr(thing)
    if not isinstance(function, FunctionType):
        raise ArgumentMismatch(name, "kernel", f"{type(thing).__name__} {thing!r}", _WANTED, f"give {_WANTED}")
    if getattr(thing, "_device", False) or (isinstance(options, Mapping) and options.get("device")):
        mend = "launch a kernel that calls it"
        raise ArgumentMismatch(function.__name__, "kernel", "a device function", "a kernel", mend)
    return function


def _parameters(name: str, function: FunctionType) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            mend = "name every parameter: kernels take neither *args nor keywords alone"
            raise ArgumentMismatch(name, parameter.name, str(parameter), "a positional parameter", mend)
    return tuple(p.name for p in parameters), function.__defaults__ or ()
