"""`rustkernel runtime`: prepare a runtime, ask a running one, drain it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from rkruntime.cli._config import effective_options, show_effective
from rkruntime.cli._configured import PRESETS
from rkruntime.cli._exit_codes import INTERRUPTED, ExitCode
from rkruntime.cli._options import debug_option, folder_option, json_option, named_instance_option

__all__ = ("command",)

SILENCE_S = 30.0
"""Seconds without a word after which a draining runtime counts as not answering; it speaks every fifth of a second."""


@click.group("runtime", epilog="Example: rustkernel runtime status --instance default")
def command() -> None:
    """Prepare a runtime; ask a running one, and drain it.

    A runtime that `run` or `demo` opened, or a program with `open_runtime(instance=...)`, is found by its name.
    """


@command.command(
    "show",
    short_help="Show the configuration that holds here.",
    epilog="Example: rustkernel runtime show --config config.toml",
)
@effective_options
def show(**options: Any) -> None:
    """Show the configuration that a runtime would run with here, and where each value comes from."""
    show_effective(**options)


@command.command(
    "status", short_help="Say what a running runtime does.", epilog="Example: rustkernel runtime status --json"
)
@named_instance_option
@folder_option
@json_option
@debug_option
@click.pass_context
def status(ctx: click.Context, instance: str, folder: str | None, as_json: bool) -> None:
    """Say what a running runtime does: state, actors, work in flight, memory, pressure, health.

    Exit status 3 says that it is not running.
    """
    from rkruntime.cli._status import write_status

    ctx.exit(write_status(instance, as_json, folder))


@command.command(
    "drain",
    short_help="Let a running runtime finish, and end it.",
    epilog="Example: rustkernel runtime drain --timeout 30s",
)
@named_instance_option
@folder_option
@click.option(
    "--timeout",
    metavar="TIME",
    help="Seconds, or 30s, 2m, for work in flight to finish; what its configuration says unless given.",
)
@json_option
@debug_option
@click.pass_context
def drain(ctx: click.Context, instance: str, folder: str | None, timeout: str | None, as_json: bool) -> None:
    """Let a running runtime finish what is in flight and end; follow it, and print its report.

    Exit status 6 says that work in flight was cancelled, failed or abandoned. Ctrl-C ends the following alone: the
    drain goes on.
    """
    from rkruntime.control import converse

    request = {"request": "drain"} | ({} if timeout is None else {"timeout_s": _seconds(timeout)})
    try:
        told = _follow(instance, converse(instance, request, patience_s=SILENCE_S, folder=folder))
    except KeyboardInterrupt:
        click.echo("not followed any more; the drain goes on", err=True)
        ctx.exit(INTERRUPTED)
    click.echo(json.dumps(told, indent=1) if as_json else told["text"] or "it ended before anything ran")
    if told["failure"] is not None:
        click.echo(f"the runtime failed: {told['failure']}", err=True)
        ctx.exit(ExitCode.FAILED)
    ctx.exit(ExitCode.DRAINED_WITH_LOSSES if told["losses"] else ExitCode.FINE)


def _follow(instance: str, lines: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Tell each change of what is in flight, and return the report."""
    from rkruntime.errors import ControlUnavailable

    before = None
    for line in lines:
        if line["kind"] == "report":
            return {key: value for key, value in line.items() if key != "kind"}
        if line["in_flight"] != before:
            before = line["in_flight"]
            click.echo(f"{instance} is draining: {before:,} in flight", err=True)
    raise ControlUnavailable(f"the runtime {instance!r} hung up before its report", "it was killed: look at its log")


def _seconds(text: str) -> float:
    from rkruntime.units import parse_seconds

    try:
        return parse_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None


@command.command(
    "init",
    short_help="Write a configuration, and try it.",
    epilog="Example: rustkernel runtime init --preset production --output config.toml",
)
@click.option("--preset", type=PRESETS, required=True, help="The values to write.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="rustkernel.toml",
    show_default=True,
    metavar="FILE",
    help="Write the configuration here.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
@debug_option
def init(preset: str, output: Path, force: bool, as_json: bool) -> None:
    """Write a configuration, and try it: open the device, use its memory, launch a kernel whose result is known.

    The variables RUSTKERNEL_* hold too, as they will when it runs.
    """
    from rkruntime.cli._init import as_lines, try_out
    from rkruntime.config import ProductionConfig, to_toml, write_file

    write_file(output, to_toml(ProductionConfig.from_preset(preset), portable=True), force=force)
    if not as_json:
        click.echo(f"wrote {output}")
    found = try_out(output)
    for text in found["warnings"]:
        click.echo(f"warning: {text}", err=True)
    click.echo(json.dumps(found, indent=1) if as_json else as_lines(found))
