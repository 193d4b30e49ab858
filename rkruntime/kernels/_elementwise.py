"""A function of numbers, applied to every element: what `@vectorize(target="cuda")` makes, as a kernel."""

from __future__ import annotations

import importlib
import inspect
import linecache
from types import FunctionType
from typing import Any

__all__ = ("ElementwiseKernel",)

SOURCE = """\
def {name}({inputs}, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = core({elements})
"""


class ElementwiseKernel:
    """A NumPy ufunc on the host, and a kernel over 1-D arrays: one per parameter, and `out`.

    Args:
        core: The function of numbers.
        ufunc: The same, compiled for the host.
    """

    def __init__(self, core: FunctionType, ufunc: Any) -> None:
        self.core = core
        self.ufunc = ufunc
        self.__name__ = core.__name__
        self.__doc__ = core.__doc__
        self.__module__ = core.__module__
        self.targetoptions: dict[str, Any] = {}
        self.py_func = _kernel_of(core)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Apply it to host arrays, as a NumPy ufunc does; a CUDA stream is left out."""
        options.pop("stream", None)
        return self.ufunc(*args, **options)


def _kernel_of(core: FunctionType) -> FunctionType:
    cuda: Any = importlib.import_module("numba.cuda")
    names = [name if name != "out" else "out_" for name in inspect.signature(core).parameters]
    text = SOURCE.format(
        name=core.__name__, inputs=", ".join(names), elements=", ".join(f"{name}[i]" for name in names)
    )
    path = f"<elementwise {core.__module__}.{core.__qualname__}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # where inspect finds its source
    scope: dict[str, Any] = {"cuda": cuda, "core": cuda.jit(device=True)(core), "__name__": core.__module__}
    exec(compile(text, path, "exec"), scope)  # nothing of it is given from outside but parameters' names
    made = scope[core.__name__]
    assert isinstance(made, FunctionType)
    return made
