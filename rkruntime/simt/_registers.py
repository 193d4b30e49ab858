"""How large the registers for vectors are that machine code is made for."""

from __future__ import annotations

import platform
from functools import cache

import llvmlite.binding as llvm
from numba.core import config

__all__ = ("gathers_slowly", "has_masks", "register_bytes", "told_of_processor")

LARGEST = (("avx512bw", 64), ("avx2", 32))
SMALLEST = 16  # SSE and NEON
SLOW_GATHERS = ("amdfam", "bdver", "btver", "znver")  # what LLVM's names of AMD's processors begin with


def told_of_processor() -> tuple[str | None, str | None]:
    """Return the name and features that numba was told to compile for in place of this processor; None for not."""
    return getattr(config, "CPU_NAME", None), getattr(config, "CPU_FEATURES", None)


def has_masks() -> bool:
    """Whether the processor has registers for masks; elsewhere a mask is a vector of whole numbers."""
    return register_bytes() == LARGEST[0][1]


def register_bytes() -> int:
    """Return the bytes of a register for vectors: 16, 32 or 64; what numba was told of the processor counts."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return SMALLEST
    _, told = told_of_processor()
    return _largest(told)


@cache
def _largest(told: str | None) -> int:
    """Return the bytes of the largest register that features name; those of this processor where numba was told none.

    Asking the processor takes a tenth of a millisecond, and a kernel's masks ask many times.
    """
    names = {name for name, on in llvm.get_host_cpu_features().items() if on}
    if told is not None:
        names = {one[1:] for one in told.split(",") if one.startswith("+")}
    return next((size for name, size in LARGEST if name in names), SMALLEST)


def gathers_slowly() -> bool:
    """Whether the processor gathers slower than it loads as many; what numba was told of it counts."""
    told, _ = told_of_processor()
    return _is_slow(told or _host_name())


@cache
def _host_name() -> str:
    return str(llvm.get_host_cpu_name())


def _is_slow(name: str) -> bool:
    """Whether a processor of that name gathers slowly.

    Measured on Zen 4, lanes' time with loads over that with gathers: sums of neighbours' values in a graph 0.61, CSR
    sums 0.7 to 0.8, sums of rows 0.8, chains of loads 0.9, binary searches 1.0 to 1.1.
    """
    return name.startswith(SLOW_GATHERS)
