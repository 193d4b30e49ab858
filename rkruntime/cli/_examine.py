"""Examine the machine and the configuration: facts first, then a start of the runtime as a run would make it."""

from __future__ import annotations

import contextlib
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

import rkruntime
from rkruntime.cli._exit import exit_code, told
from rkruntime.cli._exit_codes import ExitCode
from rkruntime.cli._version import installed
from rkruntime.config import LoadedConfig, Machine, RuntimeConfig, examine_config
from rkruntime.errors import InvalidConfigurations

__all__ = ("examine",)

PACKAGES = ("numba", "numba-cuda", "llvmlite", "numpy", "trio")
VECTORS = (("avx512f", 512), ("avx2", 256), ("avx", 256), ("neon", 128), ("sse2", 128))
"""The processor's features, and the bits of a vector where it has them; the first that it has counts."""


def examine(file: Path | None, preset: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Find out all that is to be told; what fails is told among the problems."""
    problems: list[Exception] = []
    machine = Machine.here()
    examined = _attempt(problems, lambda: examine_config(file, machine=machine, preset=preset, arguments=arguments))
    configuration: dict[str, Any] = {"sources": [], "warnings": []}
    if examined is not None:
        warnings = [*examined.loaded.warnings, *map(str, examined.warnings)]
        configuration = {"sources": _sources(examined.loaded), "warnings": warnings}
        if examined.errors:
            problems.append(InvalidConfigurations.of(examined.errors))
    cpu = {"name": platform.processor(), "cores": machine.cores, "memory_bytes": machine.memory_bytes}
    found = {
        "rkruntime": rkruntime.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: installed(name) for name in PACKAGES},
        "cpu": cpu
        | (_attempt(problems, _processor) or {"vector_bits": None, "vector_from": None, "vector_math": None}),
        "cuda": _attempt(problems, _cuda) or {"missing": "it could not be looked at", "driver": None, "gpus": []},
        "cache": _attempt(problems, _cache) or {"folder": None, "entries": 0, "size_bytes": 0, "writable": False},
        "configuration": configuration,
        "picks": None,
    }
    if examined is not None and not problems:
        config, origin = examined.loaded.config.runtime, str(examined.loaded.origins["runtime.device"])
        found["picks"] = _attempt(problems, lambda: _picks(config, origin))
    return found | {
        "problems": list(map(told, problems)),
        "exit_code": int(exit_code(problems[0]) if problems else ExitCode.FINE),
    }


def _attempt(problems: list[Exception], find: Any) -> Any:
    """Return what is found, or None; what keeps it from being found is a problem, and the examination goes on."""
    try:
        return find()
    except Exception as error:  # also what a broken installation raises on import: telling it is what this is for
        problems.append(error)
        return None


def _sources(loaded: LoadedConfig) -> list[str]:
    """Say which sources give settings, and how many each."""
    counts = Counter(f"{o.source.name.lower()} {o.name}".strip() for o in loaded.origins.values())
    return [f"{count} from {source}" for source, count in counts.items()]


def _processor() -> dict[str, Any]:
    import llvmlite.binding as llvm

    from rkruntime.simt import vector_math_version

    features = llvm.get_host_cpu_features()
    name, bits = next(((name, bits) for name, bits in VECTORS if features.get(name)), (None, None))
    return {
        "name": llvm.get_host_cpu_name(),
        "vector_bits": bits,
        "vector_from": name,
        "vector_math": vector_math_version(),
    }


def _cuda() -> dict[str, Any]:
    from rkruntime.device import survey

    return attrs.asdict(survey())


def _cache() -> dict[str, Any]:
    from rkruntime.simt import cache_folder

    folder = cache_folder()
    if folder is None:
        return {"folder": None, "entries": 0, "size_bytes": 0, "writable": False}
    sizes = list(_sizes(folder))
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "folder": str(folder),
        "entries": len(sizes),
        "size_bytes": sum(sizes),
        "writable": os.access(there, os.W_OK | os.X_OK),
    }


def _sizes(folder: Path) -> Iterator[int]:
    for entry in os.scandir(folder) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another process has just dropped it
            yield entry.stat().st_size


def _picks(config: RuntimeConfig, origin: str) -> dict[str, Any]:
    """Open the device and start the runtime on it, canary included, as a run would."""
    import trio

    from rkruntime.device import open_device_with_note
    from rkruntime.runtime import open_runtime

    opened = open_device_with_note(config)
    properties = opened.device.properties

    async def start() -> None:
        async with open_runtime(attrs.evolve(config, drain_grace=0.0), device=opened.device):
            pass

    trio.run(start)
    if config.device != "auto":
        why = f"runtime.device = {config.device} ({origin})"
    elif not config.gpu_enabled:
        why = "runtime.gpu_enabled is false"
    else:
        why = opened.note or "there is a GPU, and a compiler for it"
    return {"kind": properties.kind, "name": properties.name, "why": why}
