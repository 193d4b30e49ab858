"""rkruntime: numba.cuda kernels as supervised Trio actors, on the GPU at hand or compiled for the CPU."""
