"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ("debug_option", "folders_option", "input_options")


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta["debug"] = True


debug_option = click.option("--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks.")

folders_option = click.option(
    "--kernels",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Look for kernels in this folder too; may be repeated.",
)

_INPUT = click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=FILE",
    help="Read an argument from .npy, .npz:KEY, .csv, .png or .wav; FILE:f4 converts it.",
)
_SET = click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="2.0, 3, true, 2.0:f4, 1,2,3 (a tuple), zeros:1000x2:f4 (an array), like:x (zeros like x).",
)


def input_options(command: Any) -> Any:
    """Add `--input` and `--set`."""
    return _INPUT(_SET(command))
