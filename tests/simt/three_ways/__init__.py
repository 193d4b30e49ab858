"""Kernels for every group of features: each runs as loops, on lanes, on fibers, and by numba-cuda's simulator.

These modules are imported by the simulator's process too, and so know nothing of ours.
"""

from three_ways import (
    against_numpy,
    arithmetic,
    atomics,
    functions,
    handlers,
    indices,
    memory,
    synchronisation,
    warps,
)

GROUPS = {
    "indices": indices.CASES,
    "memory": memory.CASES,
    "synchronisation": synchronisation.CASES,
    "warps": warps.CASES,
    "atomics": atomics.CASES,
    "arithmetic": arithmetic.CASES,
    "functions": functions.CASES,
    "handlers": handlers.CASES,
    "against_numpy": against_numpy.CASES,
}
