import json
import subprocess
import sys
from pathlib import Path

import pytest
from library_cases import CASES


@pytest.fixture(scope="module")
def compiled() -> dict[str, dict[str, str]]:
    script = Path(__file__).with_name("library_ptx.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    if "absent" in outcome:
        pytest.skip(f"numba-cuda's compiler is not installed (the cuda extra): {outcome['absent']}")
    return outcome


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernel_compiles_to_ptx(compiled: dict[str, dict[str, str]], case, architecture: str) -> None:
    assert compiled[case.name][architecture] == architecture
