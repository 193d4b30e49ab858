"""The drop-in in hosts that load it by name: IPython as an extension, pytest as a plugin."""

from __future__ import annotations

import warnings
from typing import Any

from rkruntime.dropin._install import install

__all__ = (
    "load_ipython_extension",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_report_header",
    "unload_ipython_extension",
)


def load_ipython_extension(ipython: Any) -> None:  # noqa: ARG001
    """Install the drop-in for `%load_ext rkruntime.dropin`."""
    install()


def unload_ipython_extension(ipython: Any) -> None:  # noqa: ARG001
    """Say that it stays: arrays and kernels of the session depend on it."""
    warnings.warn("rkruntime.dropin stays until the kernel is restarted", stacklevel=2)


def pytest_load_initial_conftests() -> None:
    """Install the drop-in for `pytest -p rkruntime.dropin`, before any `conftest.py` is imported."""
    install()


def pytest_configure() -> None:
    """Install the drop-in in workers of pytest-xdist, which load plugins late."""
    install()


def pytest_report_header() -> str:
    """Say in pytest's header where kernels run."""
    return "rkruntime.dropin: numba.cuda runs on the CPU"
