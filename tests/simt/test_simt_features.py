"""numba.cuda feature by feature, on every lowering: against NumPy, and against numba-cuda's simulator."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import simt_features
from simt_launching import run

from rkruntime.simt.lanes import LanesRefused

# What a lowering cannot take: barriers as a loop, for one.
CANNOT = {("memory", "loop")}


@pytest.fixture(scope="module")
def simulated():
    done = subprocess.run(
        [sys.executable, simt_features.__file__],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def arrays_of(args):
    return [one for one in args if isinstance(one, np.ndarray)]


def copied(args):
    return [one.copy(order="K") if isinstance(one, np.ndarray) and one.flags.writeable else one for one in args]


def assert_same(got, wanted):
    for one, other in zip(arrays_of(got), arrays_of(wanted), strict=True):
        if one.dtype.kind in "fc":
            np.testing.assert_allclose(one, other, rtol=1e-14 if one.dtype.itemsize >= 8 else 2e-6, atol=0)
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("lowering", ["loop", "fibers", "lanes"])
@pytest.mark.parametrize("case", simt_features.cases(), ids=simt_features.name_of)
def test_a_kernel_does_what_numpy_and_the_simulator_do(simulated, case, lowering):
    name = simt_features.name_of(case)
    if (name, lowering) in CANNOT:
        pytest.skip(f"{name} cannot run as {lowering}")
    got, wanted = copied(case.args), copied(case.args)
    case.reference(*wanted)
    try:
        run(case.kernel, case.grid, case.block, *got, lowering=lowering, shared=case.shared)
    except LanesRefused as refused:
        pytest.skip(str(refused))
    assert_same(got, wanted)
    if case.simulated:
        for one, other in zip(arrays_of(got), simulated[name], strict=True):
            np.testing.assert_allclose(np.array(simt_features.plain(one)), np.array(other), rtol=1e-14)
