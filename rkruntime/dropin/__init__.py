"""Runs unmodified `numba.cuda` programs on the CPU, compiled.

    python -m rkruntime.dropin SCRIPT ARGS
    python -m rkruntime.dropin -m MODULE ARGS
    pytest -p rkruntime.dropin
    %load_ext rkruntime.dropin

or, in a program, `rkruntime.dropin.install()` before `from numba import cuda`.
"""

from rkruntime.dropin._hosts import load_ipython_extension as load_ipython_extension
from rkruntime.dropin._hosts import pytest_configure as pytest_configure
from rkruntime.dropin._hosts import pytest_load_initial_conftests as pytest_load_initial_conftests
from rkruntime.dropin._hosts import pytest_report_header as pytest_report_header
from rkruntime.dropin._hosts import unload_ipython_extension as unload_ipython_extension
from rkruntime.dropin._install import install as install
from rkruntime.dropin._install import installed as installed
from rkruntime.dropin._install import report as report

__all__ = (
    "install",
    "installed",
    "load_ipython_extension",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_report_header",
    "report",
    "unload_ipython_extension",
)
