"""`rustkernel runtime`: the runtime as it is configured."""

from __future__ import annotations

from typing import Any

import click

from rkruntime.cli._config import effective_options, show_effective

__all__ = ("command",)


@click.group("runtime")
def command() -> None:
    """Show the runtime as it is configured here."""


@command.command("show", epilog="Example: rustkernel runtime show --config config.toml")
@effective_options
def show(**options: Any) -> None:
    """Show the configuration that a runtime would run with here, and where each value comes from."""
    show_effective(**options)
