"""Colours: on a terminal alone, and never with NO_COLOR."""

from __future__ import annotations

import os

import click

__all__ = ("paint",)


def paint(text: str, *, bold: bool = False) -> str:
    """Paint what went wrong; click takes the colour off again where the output is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg="red", bold=bold)
