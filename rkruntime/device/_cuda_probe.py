"""Whether CUDA can be used here, and in one line why not."""

from __future__ import annotations

from typing import Any

import attrs

from rkruntime.device._api import DeviceProperties
from rkruntime.device._cuda_numba import cuda_pathfinder, numba_cuda, numba_driver

__all__ = ("CudaSurvey", "Gpu", "missing", "read_properties", "survey")

COMPILER = ("nvvm", "nvrtc")


def missing() -> str | None:
    """Return what is missing for the CUDA device, in one line; None where nothing is."""
    try:
        cuda = numba_cuda()
    except ImportError as error:
        return f"numba-cuda cannot be imported ({error}); install rkruntime[cuda]"
    try:
        if not cuda.is_available():
            return _one_line(str(cuda.cuda_error() or "the CUDA driver is not usable"))
        if len(cuda.gpus) == 0:
            return "the CUDA driver finds no GPU"
        cuda.current_context()
    except Exception as error:  # the driver's own classes, and cuda.core's, are no part of a public interface
        return _one_line(str(error) or type(error).__name__)
    return _missing_compiler()


def read_properties() -> DeviceProperties:
    """Ask the driver what the current device is and can do."""
    cuda = numba_cuda()
    device = cuda.get_current_device()
    name = device.name
    return DeviceProperties(
        name=name.decode() if isinstance(name, bytes) else str(name),
        kind="cuda",
        total_memory_bytes=int(cuda.current_context().get_memory_info().total),
        compute_units=device.MULTIPROCESSOR_COUNT,
        host_accessible=False,
        cancels_kernels=False,
        max_threads_per_block=device.MAX_THREADS_PER_BLOCK,
        max_block=(device.MAX_BLOCK_DIM_X, device.MAX_BLOCK_DIM_Y, device.MAX_BLOCK_DIM_Z),
        max_grid=(device.MAX_GRID_DIM_X, device.MAX_GRID_DIM_Y, device.MAX_GRID_DIM_Z),
        max_shared_bytes=device.MAX_SHARED_MEMORY_PER_BLOCK,
        warp_size=device.WARP_SIZE,
    )


@attrs.frozen(kw_only=True)
class Gpu:
    """One GPU that the driver lists: its name and its compute capability, such as `9.0`."""

    name: str
    capability: str


@attrs.frozen(kw_only=True)
class CudaSurvey:
    """What there is of CUDA here.

    Args:
        missing: What keeps the CUDA device from opening, in one line; None where nothing does.
        driver: The CUDA version that the driver serves; None where there is no driver.
        gpus: Those that this process may use.
    """

    missing: str | None
    driver: str | None = None
    gpus: tuple[Gpu, ...] = ()


def survey() -> CudaSurvey:
    """Look at driver and GPUs; what cannot be read is left out."""
    why = missing()
    try:
        cuda = numba_cuda()
        if not cuda.is_available():
            return CudaSurvey(missing=why)
        version = numba_driver().driver.get_version()
        gpus = tuple(_gpu(each) for each in cuda.gpus.lst)
    except Exception as error:  # the driver's own classes, as above
        return CudaSurvey(missing=why or _one_line(str(error) or type(error).__name__))
    return CudaSurvey(missing=why, driver=".".join(map(str, version)), gpus=gpus)


def _gpu(listed: Any) -> Gpu:
    name = listed.name.decode() if isinstance(listed.name, bytes) else str(listed.name)
    return Gpu(name=name, capability=".".join(map(str, listed.compute_capability)))


def _missing_compiler() -> str | None:
    pathfinder = cuda_pathfinder()
    for library in COMPILER:
        try:
            pathfinder.load_nvidia_dynamic_lib(library)
        except pathfinder.DynamicLibNotFoundError:
            return f"there is a GPU, but no {library} to compile kernels for it; install rkruntime[cuda]"
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(":.")
