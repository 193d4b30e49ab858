"""Intel's OpenCL runtime and PoCL, by pyopencl.

Intel's comes from PyPI (intel-opencl-rt, intel-cmplr-lib-rt); the .icd file that it installs names a folder of the
machine it was built on, so a corrected copy is written and named to the loader. PoCL comes from the distribution
(Debian: pocl-opencl-icd) or with pocl-binary-distribution.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from peers._missing import Missing

__all__ = ("NAMES", "prepare")

NAMES = ("intel", "pocl")
_PLATFORMS = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}
_BLOCKS = {"matmul": (16, 16), "tiled_matmul": (16, 16), "mandelbrot": (16, 16), "stencil": (32, 8), "bodies": (128,)}
SOURCE = Path(__file__).parent / "kernels.cl"
_known: dict[str, Any] = {}


def _load() -> Any:
    """Import pyopencl, with the vendors' libraries named where they are."""
    if "cl" not in _known:
        if importlib.util.find_spec("pyopencl") is None:
            raise Missing("pyopencl is not installed")
        vendors = Path(tempfile.mkdtemp(prefix="rkruntime-icd-"))
        intel = Path(sys.prefix) / "lib" / "libintelocl.so"
        if intel.exists():
            (vendors / "intel.icd").write_text(f"{intel}\n")
        for system in Path("/etc/OpenCL/vendors").glob("*.icd"):
            (vendors / system.name).write_text(system.read_text())
        os.environ.setdefault("OCL_ICD_VENDORS", str(vendors))
        import pyopencl

        _known["cl"] = pyopencl
    return _known["cl"]


def _built(name: str) -> tuple[Any, Any, Any]:
    """Return pyopencl, a queue, and the built program of a platform."""
    cl = _load()
    if name not in _known:
        platform = next((one for one in cl.get_platforms() if one.name == _PLATFORMS[name]), None)
        if platform is None:
            raise Missing(f"no OpenCL platform {_PLATFORMS[name]!r}")
        context = cl.Context(platform.get_devices())
        program = cl.Program(context, SOURCE.read_text()).build(cache_dir=False)
        _known[name] = (cl.CommandQueue(context), program, context)
    return (cl, *_known[name][:2])


def prepare(name: str, key: str, data: Mapping[str, Any]) -> tuple[Callable[[], object], Callable[[], Any]]:
    """Return what runs a kernel once and waits, and what returns its result."""
    cl, queue, program = _built(name)
    if f"kernel void {key}(" not in SOURCE.read_text():
        raise Missing(f"no OpenCL kernel {key}")
    kernel = cl.Kernel(program, key)
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    device = {k: cl.Buffer(queue.context, flags, hostbuf=v) for k, v in data.items() if isinstance(v, np.ndarray)}
    out = data["out"]
    local = _BLOCKS.get(key, (256,))
    given = [device.get(k, np.int32(v) if isinstance(v, int) else v) for k, v in data.items()]
    first = next(v for v in data.values() if isinstance(v, np.ndarray))
    size = out.shape[-1] if key in ("mandelbrot", "bodies") else first.shape[-1]
    if key in ("histogram", "shared_histogram"):
        shape = (256 * 256,)
    elif len(local) == 2:
        shape = (size, size)
    else:
        shape = (-(-size // local[0]) * local[0],)

    def run() -> None:
        if key == "stencil":
            for k in range(10):
                pair = (device["image"], device["out"]) if k % 2 == 0 else (device["out"], device["image"])
                kernel(queue, shape, local, *pair, np.int32(size))
        else:
            kernel(queue, shape, local, *given, np.int32(size))
        queue.finish()

    def result() -> Any:
        if "histogram" in key:
            cl.enqueue_copy(queue, device["out"], np.zeros_like(out))
        run()
        got = np.empty_like(out)
        cl.enqueue_copy(queue, got, device["image" if key == "stencil" else "out"])
        queue.finish()
        return got

    return run, result
