"""What `cuda.jit` was given for a kernel, held to what numba-cuda takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rkruntime.dropin._numba import drv

__all__ = ("check_options",)


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what numba-cuda refuses as it compiles a kernel.

    Args:
        options: What `cuda.jit` was given.

    Raises:
        ValueError: There are too many launch bounds.
        RuntimeError: A file to be linked is of no kind that can be, or, as a LinkerError, is not there.
    """
    _check_launch_bounds(options.get("launch_bounds"))
    _check_links(options.get("link") or ())


def _check_launch_bounds(bounds: Any) -> None:
    if isinstance(bounds, tuple) and len(bounds) > 3:
        raise ValueError(
            f"Got {len(bounds)} launch bounds: {bounds}. A maximum of three are supported: "
            "(max_threads_per_block, min_blocks_per_sm, max_blocks_per_cluster)"
        )


def _check_links(files: Iterable[Any]) -> None:
    """Look for files that would be linked, though nothing of them runs: a script is told what it is told on a GPU."""
    for file in files:
        if not isinstance(file, str):
            continue  # code in memory
        extension = Path(file).suffix
        if not extension:
            raise RuntimeError("Don't know how to link file with no extension")
        if extension != ".cu" and extension.lstrip(".") not in drv.FILE_EXTENSION_MAP:
            raise RuntimeError(f"Don't know how to link file with extension {extension}")
        if not Path(file).exists():
            raise drv.LinkerError(f"{file} not found")
