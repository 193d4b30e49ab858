"""Taichi on its CPU backend, with the table's kernels in its language."""

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from peers._missing import Missing

__all__ = ("NAMES", "prepare")

NAMES = ("taichi",)
_known: dict[str, Any] = {}


def _kernels() -> Any:
    if "kernels" not in _known:
        if importlib.util.find_spec("taichi") is None:
            raise Missing("taichi is not installed")
        import numba
        import taichi

        taichi.init(arch=taichi.cpu, cpu_max_num_threads=numba.get_num_threads(), log_level=taichi.ERROR)
        from peers import taichi_kernels

        _known["kernels"] = taichi_kernels
    return _known["kernels"]


def prepare(_: str, key: str, data: Mapping[str, Any]) -> tuple[Callable[[], object], Callable[[], Any]]:
    """Return what runs a kernel once and waits, and what returns its result."""
    kernel = getattr(_kernels(), key, None)
    if kernel is None:
        raise Missing(f"no Taichi kernel {key}")
    import taichi

    own = {k: v.copy() if hasattr(v, "copy") and getattr(v, "ndim", 0) else v for k, v in data.items()}

    def run() -> None:
        if key == "stencil":
            for k in range(10):
                kernel(*((own["image"], own["out"]) if k % 2 == 0 else (own["out"], own["image"])))
        else:
            kernel(*own.values())
        taichi.sync()

    def result() -> Any:
        if key == "histogram":
            own["out"].fill(0)
        run()
        return own["image" if key == "stencil" else "out"]

    return run, result
