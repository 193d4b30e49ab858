"""What a shell may complete: kernels and instances by name."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ("complete_instances", "complete_kernels")


def complete_kernels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the kernels that are known by name, those of `--kernels` among them; and files, for there they are too."""
    if "/" in incomplete or "." in incomplete:
        return [CompletionItem(incomplete, type="file")]
    from rkruntime.errors import RkError
    from rkruntime.kernels import list_kernels

    try:
        known = list_kernels(ctx.params.get("folders") or ())
    except RkError:  # a broken file is for the command itself to tell
        known = {}
    names = [CompletionItem(name) for name in known if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]


def complete_instances(_ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the instances that are running."""
    from rkruntime.control import running_instances

    return [CompletionItem(name) for name in running_instances() if name.startswith(incomplete)]
