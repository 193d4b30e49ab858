"""`rustkernel kernels`: what can be run by name, and what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rkruntime.cli._options import debug_option, folders_option, json_option, kernel_argument

__all__ = ("command",)


@click.group("kernels", invoke_without_command=True, epilog="Example: rustkernel kernels show saxpy")
@folders_option
@debug_option
@click.pass_context
def command(ctx: click.Context, folders: tuple[Path, ...]) -> None:
    """List and show the kernels that `run` and `explain` know by name; list, where neither is said."""
    ctx.obj = folders
    if ctx.invoked_subcommand is None:
        _list(folders, as_json=False)


@command.command(
    "list",
    short_help="List the kernels that are known by name.",
    epilog="Example: rustkernel kernels list --kernels mine/",
)
@folders_option
@json_option
@debug_option
@click.pass_obj
def list_command(above: tuple[Path, ...], folders: tuple[Path, ...], as_json: bool) -> None:
    """List the kernels that are known by name, with the first line of what they say of themselves."""
    _list((*above, *folders), as_json)


@command.command(
    "show",
    short_help="Show what a kernel takes, and how to run it.",
    epilog="Example: rustkernel kernels show black_scholes",
)
@kernel_argument
@folders_option
@json_option
@debug_option
@click.pass_obj
def show(above: tuple[Path, ...], name: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Show what NAME takes, how it would be launched, where it is written, and how to run it.

    NAME is the name of an installed kernel, FILE.py:KERNEL or MODULE:KERNEL. Types and sizes are those of the example
    beside the kernel.
    """
    from rkruntime.cli._kernel_page import page_dict, page_text
    from rkruntime.kernels import find

    page = page_dict(find(name, (*above, *folders)), name)
    click.echo(json.dumps(page, indent=1) if as_json else page_text(page))


def _list(folders: tuple[Path, ...], as_json: bool) -> None:
    from rkruntime.kernels import list_kernels

    known = list_kernels(folders)
    said = {name: (spec.function.__doc__ or "").strip().partition("\n")[0] for name, spec in known.items()}
    if as_json:
        rows = [{"name": name, "signature": spec.signature, "says": said[name]} for name, spec in known.items()]
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(map(len, known), default=0)
    for name, spec in known.items():
        click.echo(f"{name:{width}}  {said[name] or spec.signature}")
