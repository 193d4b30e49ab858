import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from library_cases import CASES

SIMULATED = [case.name for case in CASES if case.simulated]


@pytest.fixture(scope="module")
def simulated() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("library_simulated.py"))],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SIMULATED)
def test_kernel_agrees_with_its_reference_under_the_simulator(simulated: dict[str, str], name: str) -> None:
    assert simulated[name] == ""
