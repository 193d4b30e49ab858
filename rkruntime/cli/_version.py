"""`rustkernel version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

import rkruntime

__all__ = ("command",)

BESIDE = ("numba", "numba-cuda", "numpy", "trio")


@click.command("version", epilog="Example: rustkernel version")
def command() -> None:
    """Print the version, and those of what it stands on."""
    click.echo(f"rkruntime {rkruntime.__version__}, Python {platform.python_version()} on {platform.machine()}")
    for name in BESIDE:
        try:
            click.echo(f"  {name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"  {name}: not installed")
