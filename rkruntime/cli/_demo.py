"""`rustkernel demo`: real input, four kernels side by side as actors in one runtime, every result checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from rkruntime.cli._configured import config_options, configured
from rkruntime.cli._exit_codes import INTERRUPTED
from rkruntime.cli._options import debug_option, instance_option
from rkruntime.errors import Draining, MessageCancelled, NotRunning, RkError, UnreadableInput
from rkruntime.units import format_seconds

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from rkruntime.cli._demo_tasks import Demonstration
    from rkruntime.config import RuntimeConfig
    from rkruntime.runtime import DrainReport, Runtime

__all__ = ("command",)

WIDE = 140
"""Columns of a terminal from which the table is shown in full."""


@click.command("demo", epilog="Example: rustkernel demo --device cpu --out demo.png")
@config_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("rustkernel-demo.png"),
    show_default=True,
    help="Where the picture goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
@instance_option
@debug_option
def command(device: str | None, file: Path | None, preset: str | None, out: Path, as_json: bool, instance: str) -> None:
    """Run kernels of the library as actors on real input, and check each against NumPy.

    The configuration is that of --config, --preset and the variables RUSTKERNEL_*. Ends with 0 only if every result
    agrees.
    """
    if not out.parent.is_dir():
        raise _unwritable(out, f"there is no folder {out.parent}")
    shown, ran_on, report = trio.run(_demonstrate, configured(file, preset, device), instance)
    if not shown:
        click.echo(f"interrupted before every result was there\n{report}", err=True)
        sys.exit(INTERRUPTED)
    _save(shown, ran_on, out)
    if as_json:
        click.echo(json.dumps(_as_dict(shown, ran_on, report, out), indent=2, default=str))
    else:
        _print(shown, ran_on, report, out)
    sys.exit(0 if all(one.agrees for one in shown) else 1)


async def _demonstrate(
    config: RuntimeConfig, instance: str | None = None
) -> tuple[Sequence[Demonstration], str, DrainReport]:
    """Run all tasks in one runtime; what is missing of their results was cut short by a signal."""
    from rkruntime.cli._demo_tasks import TASKS
    from rkruntime.runtime import open_runtime

    runtime: Runtime | None = None
    shown: dict[str, Demonstration] = {}
    try:
        opened = open_runtime(config, handle_signals=True, instance=instance)
        async with opened as runtime:
            properties = runtime.device.properties
            with _progress() as progress:
                await _run_all(runtime, progress, shown)
    except* RkError as group:
        if runtime is not None and runtime.report is not None:
            click.echo(str(runtime.report), err=True)
        raise _first(group) from group
    assert runtime.report is not None
    complete = [shown[name] for name, _, _ in TASKS] if len(shown) == len(TASKS) else []
    return complete, f"{properties.kind}: {properties.name}, {properties.compute_units} units", runtime.report


async def _run_all(runtime: Runtime, progress: Progress, shown: dict[str, Demonstration]) -> None:
    """Run the tasks side by side; each leaves its result in `shown` at once, for a drain cancels who stays here."""
    from rkruntime.cli._demo_tasks import TASKS, Stage, Task

    others_done = trio.Event()

    async def run_one(name: str, messages: int, task: Task) -> None:
        line = progress.add_task(name, total=messages)
        stage = Stage(runtime=runtime, advance=lambda: progress.advance(line), others_done=others_done)
        try:
            shown[name] = await task(stage)
        except (Draining, MessageCancelled, NotRunning):
            return  # a signal drains the runtime; that this result is missing is told by whoever reads `shown`
        if len(shown) == len(TASKS) - 1:
            others_done.set()

    async with trio.open_nursery() as nursery:
        for name, messages, task in TASKS:
            nursery.start_soon(run_one, name, messages, task)


def _first(group: BaseExceptionGroup[RkError]) -> RkError:
    """Take the first plain error out of a tree of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RkError)
    return error


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _save(shown: Sequence[Demonstration], ran_on: str, out: Path) -> None:
    from rkruntime.cli._demo_picture import compose

    try:
        compose(shown, ran_on).save(out)
    except (OSError, ValueError) as error:
        raise _unwritable(out, str(error)) from error


def _unwritable(out: Path, why: str) -> UnreadableInput:
    return UnreadableInput(
        str(out), f"the picture cannot be written: {why}", "give --out NAME.png, in a folder of yours"
    )


def _print(shown: Sequence[Demonstration], ran_on: str, report: DrainReport, out: Path) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    click.echo(f"{len(shown)} kernels as actors on {ran_on}")
    console.print(_table(shown, wide=console.width >= WIDE))
    agreed = sum(one.agrees for one in shown)
    click.echo(f"{agreed} of {len(shown)} agree with NumPy; picture: {out}")
    click.echo(str(report))


def _table(shown: Sequence[Demonstration], *, wide: bool) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0) if wide else 0, show_edge=False)
    for one in shown:
        row = {
            "kernel": one.kernel,
            "actor": one.actor,
            **({"shows": one.shows} if wide else {}),
            "lowering": one.lowering,
            "size": one.size,
            "launches": str(len(one.records)),
            **({"compile": format_seconds(one.compile_s)} if wide else {}),
            "device": format_seconds(one.device_s),
            "error": f"{one.error:.1e}" + (f" {one.unit}" if wide else ""),
            "allowed": f"{one.tolerance:g}",
            "agree": "[green]yes[/]" if one.agrees else "[bold red]NO[/]",
        }
        if not table.columns:
            for heading in row:
                to_the_right = heading in {"size", "launches", "compile", "device", "error", "allowed"}
                table.add_column(heading, justify="right" if to_the_right else "left", no_wrap=True)
        table.add_row(*row.values())
    return table


def _as_dict(shown: Sequence[Demonstration], ran_on: str, report: DrainReport, out: Path) -> dict[str, Any]:
    kernels = [
        {
            "kernel": one.kernel,
            "actor": one.actor,
            "shows": one.shows,
            "lowering": one.lowering,
            "size": one.size,
            "launches": len(one.records),
            "compile_s": one.compile_s,
            "device_s": one.device_s,
            "largest_error": one.error,
            "tolerance": one.tolerance,
            "unit": one.unit,
            "agrees": one.agrees,
        }
        for one in shown
    ]
    return {"device": ran_on, "kernels": kernels, "picture": str(out), "drain": report.to_dict()}
