"""`rustkernel version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version

import click

import rkruntime
from rkruntime.cli._options import debug_option, json_option

__all__ = ("command", "installed")

BESIDE = ("numba", "numba-cuda", "numpy", "trio")


@click.command("version", epilog="Example: rustkernel version")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """Print the version, and those of what it stands on."""
    beside = {name: installed(name) for name in BESIDE}
    if as_json:
        told = {"rkruntime": rkruntime.__version__, "python": platform.python_version(), "machine": platform.machine()}
        click.echo(json.dumps(told | {"packages": beside}, indent=1))
        return
    click.echo(f"rkruntime {rkruntime.__version__}, Python {platform.python_version()} on {platform.machine()}")
    for name, number in beside.items():
        click.echo(f"  {name} {number}" if number else f"  {name}: not installed")


def installed(package: str) -> str | None:
    """Return the version of a package that is installed, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
