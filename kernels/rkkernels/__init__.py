"""Kernels that ship with rkruntime: one concept a file, each with a NumPy reference and an example.

Every module holds the kernel, `reference(...)`, which takes the kernel's inputs and returns what its outputs must be
by argument name, and `example()`, which returns arguments by name together with `over` or `grid`, `block` and, where
needed, `shared`. They are plain `numba.cuda` kernels: nothing in them knows rkruntime.
"""

from rkkernels.counting import histogram as histogram
from rkkernels.diffusion import diffuse as diffuse
from rkkernels.edges import sobel as sobel
from rkkernels.fractal import mandelbrot as mandelbrot
from rkkernels.gravity import attract as attract
from rkkernels.options import black_scholes as black_scholes
from rkkernels.reaction import gray_scott as gray_scott
from rkkernels.reduction import block_sum as block_sum
from rkkernels.scan import add_offsets as add_offsets
from rkkernels.scan import scan_blocks as scan_blocks
from rkkernels.sorting import bitonic_step as bitonic_step
from rkkernels.sparse import spmv as spmv
from rkkernels.spectrum import lomb_scargle as lomb_scargle
from rkkernels.tiles import matmul as matmul
from rkkernels.vectors import saxpy as saxpy

__all__ = (
    "add_offsets",
    "attract",
    "bitonic_step",
    "black_scholes",
    "block_sum",
    "diffuse",
    "gray_scott",
    "histogram",
    "lomb_scargle",
    "mandelbrot",
    "matmul",
    "saxpy",
    "scan_blocks",
    "sobel",
    "spmv",
)
