"""What a CUDA error means for the runtime: a table over the driver's names, and readers of its texts."""

from __future__ import annotations

import enum
import re

from rkruntime.device._api import KernelSource
from rkruntime.errors import KernelCompileError, KernelFault

__all__ = ("Meaning", "compile_error", "debug_fault", "error_name", "meaning")


class Meaning(enum.Enum):
    """What can be done about a CUDA error."""

    MEMORY = "too little device memory; smaller requests may succeed"
    LAUNCH = "this launch cannot run; the device goes on"
    LOST = "the context is gone, and with it all that was on the device"


MEMORY = frozenset({"CUDA_ERROR_OUT_OF_MEMORY"})
LAUNCH = frozenset(
    {
        "CUDA_ERROR_INVALID_VALUE",
        "CUDA_ERROR_INVALID_CONFIGURATION",
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        "CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING",
        "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
        "CUDA_ERROR_NO_BINARY_FOR_GPU",
        "CUDA_ERROR_NOT_SUPPORTED",
    }
)

_NAME = re.compile(r"CUDA_ERROR_[A-Z_]+")
_PLACE = re.compile(
    r"(?:In function '(?P<function>[^']*)', file (?P<file>.*?), line (?P<line>\d+), )?"
    r"tid=\[(?P<tid>[-\d, ]+)\] ctaid=\[(?P<ctaid>[-\d, ]+)\](?:: (?P<text>.*))?",
    re.DOTALL,
)
_USER_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def error_name(error: BaseException) -> str | None:
    """Return the driver's name of the error, such as `CUDA_ERROR_ILLEGAL_ADDRESS`; None where it is not CUDA's."""
    found = _NAME.search(str(error))
    return found[0] if found else None


def meaning(name: str, *, launching: bool) -> Meaning:
    """Say what a driver's error means; one that is in no table means that the context is gone.

    Args:
        name: The driver's name of it.
        launching: The error came from the launch call itself, and not from work before it.
    """
    if name in MEMORY:
        return Meaning.MEMORY
    if launching and name in LAUNCH:
        return Meaning.LAUNCH
    return Meaning.LOST


def debug_fault(kernel: KernelSource, error: BaseException) -> KernelFault:
    """Turn what a debug kernel raised into a fault that names line, block and thread."""
    text = str(error)
    file, line = kernel.function.__code__.co_filename, kernel.function.__code__.co_firstlineno
    found = _PLACE.search(text)
    if found is None:
        return KernelFault(kernel.name, f"{type(error).__name__}: {text}", file, line)
    what = type(error).__name__ + (f": {found['text']}" if found["text"] else "")
    if found["line"] is not None:
        file, line = found["file"], int(found["line"])
    return KernelFault(kernel.name, what, file, line, _coordinates(found["ctaid"]), _coordinates(found["tid"]))


def compile_error(kernel: KernelSource, signature: str, error: BaseException) -> KernelCompileError:
    """Turn a compiler's error into one that names the author's line."""
    code = kernel.function.__code__
    text = str(error).strip()
    lines = [int(m["line"]) for m in _USER_LINE.finditer(text) if _same_file(m["file"], code.co_filename)]
    return KernelCompileError(
        kernel.name, code.co_filename, lines[-1] if lines else code.co_firstlineno, signature, text
    )


def _same_file(named: str, full: str) -> bool:
    return full == named or full.rpartition("/")[2] == named.rpartition("/")[2]


def _coordinates(text: str) -> tuple[int, int, int]:
    z, y, x = (int(part) for part in text.split(","))
    return (x, y, z)
