"""What numba-cuda compiles for GPUs stays its own, whatever has been compiled for the CPU before."""

import numpy as np
from numba import cuda
from numba.cuda.compiler import compile_ptx
from numba.cuda.types import float16, int8


@cuda.jit
def shift(x, out):
    out[0] = x[0] + np.float16(1)


before, _ = compile_ptx(lambda x: np.float32(x), (float16,), device=True)
x, out = np.ones(1, np.float16), np.zeros(1, np.float16)
shift[1, 1](x, out)
assert out[0] == 2
after, _ = compile_ptx(lambda x: np.float16(x), (int8,), device=True)
assert "cvt.f32.f16" in before, before
assert "cvt.rn.f16.s8" in after, after
print("ok")
