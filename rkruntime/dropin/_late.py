"""Device functions with declared signatures: numba-cuda compiles them for a GPU as they are declared; here nobody asks.

To compile the smallest of them takes as long as numba-cuda itself, whose tables of all that kernels may call are loaded
with the first. The CPU compiler knows such a function by its declared types, and compiles it with the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rkruntime.dropin._numba import global_compiler_lock, signature, typeinfer

__all__ = ("LateDevice", "compiling_late")


class LateDevice:
    """Stands among a dispatcher's overloads for what numba-cuda would compile, and is that once it is asked for more.

    Args:
        dispatcher: The device function's.
        argtypes: The declared types.
        return_type: The declared type of the result.
        compile_device: What compiles it and puts it among the overloads.
    """

    objectmode = False

    def __init__(
        self, dispatcher: Any, argtypes: tuple[Any, ...], return_type: Any, compile_device: Callable[..., Any]
    ) -> None:
        self.signature = signature(return_type, *argtypes)
        self._dispatcher, self._argtypes, self._compile = dispatcher, argtypes, compile_device

    def __getattr__(self, name: str) -> Any:
        """Return what the compiled function has; this is not called for what the class itself has."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._compiled(), name)

    def _compiled(self) -> Any:
        overloads = self._dispatcher.overloads
        with global_compiler_lock, typeinfer.register_dispatcher(self._dispatcher):
            if overloads.get(self._argtypes) is self:
                del overloads[self._argtypes]
            try:
                return self._compile(self._dispatcher, self._argtypes, self.signature.return_type)
            except BaseException:
                overloads[self._argtypes] = self  # so that who calls it again is told again
                raise


def compiling_late(theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Return what replaces numba-cuda's `compile_device`: it compiles at once where the result's type is not declared.

    Args:
        theirs: numba-cuda's.
    """

    def compile_device(self: Any, args: tuple[Any, ...], return_type: Any = None) -> Any:
        """Note the declared signature."""
        if return_type is None or args in self.overloads:
            return theirs(self, args, return_type)
        late = self.overloads[args] = LateDevice(self, args, return_type, theirs)
        return late

    return compile_device
