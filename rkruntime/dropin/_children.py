"""Child processes: those that `multiprocessing` spawns get the drop-in before they import the program."""

from __future__ import annotations

import multiprocessing.spawn as spawn
from collections.abc import Callable
from typing import Any

__all__ = ("install_in_children",)


class _InstallOnLoad:
    """Unpickled in a child, it installs the drop-in there."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        from rkruntime.dropin._install import install

        return install, ()


def install_in_children() -> None:
    """Send the drop-in along with what a spawned child is prepared with; a forked child has it already.

    `multiprocessing` sends a dictionary to the child and ignores the entries that it does not know.
    """
    prepare: Callable[[str], dict[str, Any]] = spawn.get_preparation_data

    def prepare_with_dropin(name: str) -> dict[str, Any]:
        return {"rkruntime.dropin": _InstallOnLoad(), **prepare(name)}

    spawn.get_preparation_data = prepare_with_dropin
