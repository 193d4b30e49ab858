"""The CPU compiler: numba.cuda kernels as compiled loops and fibers; needs no trio."""
