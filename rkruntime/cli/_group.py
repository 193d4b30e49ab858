"""The `rustkernel` command: commands are loaded when they are called, errors of ours are told in one block."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

import rkruntime
from rkruntime.cli._exit_codes import MEANINGS

__all__ = ("COMMANDS", "cli")

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("rkruntime.cli._run", "Launch one kernel on files, values or its example."),
        "demo": ("rkruntime.cli._demo", "Run kernels as actors on real input, checked against NumPy."),
        "explain": ("rkruntime.cli._explain", "Say how the CPU compiler runs a kernel, and why so."),
        "kernels": ("rkruntime.cli._kernels", "List and show the kernels that run and explain know by name."),
        "new": ("rkruntime.cli._new", "Write a kernel file to begin from, with its test."),
        "serve": ("rkruntime.cli._serve", "Serve kernels over HTTP."),
        "runtime": ("rkruntime.cli._runtime", "Prepare a runtime; ask a running one, and drain it."),
        "config": ("rkruntime.cli._config", "Write, check and show configurations."),
        "keys": ("rkruntime.cli._keys", "Make, list and revoke API keys of the service."),
        "audit": ("rkruntime.cli._audit", "Check audit logs."),
        "doctor": ("rkruntime.cli._doctor", "Say what is here to run kernels with, and what the runtime would pick."),
        "completion": ("rkruntime.cli._completion", "Print the script that completes this command in a shell."),
        "version": ("rkruntime.cli._version", "Print the version."),
    }
)
"""Name -> the module whose `command` it is, and what it does."""


class Commands(click.Group):
    """A group whose commands are imported when they are called, so that help and completion cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click gives it
        """Return the commands, in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of a command and return it."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command; of a name that is none, say which may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean {close[0]}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write what each command does, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it raises becomes one block on stderr and its exit status, unless `--debug` is given."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get("debug"):
                raise
            from rkruntime.cli._exit import fail  # here, since help must not wait for the errors' classes

            return ctx.exit(fail(error))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, and below it what the exit statuses say."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit status"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: rustkernel run saxpy --repeat 10",
)
@click.version_option(rkruntime.__version__, message="rkruntime %(version)s", help="Show the version and exit.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Run numba.cuda kernels as supervised actors, on the GPU at hand or compiled for the CPU."""
    ctx.meta["debug"] = debug
