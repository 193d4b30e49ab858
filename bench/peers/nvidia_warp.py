"""NVIDIA Warp on its CPU device: one thread a core's loop, no shared memory."""

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from peers._missing import Missing

__all__ = ("NAMES", "prepare")

NAMES = ("warp",)
_known: dict[str, Any] = {}


def _kernels() -> Any:
    if "kernels" not in _known:
        if importlib.util.find_spec("warp") is None:
            raise Missing("warp-lang is not installed")
        import warp

        warp.config.quiet = True
        warp.init()
        from peers import warp_kernels

        _known["kernels"] = warp_kernels
    return _known["kernels"]


def prepare(_: str, key: str, data: Mapping[str, Any]) -> tuple[Callable[[], object], Callable[[], Any]]:
    """Return what runs a kernel once and waits, and what returns its result."""
    kernels = _kernels()
    import warp

    kernel = getattr(kernels, key, None)
    if kernel is None:
        raise Missing(f"no Warp kernel {key}")
    out = data["out"]
    device = {k: warp.array(v, device="cpu") for k, v in data.items() if isinstance(v, np.ndarray)}
    given = [device.get(k, v) for k, v in data.items()]
    dim = {"bodies": out.shape[-1], "histogram": next(iter(device.values())).size}.get(key, out.shape)

    def run() -> None:
        if key == "stencil":
            for k in range(10):
                pair = (device["image"], device["out"]) if k % 2 == 0 else (device["out"], device["image"])
                warp.launch(kernel, dim, pair, device="cpu")
        else:
            warp.launch(kernel, dim, given, device="cpu")

    def result() -> Any:
        device["out"].zero_() if key == "histogram" else None
        run()
        return device["image" if key == "stencil" else "out"].numpy()

    return run, result
