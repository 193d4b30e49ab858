"""`rustkernel demo`: real input, four kernels side by side as actors in one runtime, every result checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from rkruntime.errors import RkError, UnreadableInput
from rkruntime.units import format_seconds

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from rkruntime.cli._demo_tasks import Demonstration
    from rkruntime.runtime import DrainReport, Runtime

__all__ = ("command",)

INTERRUPTED = 130
"""The exit status that shells give a program ended by Ctrl-C."""


@click.command("demo")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("rustkernel-demo.png"),
    show_default=True,
    help="Where the picture goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
def command(device: str, out: Path, as_json: bool) -> None:
    """Run kernels of the library as actors on real input, and check each against NumPy.

    Ends with 0 only if every result agrees.
    """
    if not out.parent.is_dir():
        raise _unwritable(out, f"there is no folder {out.parent}")
    shown, ran_on, report = trio.run(_demonstrate, device)
    if not shown:
        click.echo(f"interrupted before every result was there\n{report}", err=True)
        sys.exit(INTERRUPTED)
    _save(shown, ran_on, out)
    if as_json:
        click.echo(json.dumps(_as_dict(shown, ran_on, report, out), indent=2, default=str))
    else:
        _print(shown, ran_on, report, out)
    sys.exit(0 if all(one.agrees for one in shown) else 1)


async def _demonstrate(device: str) -> tuple[Sequence[Demonstration], str, DrainReport]:
    from rkruntime.config import RuntimeConfig
    from rkruntime.runtime import open_runtime

    runtime: Runtime | None = None
    shown: Sequence[Demonstration] = ()  # stays empty where a signal drained the runtime, and so cancelled the block
    try:
        async with open_runtime(RuntimeConfig(device=device), handle_signals=True) as runtime:
            properties = runtime.device.properties
            with _progress() as progress:
                shown = await _run_all(runtime, progress)
    except* RkError as group:
        if runtime is not None and runtime.report is not None:
            click.echo(str(runtime.report), err=True)
        raise _first(group) from group
    assert runtime.report is not None
    return shown, f"{properties.kind}: {properties.name}, {properties.compute_units} units", runtime.report


async def _run_all(runtime: Runtime, progress: Progress) -> Sequence[Demonstration]:
    from rkruntime.cli._demo_tasks import TASKS, Task

    shown: dict[str, Demonstration] = {}

    async def run_one(name: str, messages: int, task: Task) -> None:
        line = progress.add_task(name, total=messages)
        shown[name] = await task(runtime, lambda: progress.advance(line))

    async with trio.open_nursery() as nursery:
        for name, messages, task in TASKS:
            nursery.start_soon(run_one, name, messages, task)
    return [shown[name] for name, _, _ in TASKS]


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
    console.print(_table(shown, ran_on))
    agreed = sum(one.agrees for one in shown)
    console.print(f"{agreed} of {len(shown)} agree with NumPy; picture: {out}", highlight=False)
    console.print(str(report), highlight=False, markup=False)


def _table(shown: Sequence[Demonstration], ran_on: str) -> Table:
    from rich.table import Table

    table = Table(title=f"Kernels as actors on {ran_on}", title_justify="left")
    for heading in ("kernel", "actor", "shows", "lowering", "size"):
        table.add_column(heading)
    for heading in ("launches", "compile", "device", "largest error", "tolerance"):
        table.add_column(heading, justify="right")
    table.add_column("agree")
    for one in shown:
        table.add_row(
            one.kernel,
            one.actor,
            one.shows,
            one.lowering,
            one.size,
            str(len(one.records)),
            format_seconds(one.compile_s),
            format_seconds(one.device_s),
            f"{one.error:.2g} {one.unit}",
            f"{one.tolerance:g}",
            "[green]yes[/]" if one.agrees else "[bold red]NO[/]",
        )
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
