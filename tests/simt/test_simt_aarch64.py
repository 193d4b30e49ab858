"""The same code for another processor: what LLVM has of a kernel becomes machine code for aarch64, with NEON's vectors.

Nothing here runs it, since that needs such a machine.
"""

import json
import os
import subprocess
import sys

import simt_for_aarch64

AARCH64 = 183  # EM_AARCH64, in the header of an ELF file


def test_kernels_become_machine_code_with_vectors_for_aarch64():
    surroundings = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "RKRUNTIME_CACHE_DIR": ""}
    command = [sys.executable, simt_for_aarch64.__file__]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 2 * len(simt_for_aarch64.KERNELS)
    assert {one["machine"] for one in found.values()} == {AARCH64}
    for name in ("escaping lanes", "tiled_product lanes", "sums_of_warps lanes"):
        assert found[name]["lanes"] > 1
        assert found[name]["vectors"] > 0, name
