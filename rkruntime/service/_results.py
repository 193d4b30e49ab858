"""Write what a launch gave: JSON, where every number has a form in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rkruntime.errors import RequestRefused
from rkruntime.kernels import KernelSpec, LaunchRecord, Out

__all__ = ("launch_answer", "results_of", "timings_of")


def results_of(spec: KernelSpec, args: tuple[Any, ...], record: LaunchRecord) -> dict[str, Any]:
    """Return by name the arrays that the kernel may have stored to."""
    found: dict[str, Any] = {}
    for place, (name, value) in enumerate(zip(spec.parameters, args, strict=True)):
        if isinstance(value, Out):
            found[name] = value.value
        elif place in record.written and isinstance(value, np.ndarray):
            found[name] = value
    return found


def timings_of(record: LaunchRecord) -> dict[str, float]:
    """Return where the launch's time went, in seconds."""
    return {
        "compile_s": record.compile_s,
        "copy_in_s": record.copy_in_s,
        "queue_s": record.queue_s,
        "device_s": record.device_s,
        "copy_out_s": record.copy_out_s,
        "total_s": record.total_s,
    }


def launch_answer(results: Mapping[str, Any], record: LaunchRecord) -> dict[str, Any]:
    """Return the answer in JSON's terms.

    Raises:
        RequestRefused: A result holds numbers that have no form in JSON (406).
    """
    for name, array in results.items():
        _check(name, array)
    return {
        "results": {name: _form(array) for name, array in results.items()},
        "timings": timings_of(record),
        "kernel": record.kernel,
        "device": record.device,
        "lowering": record.lowering,
        "grid": record.grid,
        "block": record.block,
    }


def _check(name: str, array: Any) -> None:
    kind = array.dtype.kind
    if kind not in "biuf":
        why = f"it is {array.dtype}"
    elif kind == "f" and not np.isfinite(array).all():
        why = "it holds values that are not finite (NaN or infinity)"
    else:
        return
    mend = "ask for another form: Accept: application/x-npy or multipart/form-data"
    raise RequestRefused(406, f"the result {name!r} has no form in JSON: {why}; the launch itself went well", mend)


def _form(array: Any) -> Any:
    return array if array.ndim and array.flags.c_contiguous else array.tolist()
