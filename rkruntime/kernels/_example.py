"""The arguments that a kernel's own module offers: its `example()`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from rkruntime.errors import UnreadableInput

__all__ = ("LAUNCH", "make_example")

LAUNCH = ("over", "grid", "block", "shared")
"""What an example may say beside the arguments: how to launch."""


def make_example(function: FunctionType, parameters: Sequence[str]) -> Mapping[str, Any]:
    """Call `example_<function>()` of the function's module, else its `example()`.

    A plain `example()` that names arguments of another kernel is that kernel's, and passed over.

    Returns:
        Values by argument, with some of `over`, `grid`, `block` and `shared`; empty where the module has no example.

    Raises:
        UnreadableInput: It raises, gives no mapping, or, made for this kernel, names arguments that it has not.
    """
    module = sys.modules.get(function.__module__)
    own = getattr(module, f"example_{function.__name__}", None)
    make = own or getattr(module, "example", None)
    if not callable(make):
        return {}
    path = str(getattr(module, "__file__", None) or function.__module__)
    name = getattr(make, "__name__", "example")
    try:
        made = make()
    except Exception as error:  # the kernel file's own code
        why = f"its {name}() raised {type(error).__name__}: {error}"
        raise UnreadableInput(path, why, "mend it, or leave it out and give the arguments") from error
    if not isinstance(made, Mapping):
        why = f"its {name}() gave {type(made).__name__}"
        raise UnreadableInput(path, why, "return a dict of argument name -> value, with over= or grid= and block=")
    foreign = [each for each in made if each not in parameters and each not in LAUNCH]
    if foreign and own is not None:
        why = f"its {name}() names {', '.join(map(str, foreign))}, which {function.__name__} does not take"
        raise UnreadableInput(path, why, f"name its arguments: {', '.join(parameters) or 'none'}")
    return {} if foreign else made
