"""The demo: its checks against SciPy, and the whole command as users run it."""

import json
import signal as signals
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from PIL import Image
from rkkernels import counting, diffusion, edges, spectrum
from scipy import ndimage, signal

from rkruntime.cli._demo import _demonstrate
from rkruntime.cli._demo_tasks import Demonstration, counted, crept, fitted, outlined
from rkruntime.config import RuntimeConfig

COMMAND = str(Path(sys.executable).with_name("rustkernel"))


def demonstrate(result: np.ndarray, expected: np.ndarray) -> Demonstration:
    return Demonstration(
        kernel="k",
        actor="a",
        shows="",
        size="",
        records=(),
        given=result,
        result=result,
        expected=expected,
        tolerance=0.1,
        unit="m",
    )


def test_many_steps_at_once_are_many_steps() -> None:
    height = diffusion.example()["now"][:40, :50].astype(np.float64)
    weights = np.array([[0, 0.05, 0], [0.07, 1 - 0.24, 0.07], [0, 0.05, 0]])
    stepped = height
    for _ in range(30):
        stepped = ndimage.convolve(stepped, weights, mode="nearest")
    np.testing.assert_allclose(crept(height, 0.07, 0.05, 30), stepped, atol=1e-9)


def test_outline_is_scipys_sobel() -> None:
    image = edges.example()["image"]
    across, down = (ndimage.sobel(image.astype(float), axis, mode="nearest") for axis in (1, 0))
    np.testing.assert_allclose(outlined(image), np.hypot(across, down), atol=1e-9)


def test_count_is_scipys_histogram() -> None:
    levels = counting.example()["levels"]
    np.testing.assert_array_equal(counted(levels), ndimage.histogram(levels, 0, 256, 256))


def test_fit_is_scipys_periodogram() -> None:
    given = spectrum.example(40)
    omega = 2 * np.pi * given["frequencies"]
    scipys = signal.lombscargle(given["times"], given["values"], omega, normalize=True)
    np.testing.assert_allclose(fitted(given["times"], given["values"], given["frequencies"]), scipys, atol=1e-9)


@pytest.mark.parametrize("wrong", [0.2, -0.2, np.nan, np.inf])
def test_a_wrong_result_does_not_agree(wrong: float) -> None:
    right = np.ones(5)
    assert demonstrate(right, right).agrees
    result = right.copy()
    result[3] += wrong
    assert not demonstrate(result, right).agrees


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    picture = tmp_path_factory.mktemp("demo") / "demo.png"
    command = [COMMAND, "demo", "--device", "cpu", "--json", "--out", str(picture)]
    return subprocess.run(command, capture_output=True, text=True, check=False), picture


def test_every_kernel_of_the_demo_agrees(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = ran
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["kernel"] for row in told["kernels"]] == ["diffuse", "sobel", "histogram", "lomb_scargle"]
    assert all(row["agrees"] and row["largest_error"] <= row["tolerance"] for row in told["kernels"])
    assert {row["lowering"] for row in told["kernels"]} == {"lanes", "loop"}
    assert [row["launches"] for row in told["kernels"]] == [500, 1, 8, 8]


def test_the_demo_ends_with_a_clean_drain(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    drain = json.loads(ran[0].stdout)["drain"]
    assert (drain["cancelled"], drain["failed"], drain["abandoned"], drain["leaked"]) == (0, 0, 0, [])


def test_the_demo_writes_one_picture(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    with Image.open(ran[1]) as picture:
        assert picture.format == "PNG"
        levels = np.asarray(picture.convert("L"))
    assert levels.shape[0] > 1000
    assert levels.shape[1] > 1500
    assert levels.std() > 20, "the picture is all but empty"


def test_the_drain_finishes_what_was_in_flight(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    drain = json.loads(ran[0].stdout)["drain"]
    assert drain["completed"] == 6
    assert drain["by_actor"]["terrain"]["completed"] == 6


async def test_a_signal_drains_the_demo() -> None:
    before = signals.getsignal(signals.SIGINT)
    outcome: list[Any] = []

    async def demonstrate_once() -> None:
        outcome.extend(await _demonstrate(RuntimeConfig(device="cpu")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(demonstrate_once)
        while signals.getsignal(signals.SIGINT) is before:
            await trio.lowlevel.checkpoint()
        signals.raise_signal(signals.SIGINT)
    shown, _, report = outcome
    assert shown == []
    assert report.completed + report.cancelled + report.failed + report.abandoned == report.in_flight
    assert report.abandoned == 0


def test_a_picture_that_cannot_be_written_is_an_error_without_traceback(tmp_path: Path) -> None:
    command = [COMMAND, "demo", "--device", "cpu", "--out", str(tmp_path / "no" / "demo.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "demo.png" in done.stderr
    assert "Traceback" not in done.stderr
