"""What a launch gave, in plain values: JSON, where every number has a form in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rkruntime.errors import RequestRefused
from rkruntime.kernels import KernelSpec, LaunchRecord, Out

__all__ = ("check_finite", "json_results", "launch_told", "results_of", "server_timing")

STAGES = ("compile", "copy_in", "queue", "device", "copy_out", "total")


def results_of(spec: KernelSpec, args: tuple[Any, ...], record: LaunchRecord) -> dict[str, Any]:
    """Return by name the arrays that the kernel may have stored to."""
    found: dict[str, Any] = {}
    for place, (name, value) in enumerate(zip(spec.parameters, args, strict=True)):
        if isinstance(value, Out):
            found[name] = value.value
        elif place in record.written and isinstance(value, np.ndarray):
            found[name] = value
    return found


def launch_told(record: LaunchRecord) -> dict[str, Any]:
    """Return how the launch went, in JSON's terms: where its time went, in seconds, and how it ran."""
    return {
        "timings": {
            "compile_s": record.compile_s,
            "copy_in_s": record.copy_in_s,
            "queue_s": record.queue_s,
            "device_s": record.device_s,
            "copy_out_s": record.copy_out_s,
            "total_s": record.total_s,
        },
        "kernel": record.kernel,
        "device": record.device,
        "lowering": record.lowering,
        "grid": record.grid,
        "block": record.block,
    }


def server_timing(record: LaunchRecord) -> str:
    """Return where the launch's time went, in milliseconds, as the header Server-Timing has it (W3C Server Timing)."""
    return ", ".join(f"{stage};dur={getattr(record, stage + '_s') * 1e3:.6g}" for stage in STAGES)


def check_finite(results: Mapping[str, Any]) -> None:
    """Check that every number has a form in JSON.

    Raises:
        RequestRefused: One has not (406).
    """
    for name, array in results.items():
        kind = array.dtype.kind
        if kind == "c":
            why = f"it is {array.dtype}"
        elif kind == "f" and not np.isfinite(array).all():
            why = "it holds values that are not finite (NaN or infinity)"
        else:
            continue
        mend = "ask for another form: Accept: application/x-npy or multipart/form-data"
        raise RequestRefused(406, f"the result {name!r} has no form in JSON: {why}; the launch itself went well", mend)


def json_results(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays as the JSON writer takes them."""
    told = {}
    for name, array in results.items():
        if array.dtype.kind == "c":
            check_finite({name: array})
        told[name] = array if array.ndim and array.flags.c_contiguous else array.tolist()
    return told
