"""A progress bar on stderr, where that is a terminal and the work is long."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

__all__ = ("show_progress",)

PATIENCE_S = 1.0
"""Work shorter than this, in seconds, shows no bar."""
EACH_S = 0.1


@asynccontextmanager
async def show_progress(name: str, total: int, done: Callable[[], int]) -> AsyncIterator[None]:
    """Show how many of `total` are done, once the block has taken a second, until it ends.

    Args:
        name: What is written before the bar.
        total: How many there are to be.
        done: Says how many are done.
    """
    if not sys.stderr.isatty():
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show, name, total, done)
        yield
        nursery.cancel_scope.cancel()


async def _show(name: str, total: int, done: Callable[[], int]) -> None:
    await trio.sleep(PATIENCE_S)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
    with bar:
        line = bar.add_task(name, total=total)
        while True:
            bar.update(line, completed=done())
            bar.refresh()
            await trio.sleep(EACH_S)
