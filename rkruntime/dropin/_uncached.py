"""`cuda.jit(cache=True)` where numba-cuda finds no folder that it can write to: programs run on, and are told."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

__all__ = ("UncachedKernel", "caching_if_possible", "saving_if_possible")

_MEND = "set NUMBA_CACHE_DIR to a folder that can be written to, or leave cache=True out"


class UncachedKernel(UserWarning):
    """A kernel with `cache=True` is not kept on disk, and typed again in each process."""


def caching_if_possible(theirs: Callable[[Any], None]) -> Callable[[Any], None]:
    """Wrap numba-cuda's `enable_caching`, which raises where it finds no folder for a kernel's file."""

    def enable_caching(self: Any) -> None:
        """Keep the kernel on disk, if there is a folder for it."""
        try:
            theirs(self)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            _tell(self.py_func, "there is no folder for its file that can be written to")

    return enable_caching


def saving_if_possible(theirs: Callable[[Any, Any, Any], None]) -> Callable[[Any, Any, Any], None]:
    """Wrap numba-cuda's `save_overload`, which raises where its folder is full or can be written to no longer."""

    def save_overload(self: Any, sig: Any, data: Any) -> None:
        """Write a compiled kernel, if that can be done."""
        try:
            theirs(self, sig, data)
        except OSError as error:
            _tell(self._py_func, str(error))

    return save_overload


def _tell(function: FunctionType, why: str) -> None:
    code = function.__code__
    text = f"kernel {function.__name__} has cache=True and is not kept on disk: {why}; {_MEND}"
    warnings.warn_explicit(text, UncachedKernel, code.co_filename, code.co_firstlineno, registry={})
