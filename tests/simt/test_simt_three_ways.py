"""Every group of features, three ways: as loops or on lanes, on fibers, and by numba-cuda's simulator.

Integers are to be the same, floats within a few units in the last place. Where the simulator lacks a feature or does it
wrong, what CUDA's guide says stands in NumPy in its place, with the reason.
"""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import simt_three_ways
from simt_launching import run
from three_ways import GROUPS
from three_ways.case import arrays_of, copied, name_of

from rkruntime import simt
from rkruntime.simt.lanes import LanesRefused

pytestmark = pytest.mark.usefixtures("untraced")

CASES = [
    pytest.param(group, number, lowering, id=f"{group}-{number}-{name_of(case)}-{lowering}")
    for group, cases in GROUPS.items()
    for number, case in enumerate(cases)
    for lowering in case.ways
]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    file = tmp_path_factory.mktemp("simulated") / "results"
    command = [sys.executable, simt_three_ways.__file__, str(file)]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return pickle.loads(file.read_bytes())


def ordered(array):
    """Return integers that are one apart where floats are neighbours; both zeros are one number."""
    bits = array.view(f"i{array.dtype.itemsize}").astype(np.int64)
    return np.where(bits < 0, np.iinfo(f"i{array.dtype.itemsize}").min - bits, bits)


def assert_close(got, wanted, ulps):
    if got.dtype.kind == "c":
        assert_close(got.real, wanted.real, ulps)
        assert_close(got.imag, wanted.imag, ulps)
    elif got.dtype.kind == "f" and ulps:
        nan = np.isnan(wanted)
        np.testing.assert_array_equal(np.isnan(got), nan)
        got, wanted = np.where(nan, 0, got).astype(got.dtype), np.where(nan, 0, wanted).astype(got.dtype)
        np.testing.assert_array_less(abs(ordered(got) - ordered(wanted)), ulps + 1)
    else:
        np.testing.assert_array_equal(got, wanted)


def run_as(case, lowering):
    """Run a case; where lanes do not apply, as a loop. Return what it wrote."""
    choice = simt.Kernel(case.kernel).choice
    if lowering == "lanes" and choice.lowering == "fibers":
        pytest.skip(f"fibers alone take it, which the other test runs: {choice.why}")
    for one in (lowering, None):
        args = copied(case.args)
        try:
            special = run(case.kernel, case.grid, case.block, *args, lowering=one, shared=case.shared)
        except LanesRefused as refused:
            reason = str(refused)
        else:
            break
    if special.lowering == "fibers" != lowering:
        pytest.skip(f"fibers alone take it, which the other test runs: {reason}")
    return arrays_of(args)


@pytest.mark.parametrize(("group", "number", "lowering"), CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_ways_agree(simulated, group, number, lowering):
    case = GROUPS[group][number]
    got = run_as(case, lowering)
    for wanted in wanted_of(case, simulated[group][number]):
        for one, other in zip(got, wanted, strict=True):
            assert_close(one, other, case.ulps)


def wanted_of(case, simulated):
    """Return what a case is to write: as the simulator has it, and as it was written down once more."""
    found = [] if simulated is None else [simulated]
    for reference in filter(None, (case.instead, case.besides)):
        expected = copied(case.args)
        reference(*expected)
        found.append(arrays_of(expected))
    return found
