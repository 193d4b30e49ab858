"""`rustkernel completion`: click's completion script, printed."""

from __future__ import annotations

import click

__all__ = ("command",)

VARIABLE = "_RUSTKERNEL_COMPLETE"


@click.command("completion", epilog='Example: eval "$(rustkernel completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete this command: commands, options, kernels, presets and instances.

    Put the example's line into ~/.bashrc or ~/.zshrc; for fish, write the script to
    ~/.config/fish/completions/rustkernel.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(ctx.find_root().command, {}, "rustkernel", VARIABLE)
    click.echo(complete.source_template % complete.source_vars())
