"""`rustkernel kernels`: what can be run by name."""

from __future__ import annotations

from pathlib import Path

import click

from rkruntime.cli._options import debug_option, folders_option

__all__ = ("command",)


@click.command("kernels")
@folders_option
@debug_option
def command(folders: tuple[Path, ...]) -> None:
    """List the kernels that `run` and `explain` know by name."""
    from rkruntime.kernels import list_kernels

    known = list_kernels(folders)
    width = max(map(len, known), default=0)
    for name, spec in known.items():
        said = (spec.function.__doc__ or "").strip().partition("\n")[0]
        click.echo(f"{name:{width}}  {said or spec.signature}")
