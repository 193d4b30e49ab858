"""Runs unmodified `numba.cuda` programs on the CPU, compiled.

    python -m rkruntime.dropin SCRIPT ARGS

or, in a program, `rkruntime.dropin.install()` before `from numba import cuda`.
"""

from rkruntime.dropin._install import install as install
from rkruntime.dropin._install import installed as installed

__all__ = ("install", "installed")
