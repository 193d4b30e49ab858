"""Putting the CPU in the place of a GPU, for the life of the process."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ("install", "installed", "report")

FEW_OBJECTS = 30_000  # Python has 10,000 as it starts, and 20,000 with NumPy
_host: Any = None


def installed() -> bool:
    """Whether `install` was called in this process."""
    return _host is not None


def install() -> None:
    """Let `numba.cuda` run kernels on the CPU from now on, compiled; again is harmless.

    Best called before `from numba import cuda`. numba-cuda's own host API stays; its driver and its compiled kernels
    are exchanged.

    Raises:
        RuntimeError: numba-cuda's simulator was imported before, or it has opened a GPU.
    """
    global _host
    if _host is not None:
        return
    os.environ["NUMBA_ENABLE_CUDASIM"] = "0"
    with _imports_uncollected():
        _install()


def _install() -> None:
    global _host
    from numba import config

    settings: Any = config
    if "numba.cuda" in sys.modules and settings.ENABLE_CUDASIM:
        raise RuntimeError(
            "numba-cuda's simulator was imported before rkruntime.dropin.install(); "
            "call install() first, or unset NUMBA_ENABLE_CUDASIM"
        )
    settings.ENABLE_CUDASIM = 0
    from rkruntime.dropin._children import install_in_children
    from rkruntime.dropin._patches import patch
    from rkruntime.dropin._sources import keep_executed_text

    keep_executed_text()

    _host = patch()
    install_in_children()


@contextmanager
def _imports_uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is imported, which lives as long as the process.

    Its passes over numba's 100,000 objects take a fifth of a small program's time. Where a program has made many of its
    own before, they stay in its reach: what is frozen is never collected, even in cycles that nobody uses any longer.
    """
    collects, few = gc.isenabled(), len(gc.get_objects()) < FEW_OBJECTS
    gc.disable()
    try:
        yield
    finally:
        if few:
            gc.freeze()
        if collects:
            gc.enable()


def report() -> str:
    """Return a table of the kernels that ran: lowering, launches, time on the clock, and time to compile."""
    if _host is None:
        return "rkruntime.dropin: not installed"
    from rkruntime.dropin._report import kernels

    return str(kernels)
