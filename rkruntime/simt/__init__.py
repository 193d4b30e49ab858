"""The CPU compiler: `numba.cuda` kernels, unmodified, compiled and in parallel on the CPU, with CUDA's meaning.

    kernel = simt.Kernel(saxpy)
    special = kernel.specialize((a, x, y, out))
    simt.run(special, grid=40, block=256, args=(a, x, y, out))

Works by itself: it needs numba and numba-cuda, and neither a GPU nor an event loop.
"""

from rkruntime.simt._cache import folder as cache_folder
from rkruntime.simt._kernel import Kernel as Kernel
from rkruntime.simt._kernel import Special as Special
from rkruntime.simt._run import run as run
from rkruntime.simt._schedule import Launch as Launch
from rkruntime.simt._schedule import Workers as Workers
from rkruntime.simt._svml import version as vector_math_version

__all__ = ("Kernel", "Launch", "Special", "Workers", "cache_folder", "run", "vector_math_version")
