"""The compiled kernels against numba-cuda's own simulator, which runs them as Python."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import simt_simulated
from simt_launching import run


@pytest.fixture(scope="module")
def simulated():
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, simt_simulated.__file__],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("lowering", ["lanes", "loop", "fibers"])
@pytest.mark.parametrize("case", simt_simulated.cases(), ids=lambda case: case[0])
def test_results_agree_with_the_simulator(simulated, case, lowering):
    name, kernel, grid, block, args = case
    if lowering in simt_simulated.CANNOT.get(name, ()):
        pytest.skip(f"{name} cannot run as {lowering}")
    args = [arg.copy() for arg in args]
    run(kernel, grid, block, *args, lowering=lowering)
    for got, wanted in zip(args, simulated[name], strict=True):
        np.testing.assert_allclose(got, np.array(wanted), rtol=1e-15, atol=0)
