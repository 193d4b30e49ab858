"""The guide's curl lines run, as they stand, against a service."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from service_process import ServiceProcess

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "service.md"
FENCE = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    text = "\n".join(FENCE.findall(GUIDE.read_text())).replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("rustkernel serve")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_the_examples_run(service: ServiceProcess, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert len(commands()) > 8
    for command in commands():
        there = command.replace("http://localhost:8080", service.url)
        there = re.sub(r"^curl ", "curl --fail-with-body --silent --show-error ", there)
        done = subprocess.run(
            ["bash", "-c", there],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), 2 * np.arange(4.0) + 1)
