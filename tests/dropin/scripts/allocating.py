"""Kernels that allocate arrays, counted as numba-cuda's runtime counts; run with NUMBA_CUDA_ENABLE_NRT=1."""

import numpy as np
import pytest
from numba import cuda
from numba.cuda.memory_management import rtsys


@cuda.jit
def spread(x, out):
    i = cuda.grid(1)
    if i < out.size:
        row = x[i].copy()
        row[0] += i
        out[i] = row.max() - row.min()


x = np.random.default_rng(5).random((20, 7))
out = np.zeros(20)
assert not rtsys.memsys_stats_enabled()
with pytest.raises(RuntimeError, match="NRT stats are disabled"):
    rtsys.get_allocation_stats()
spread[2, 16](x, out)
rtsys.memsys_enable_stats()
before = rtsys.get_allocation_stats()
spread[2, 16](x, out)
after = rtsys.get_allocation_stats()
# Its own twenty; the two arrays that are passed belong to the caller.
assert after.alloc - before.alloc == after.free - before.free == 20, (before, after)
assert rtsys.memsys_get_stats_mi_alloc() == after.mi_alloc
expected = x.copy()
expected[:, 0] += np.arange(20)
np.testing.assert_allclose(out, np.ptp(expected, axis=1))
rtsys.memsys_disable_stats()
print("ok")
