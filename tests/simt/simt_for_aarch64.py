"""As a script: make machine code for aarch64 of kernels that are compiled here, and print what is in it as JSON.

    NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= python simt_for_aarch64.py

Compiled so, registers have 16 bytes and there are none for masks, as on NEON. The code is taken as LLVM has it before
it becomes machine code.
"""

import json
import re

import llvmlite.binding as llvm
import numpy as np
from numba import cuda

from rkruntime import simt
from rkruntime.simt._drive import PAUSES
from rkruntime.simt._parts import WholeLibrary

TRIPLE = "aarch64-unknown-linux-gnu"
TILE = 16
SQUARE = np.zeros((TILE, TILE), np.float32)


@cuda.jit
def escaping(out):
    i = cuda.grid(1)
    if i < out.size:
        x, y, n = 0.0, 0.0, 0
        while x * x + y * y < 4 and n < 100:
            x, y = x * x - y * y + i * 1e-3, 2 * x * y + 0.1
            n += 1
        out[i] = n


@cuda.jit
def tiled_product(a, b, out):
    left = cuda.shared.array((TILE, TILE), np.float32)
    right = cuda.shared.array((TILE, TILE), np.float32)
    column, row = cuda.threadIdx.x, cuda.threadIdx.y
    total = np.float32(0)
    for k in range(a.shape[1] // TILE):
        left[row, column] = a[row, k * TILE + column]
        right[row, column] = b[k * TILE + row, column]
        cuda.syncthreads()
        for j in range(TILE):
            total += left[row, j] * right[j, column]
        cuda.syncthreads()
    out[row, column] = total


@cuda.jit
def counting(x, counts):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(counts, x[i], 1)


@cuda.jit
def sums_of_warps(x, out):
    value = x[cuda.grid(1)]
    for offset in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(0xFFFFFFFF, value, offset)
    if cuda.laneid == 0:
        cuda.atomic.add(out, 0, value)


KERNELS = (
    (escaping, (np.zeros(100),)),
    (tiled_product, (SQUARE, SQUARE, SQUARE)),
    (counting, (np.zeros(100, np.uint8), np.zeros(256, np.int32))),
    (sums_of_warps, (np.zeros(64, np.float32), np.zeros(1, np.float32))),
)


class Kept:
    """What LLVM has of the last driver that was compiled."""

    text = ""


def keep(library):
    """Look at a driver's code once it is optimised, and go on."""
    Kept.text = str(library._final_module)
    finalize(library)


def portable(text):
    """Leave out what each processor has its own of.

    That is the instruction that a thread waits with, and numba's functions that count references, which numba has made
    for this one already.
    """
    assert {"x86_64", "aarch64"} <= PAUSES.keys()
    text = re.sub(rf'\n[^\n]*asm sideeffect "({"|".join(PAUSES.values())})"[^\n]*', "", text)
    return re.sub(
        r"\ndefine [^\n]* void @(NRT_\w+)\(ptr[^\n]*\{\n.*?\n\}", r"\ndeclare void @\1(ptr)", text, flags=re.DOTALL
    )


def made_for_aarch64(text):
    """Return assembly and machine code."""
    target = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu="generic", opt=3)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = TRIPLE, str(target.target_data)
    module.verify()
    return target.emit_assembly(module), target.emit_object(module)


if __name__ == "__main__":
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    finalize, WholeLibrary._finalize_final_module = WholeLibrary._finalize_final_module, keep
    found = {}
    for kernel, args in KERNELS:
        for lowering in ("lanes", "fibers"):
            special = simt.Kernel(kernel, lowering=lowering).specialize(args)
            text = portable(Kept.text)
            assembly, built = made_for_aarch64(text)
            found[f"{kernel.py_func.__name__} {lowering}"] = {
                "lanes": special.lanes,
                "machine": int.from_bytes(built[18:20], "little"),
                "vectors": len(re.findall(r"\tf?m(?:la|ul|in|ax|ls)?\w*\s+v\d+\.(?:4s|2d|8h|16b)", assembly)),
            }
    print(json.dumps(found))
