"""`rustkernel audit`: check audit logs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rkruntime.cli._exit_codes import ExitCode
from rkruntime.cli._options import debug_option

__all__ = ("command",)


@click.group("audit", epilog="Example: rustkernel audit verify rustkernel-audit.jsonl")
def command() -> None:
    """Check audit logs."""


@command.command("verify", epilog="Example: rustkernel audit verify rustkernel-audit.jsonl.0* rustkernel-audit.jsonl")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--partial", is_flag=True, help="Earlier files of the chain are elsewhere.")
@click.option("--head", metavar="HASH", help="A hash noted earlier, which must be among those of the chain.")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The chain's key, as in security.audit_key_file, where it was written with one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
@click.pass_context
def verify(
    ctx: click.Context, files: tuple[Path, ...], partial: bool, head: str | None, key: Path | None, as_json: bool
) -> None:
    """Check that every record of FILE... is as it was written, and follows the one before.

    A log that was rotated is one chain in several files: give them all, in any order. What was cut off at the end,
    and a log that was written anew from some record on, are found with a hash noted elsewhere: the service logs it
    when it starts, stops and rotates, and this command prints it. A chain with a key cannot be written anew by whoever
    lacks it.

    Exit status 7 says that the chain is broken; the first bad line is named.
    """
    from rkruntime.security import read_audit_key, verify_audit

    secret = b"" if key is None else read_audit_key(key)
    verdict = verify_audit(files, partial=partial, head=head, key=secret)
    if as_json:
        click.echo(json.dumps(verdict.to_dict(), indent=1))
    elif verdict.broken is None:
        click.echo(str(verdict))
    else:
        torn = "\nit is the last line alone: a crash leaves that, and the next start sets it aside"
        click.echo(str(verdict) + (torn if verdict.broken.torn else ""), err=True)
    ctx.exit(ExitCode.FINE if verdict.whole else ExitCode.AUDIT_BROKEN)
