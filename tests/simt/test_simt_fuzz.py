"""Random kernels on lanes of several widths, against loops and fibers, and against numba-cuda's simulator.

A few of them here, the same each time; `make fuzz` goes on for as long as it is told.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import fuzzing
import numpy as np
import pytest
from kernel_writer import GRID, kernel_source
from simt_launching import run

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.mark.parametrize(("seed", "width"), [(2, 16), (5, 64), (41, 1), (45, 8), (7, 32), (42, 8)])
def test_lanes_agree_with_the_reference_on_random_kernels(seed, width, tmp_path):
    assert fuzzing.differences(seed, width, tmp_path) == [], kernel_source(seed)


SIMULATED = (49, 58, 32)
SCRIPT = """
import json, sys
from pathlib import Path
import fuzzing
from kernel_writer import GRID
import numpy as np
from numba import cuda
results = {}
for seed in map(int, sys.argv[2:]):
    args = fuzzing.arguments(seed, strided=False)
    kernel = cuda.jit(fuzzing.kernel_of(seed, Path(sys.argv[1]), casts=False))
    block, shared = fuzzing.launch_of(seed, casts=False)
    kernel[GRID, block, 0, shared](*args)
    results[seed] = [one.tobytes().hex() for one in args if isinstance(one, np.ndarray)]
json.dump(results, sys.stdout)
"""


def test_the_simulator_agrees_on_random_kernels(tmp_path):
    surroundings = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *map(str, SIMULATED)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=surroundings)
    simulated = json.loads(ran.stdout)
    for seed in SIMULATED:
        args = fuzzing.arguments(seed, strided=False)
        block, shared = fuzzing.launch_of(seed, casts=False)
        run(fuzzing.kernel_of(seed, tmp_path, casts=False), GRID, block, *args, shared=shared)
        arrays = [one for one in args if isinstance(one, np.ndarray)]
        for got, given in zip(arrays, simulated[str(seed)], strict=True):
            wanted = np.frombuffer(bytes.fromhex(given), got.dtype)
            np.testing.assert_array_equal(got, wanted, err_msg=kernel_source(seed, casts=False))
