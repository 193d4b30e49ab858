"""Kernels: what they are, where they are found, how they are launched."""

from rkruntime.kernels._compilations import Compilations as Compilations
from rkruntime.kernels._directions import In as In
from rkruntime.kernels._directions import InOut as InOut
from rkruntime.kernels._directions import Out as Out
from rkruntime.kernels._discover import find as find
from rkruntime.kernels._discover import list_kernels as list_kernels
from rkruntime.kernels._launch import Launcher as Launcher
from rkruntime.kernels._records import LaunchDone as LaunchDone
from rkruntime.kernels._records import LaunchRecord as LaunchRecord
from rkruntime.kernels._signatures import as_declared as as_declared
from rkruntime.kernels._spec import KernelSpec as KernelSpec
from rkruntime.kernels._spec import as_spec as as_spec
from rkruntime.kernels._spec import kernel as kernel
from rkruntime.kernels._uses import check_uses as check_uses

__all__ = (
    "Compilations",
    "In",
    "InOut",
    "KernelSpec",
    "LaunchDone",
    "LaunchRecord",
    "Launcher",
    "Out",
    "as_declared",
    "as_spec",
    "check_uses",
    "find",
    "kernel",
    "list_kernels",
)
