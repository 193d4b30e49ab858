"""Compiled kernels on disk, across processes.

An entry's name is a digest of all that its machine code depends on: the functions as rewritten, with their lines; what
their global names stood for; argument types and options; the processor; the versions of Python, numba, LLVM and of this
compiler. So an entry never goes stale, it is only no longer asked for; the oldest go when there are too many. Entries
are written whole under another name and then renamed, so that processes may race. One that is damaged is dropped.

Entries hold pickles, as numba's own cache does: the folder is to be writable by its owner alone.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import pickle
import platform
import re
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba.core.codegen
import numba.core.serialize
import numpy as np

from rkruntime.simt._on_disk import OnDisk, link, parts_of
from rkruntime.simt._registers import told_of_processor
from rkruntime.simt._svml import CALLED, is_loaded, library

__all__ = (
    "Uncacheable",
    "describe",
    "digest",
    "folder",
    "load",
    "read",
    "refusal",
    "store",
    "store_refusal",
    "write",
)

MAGIC = b"rkruntime-simt-3\n"
MOST_ENTRIES = 2_000
# Numba's own, which it does not declare.
dumps: Any = numba.core.serialize.dumps
_UNRESOLVED: str = numba.core.codegen.RuntimeLinker.PREFIX
log = logging.getLogger("rkruntime.simt")


class Uncacheable(Exception):
    """A kernel depends on a value that no other process can be sure to have."""


def folder() -> Path | None:
    """Return where entries are kept: RKRUNTIME_CACHE_DIR (empty for nowhere), else the platform's place for caches."""
    chosen = os.environ.get("RKRUNTIME_CACHE_DIR")
    if chosen is not None:
        return Path(chosen) / "simt" if chosen else None
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "rkruntime" / "simt"


def digest(parts: Iterable[str]) -> str:
    """Return the name of the entry for a kernel that depends on these texts, on this machine with these versions."""
    path = library()  # of vector math, whose functions are found by name
    total = hashlib.sha256(f"{_surroundings()}\n{path} {path and path.stat().st_size}".encode())
    for part in parts:
        total.update(b"\0")
        total.update(part.encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def describe(value: Any) -> str:
    """Write down what a global name stands for, the same in every process.

    Raises:
        Uncacheable: That cannot be told.
    """
    if isinstance(value, Enum):
        return f"{type(value).__module__}.{type(value).__qualname__}.{value.name} {describe(value.value)}"
    if isinstance(value, type) and issubclass(value, Enum):
        return f"{value.__module__}.{value.__qualname__}({', '.join(describe(one) for one in value)})"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | type(Ellipsis)):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"array {value.dtype.str} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, np.generic):
        return f"{value.dtype.str} {value.tobytes().hex()}"
    if isinstance(value, tuple | list):
        return f"{type(value).__qualname__}({', '.join(describe(one) for one in value)})"
    if isinstance(value, np.dtype):
        return f"dtype {value.descr if value.fields else value.str}"
    if isinstance(value, numba.types.Type):
        return f"type {value}"
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type | BuiltinFunctionType | np.ufunc) or _of_library(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', value))}"
    raise Uncacheable(f"{value!r}")


def _of_library(value: Any) -> bool:
    """Whether a function comes from a package whose version is part of the digest, or from Python's library."""
    root = (getattr(value, "__module__", None) or "").partition(".")[0]
    return isinstance(value, FunctionType) and root in ("numba", "numpy", "math", "operator", "builtins")


@functools.cache
def _surroundings() -> str:
    """Describe the machine and the versions, and this compiler by the text of its modules."""
    here = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        here.update(path.read_bytes())
    features = sorted(name for name, on in llvm.get_host_cpu_features().items() if on)
    told = map(str, told_of_processor())
    versions = (
        platform.python_implementation(),
        sys.version,
        *(one.__version__ for one in (numba, llvmlite, np)),
        *told,
    )
    return "\n".join(
        [*versions, str(llvm.llvm_version_info), llvm.get_host_cpu_name(), ",".join(features), here.hexdigest()]
    )


def read(name: str, key: str, place: Path | None) -> bytes | None:
    """Return what an entry of a folder holds, or None where there is none, or one that is damaged."""
    if place is None:
        return None
    path = place / _file_name(name, key)
    try:
        data = path.read_bytes()
    except OSError:
        return None
    checksum, payload = data[len(MAGIC) : len(MAGIC) + 32], data[len(MAGIC) + 32 :]
    if not data.startswith(MAGIC) or hashlib.sha256(payload).digest() != checksum:
        log.warning("dropping a damaged entry of the kernel cache: %s", path)
        return None
    with suppress(OSError):
        os.utime(path)  # entries that are in use stay longest
    return payload


def load(name: str, key: str) -> OnDisk | None:
    """Return the machine code of an entry, or None where there is none, or none that can be used."""
    payload = read(name, key, folder())
    if payload is None or (CALLED.encode() in payload and not is_loaded()):
        return None
    try:
        return link(*pickle.loads(payload))
    except Exception as error:  # whatever a pickle of another installation may raise: compiling anew mends it
        log.warning("dropping an entry of the kernel cache that does not load: %s (%s)", _file_name(name, key), error)
        return None


def write(name: str, key: str, payload: bytes, place: Path | None) -> None:
    """Write an entry; a folder that cannot be written to is logged, and no error: all is compiled already."""
    if place is None:
        return
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=place, prefix=".new-", delete=False) as file:
            file.write(MAGIC + hashlib.sha256(payload).digest() + payload)
        os.replace(file.name, place / _file_name(name, key))
        _trim(place)
    except OSError as error:
        log.warning("the kernel cache at %s cannot be written to: %s", place, error)


def store(name: str, key: str, compiled: Any) -> None:
    """Write a compiled kernel's entry, if other processes can use it."""
    if folder() is not None and not (compiled.library.has_dynamic_globals or _finds_functions_late(compiled.library)):
        write(name, key, dumps(parts_of(compiled)), folder())


def refusal(name: str, key: str) -> str | None:
    """Return why lanes cannot take a kernel, if another process has found out, with this entry's key."""
    payload = read(name, _refusals(key), folder())
    return None if payload is None else payload.decode()


def store_refusal(name: str, key: str, why: str) -> None:
    """Write that lanes cannot take a kernel, so that no other process tries, which takes numba's whole compiler."""
    write(name, _refusals(key), why.encode(), folder())


def _refusals(key: str) -> str:
    return digest(["refusal", key])


def _finds_functions_late(library: Any) -> bool:
    """Whether machine code calls by way of variables that numba sets in this process: recursive functions do."""
    return any(one.name.startswith(_UNRESOLVED) for one in library._final_module.global_variables)


def _file_name(name: str, key: str) -> str:
    """Return an entry's file name: the digest tells entries apart, the kernel's name is for people."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)[:64]}-{key}"


def _trim(place: Path) -> None:
    """Drop the entries unused for longest when there are too many; another process may be doing the same."""
    entries = list(place.iterdir())
    if len(entries) <= MOST_ENTRIES:
        return
    dated = []
    for path in entries:
        try:
            dated.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue
    for _, path in sorted(dated)[: len(dated) - MOST_ENTRIES // 2]:
        path.unlink(missing_ok=True)
