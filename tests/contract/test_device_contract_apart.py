"""The contract on numba-cuda's real host code over a driver double, and over its simulator: a process each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["double", "simulator"])
def test_contract_apart(name: str) -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(name == "simulator"))}
    contract = Path(__file__).with_name("test_device_contract.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--contract-device", name, str(contract)]
    done = subprocess.run(
        command, env=environment, cwd=contract.parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
