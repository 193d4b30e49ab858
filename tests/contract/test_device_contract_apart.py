"""The contract on numba-cuda's real host code over a driver double, and over its simulator: a process each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "double": ("test_device_contract.py",),
    "simulator": ("test_device_contract.py", "test_device_contract_threads.py"),
}


@pytest.mark.parametrize("name", FILES)
def test_contract_apart(name: str) -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": str(int(name == "simulator"))}
    here = Path(__file__).parent
    files = [str(here / file) for file in FILES[name]]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--contract-device", name, *files]
    done = subprocess.run(command, env=environment, cwd=here.parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
