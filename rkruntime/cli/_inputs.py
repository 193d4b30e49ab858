"""Put a kernel's arguments together: the `example()` beside it, then `--input`, then `--set`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from rkruntime.cli._files import read_array
from rkruntime.cli._values import like_example, parse_named, parse_value
from rkruntime.errors import ArgumentMismatch, InvalidLaunch
from rkruntime.kernels import KernelSpec

__all__ = ("Inputs", "gather")

LAUNCH = ("over", "grid", "block", "shared")


@attrs.frozen(kw_only=True, eq=False)
class Inputs:
    """What a kernel is launched with.

    Args:
        args: By parameter, in order.
        launch: `over`, `grid`, `block`, `shared`, those that are known.
    """

    args: Mapping[str, Any]
    launch: Mapping[str, Any]

    def fresh(self) -> list[Any]:
        """Return the arguments with arrays of their own, so that a launch finds what the first one found."""
        return [value.copy() if isinstance(value, np.ndarray) else value for value in self.args.values()]


def gather(spec: KernelSpec, inputs: Sequence[str], values: Sequence[str], asked: Mapping[str, Any]) -> Inputs:
    """Put arguments and launch together.

    Args:
        spec: The kernel.
        inputs: `NAME=FILE` texts.
        values: `NAME=VALUE` texts.
        asked: `over`, `grid`, `block`, `shared` as given on the command line; None where not.

    Raises:
        ArgumentMismatch: An argument that the kernel has not, or one that it lacks.
        InvalidLaunch: Nothing says how many threads there are to be.
        UnreadableInput: A file, or the example, cannot be read.
    """
    example = spec.example()
    known = {name: example[name] for name in spec.parameters if name in example}
    replaced = False
    for text in inputs:
        name, file = parse_named(text, "--input")
        check_name(spec, name)
        known[name] = read_array(file)
        replaced = True
    for text in values:
        name, written = parse_named(text, "--set")
        check_name(spec, name)
        value = parse_value(written, known)
        replaced = replaced or isinstance(value, np.ndarray)
        known[name] = like_example(value, example.get(name))
    required = spec.parameters[: len(spec.parameters) - len(spec.defaults)]
    for name in required:
        if name not in known:
            mend = f"give --input {name}=FILE or --set {name}=VALUE, or write an example() beside the kernel"
            raise ArgumentMismatch(spec.name, name, "nothing", spec.signature, mend)
    missing = dict(zip(reversed(spec.parameters), reversed(spec.defaults), strict=False))
    args = {name: known[name] if name in known else missing[name] for name in spec.parameters}
    return Inputs(args=args, launch=_launch(spec, example, asked, replaced))


def check_name(spec: KernelSpec, name: str) -> None:
    """Check that the kernel has this parameter.

    Raises:
        ArgumentMismatch: It has not.
    """
    if name not in spec.parameters:
        close = difflib.get_close_matches(name, spec.parameters, 1)
        mend = f"did you mean {close[0]}?" if close else f"give one of {', '.join(spec.parameters) or 'none'}"
        raise ArgumentMismatch(spec.name, name, "an argument that it does not have", spec.signature, mend)


def _launch(spec: KernelSpec, example: Mapping[str, Any], asked: Mapping[str, Any], replaced: bool) -> dict[str, Any]:
    launch = {name: value for name, value in asked.items() if value is not None}
    own_size = "over" in launch or "grid" in launch
    if not own_size and replaced:
        mend = "give --over, such as --over 1000 or --over 640,480 (along x, y), or --grid with --block"
        raise InvalidLaunch(
            spec.name, "launch over", "nothing", "a size, as the arrays are not the example's own", mend
        )
    if not own_size and not ("over" in example or "grid" in example):
        mend = "give --over, such as --over 1000, or --grid with --block"
        raise InvalidLaunch(spec.name, "launch over", "nothing", "a size: one thread an element", mend)
    taken = [name for name in LAUNCH if name in example and not (own_size and name in ("over", "grid"))]
    return {name: example[name] for name in taken} | launch
