"""`rustkernel serve`: kernels over HTTP; a signal drains the service."""

from __future__ import annotations

import gc
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from rkruntime.cli._configured import config_options, configured_whole
from rkruntime.cli._exit import first_error
from rkruntime.cli._exit_codes import ExitCode
from rkruntime.cli._options import debug_option, folders_option, instance_option, trace_option
from rkruntime.errors import RkError

if TYPE_CHECKING:
    from rkruntime.service import Service

__all__ = ("command",)

LOOKED_THROUGH_AFTER = 10_000
"""New objects after which the garbage collector looks for cycles. Its own 700 are what a few hundred launches leave
behind until they are counted; and now and then it looked through all since the start, which kept requests waiting."""


@click.command("serve", epilog="Example: rustkernel serve --kernels mine/ --port 8080")
@click.option("--host", metavar="ADDRESS", help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen at; 0 takes a free one.")
@config_options
@trace_option
@folders_option
@instance_option
@debug_option
def command(
    file: Path | None,
    preset: str | None,
    host: str | None,
    port: int | None,
    device: str | None,
    trace: Path | None,
    folders: tuple[Path, ...],
    instance: str,
) -> None:
    """Serve kernels over HTTP: those of --kernels and of installed packages, each under its function's name.

    Ctrl-C and SIGTERM finish what is in flight and stop; a second one cancels it. What the options do not say comes
    from the variables RUSTKERNEL_* and the file. Exit status 6 says that work in flight was lost.
    """
    try:
        from rkruntime.observability import Observability
        from rkruntime.service import Service
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}; the service needs its extra: pip install 'rkruntime[service]'") from error
    from rkruntime.kernels import list_kernels

    options = {"service.host": host, "service.port": port}
    config = configured_whole(file, preset, device, trace, options=options, quiet="info")
    for problem in config.validate():
        click.echo(f"warning: {problem}", err=True)
    specs = list_kernels(folders)

    with Observability(config) as observability:
        service = Service(config, specs, observability=observability, instance=instance)
        trio.run(_serve, service)
    report = service.runtime.report
    assert report is not None
    click.echo(str(report), err=True)
    lost = report.cancelled or report.failed or report.abandoned
    sys.exit(ExitCode.DRAINED_WITH_LOSSES if lost else ExitCode.FINE)


async def _serve(service: Service) -> None:
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(service.run, handle_signals=True))
            gc.collect()
            gc.freeze()  # what lives as long as the process, a compiler among it, is not looked through again and again
            gc.set_threshold(LOOKED_THROUGH_AFTER)
            click.echo(_told(service), err=True)
    except* RkError as group:
        raise first_error(group) from group


def _told(service: Service) -> str:
    """Say what is served and where; whoever started the command may wait for this line."""
    host, port = service.address
    runtime = service.runtime
    named = f" as {runtime.instance}" if runtime.instance not in (None, "default") else ""
    scheme = "http" if service.config.security.tls_certificate is None else "https"
    where = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    return f"serving {len(service.specs)} kernels at {where} on {runtime.device.properties.kind}{named}"
