"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rkruntime.cli._completing import complete_instances, complete_kernels

__all__ = (
    "debug_option",
    "folder_option",
    "folders_option",
    "input_options",
    "instance_option",
    "json_option",
    "kernel_argument",
    "named_instance_option",
    "target_argument",
    "trace_option",
)


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta["debug"] = True


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

debug_option = click.option("--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show tracebacks.")

folders_option = click.option(
    "--kernels",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Look for kernels in this folder too; may be repeated.",
)

trace_option = click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what happens to this file, for Perfetto (ui.perfetto.dev).",
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


kernel_argument = click.argument("name", shell_complete=complete_kernels)
target_argument = click.argument("target", shell_complete=complete_kernels)


def _check_instance(_ctx: click.Context, _: click.Parameter, value: str) -> str:
    from rkruntime.control import is_instance_name

    if not is_instance_name(value):
        raise click.BadParameter(f"{value!r}: give letters, digits, '.', '_' and '-', such as worker-1")
    return value


instance_option = click.option(
    "--instance",
    default="auto",
    metavar="NAME",
    callback=_check_instance,
    help="The name under which `runtime status` and `drain` find it; auto, unless given: default, or pid-N.",
)
"""For commands that open a runtime."""

named_instance_option = click.option(
    "--instance",
    default="default",
    show_default=True,
    metavar="NAME",
    callback=_check_instance,
    shell_complete=complete_instances,
    help="The runtime that is meant.",
)
"""For commands that ask one."""


folder_option = click.option(
    "--folder",
    metavar="DIR",
    help="Where its socket is, for another user's runtime, as its log says; that user gives roles by socket_role_map.",
)


def input_options(command: Any) -> Any:
    """Add `--input` and `--set`."""
    return _INPUT(_SET(command))
