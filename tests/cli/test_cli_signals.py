"""Real signals to a real `rustkernel run`: the first drains, the second cancels at once."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import LIMIT_S, running

from rkruntime.config import RuntimeConfig

PATIENT = {
    "RUSTKERNEL_RUNTIME_SHUTDOWN_TIMEOUT": f"{LIMIT_S}s"
}  # the drain may have to wait for the kernel's compilation
BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@BOTH
def test_first_signal_drains_under_load(folder: Path, number: signal.Signals) -> None:
    words = ("run", "sobel", "--repeat", "1000000", "--parallel", "8", "--json")
    with running(folder, *words, **PATIENT) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=LIMIT_S)
    told: dict[str, Any] = json.loads(out)
    drain = told["drain"]
    assert process.returncode == 130
    assert told["interrupted"]
    assert drain["completed"] >= 1
    assert (drain["cancelled"], drain["failed"], drain["abandoned"], drain["leaked"]) == (0, 0, 0, [])
    assert drain["by_actor"]["sobel"]["completed"] == drain["completed"]
    assert told["completed"] >= drain["completed"]


@BOTH
def test_long_kernel_finishes_after_the_first_signal(folder: Path, number: signal.Signals) -> None:
    words = ("run", "mine.py:long", "--out", "x=long_out.npy", "--json", "--device", "cpu")
    with running(folder, *words, **PATIENT) as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=LIMIT_S)
    told = json.loads(out)
    assert process.returncode == 0
    assert told["completed"] == told["drain"]["completed"] == 1
    assert told["drain"]["cancelled"] == told["drain"]["abandoned"] == 0
    np.testing.assert_allclose(np.load(folder / "long_out.npy"), 2e9, rtol=1e-6)


def test_second_signal_cancels_a_kernel_that_never_ends(folder: Path) -> None:
    with running(folder, "run", "mine.py:forever", "--json", "--device", "cpu") as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT_S)
    told = json.loads(out)
    assert process.returncode == 130
    assert told["completed"] == 0
    assert told["drain"]["cancelled"] == 1
    assert told["drain"]["leaked"] == []
    assert told["drain"]["duration_s"] < RuntimeConfig().shutdown_timeout  # and not by the drain's deadline
