"""The CUDA device: its decisions here, its behaviour on a driver double in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.config import RuntimeConfig
from rkruntime.device import KernelSource, survey
from rkruntime.device._cuda_backoff import LONGEST_PAUSE_S, SPINS, best_block, pause_s
from rkruntime.device._cuda_errors import Meaning, compile_error, debug_fault, error_name, meaning
from rkruntime.device._open import choose, open_device, open_device_with_note
from rkruntime.errors import DeviceUnavailable


def kernel(x):
    x[0] = 1


SOURCE = KernelSource(kernel, "kernel")


def test_cuda_device_on_the_driver_double() -> None:
    cases = Path(__file__).with_name("cuda_on_double.py")
    tests = cases.parents[1]
    environment = {**os.environ, "PYTHONPATH": str(tests / "contract"), "NUMBA_ENABLE_CUDASIM": "0"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    done = subprocess.run(command, env=environment, cwd=tests.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_first_looks_do_not_sleep() -> None:
    assert [pause_s(looks) for looks in range(SPINS)] == [0.0] * SPINS
    assert pause_s(SPINS) == 10e-6


@given(st.integers(SPINS, 10**9))
def test_pauses_grow_to_a_bound(looks: int) -> None:
    assert 0 < pause_s(looks) <= pause_s(looks + 1) <= LONGEST_PAUSE_S


def test_best_block_keeps_most_threads_active() -> None:
    assert best_block({64: 16, 128: 12, 256: 6, 512: 3, 1024: 1}) == 256
    assert best_block({64: 32, 128: 12, 256: 6}) == 64
    assert best_block({128: 8, 512: 2}) == 128


@pytest.mark.parametrize(
    ("name", "launching", "expected"),
    [
        ("CUDA_ERROR_OUT_OF_MEMORY", False, Meaning.MEMORY),
        ("CUDA_ERROR_INVALID_VALUE", True, Meaning.LAUNCH),
        ("CUDA_ERROR_INVALID_VALUE", False, Meaning.LOST),
        ("CUDA_ERROR_ILLEGAL_ADDRESS", True, Meaning.LOST),
        ("CUDA_ERROR_ILLEGAL_ADDRESS", False, Meaning.LOST),
    ],
)
def test_meaning_of_driver_errors(name: str, launching: bool, expected: Meaning) -> None:
    assert meaning(name, launching=launching) is expected


def test_error_names_are_read_from_any_text() -> None:
    assert error_name(RuntimeError("[700] Call to cuX results in CUDA_ERROR_ILLEGAL_ADDRESS")) == (
        "CUDA_ERROR_ILLEGAL_ADDRESS"
    )
    assert error_name(RuntimeError("CUDA_ERROR_NO_DEVICE: no device")) == "CUDA_ERROR_NO_DEVICE"
    assert error_name(ValueError("something else")) is None


def test_faults_without_a_place_name_the_kernel() -> None:
    fault = debug_fault(SOURCE, ValueError("odd"))
    assert (fault.what, fault.file, fault.block) == ("ValueError: odd", __file__, None)


def test_faults_with_position_alone() -> None:
    fault = debug_fault(SOURCE, AssertionError("tid=[3, 2, 1] ctaid=[6, 5, 4]"))
    assert (fault.block, fault.thread, fault.line) == ((4, 5, 6), (1, 2, 3), kernel.__code__.co_firstlineno)


def test_compile_errors_name_the_authors_last_line() -> None:
    text = f'File "/numba/core.py", line 9\nFile "{__file__}", line 31:\nFile "test_device_cuda.py", line 33:'
    assert compile_error(SOURCE, "float64", RuntimeError(text)).line == 33
    assert compile_error(SOURCE, "float64", RuntimeError("?")).line == kernel.__code__.co_firstlineno


@pytest.mark.parametrize(
    ("device", "gpu_enabled", "expected"),
    [
        ("auto", True, ("cuda", "cpu")),
        ("auto", False, ("cpu",)),
        ("cpu", True, ("cpu",)),
        ("cpu", False, ("cpu",)),
        ("cuda", True, ("cuda",)),
    ],
)
def test_choice_of_device(device: str, gpu_enabled: bool, expected: tuple[str, ...]) -> None:
    assert choose(RuntimeConfig(device=device, gpu_enabled=gpu_enabled)) == expected


def no_gpu() -> str | None:
    from rkruntime.device._cuda_probe import missing

    return missing()


def test_without_a_gpu_auto_goes_on_and_says_so_and_cuda_refuses() -> None:
    lacking = no_gpu()
    if lacking is None:
        opened = open_device_with_note(RuntimeConfig())
        assert (opened.device.properties.kind, opened.note) == ("cuda", None)
        opened.device.close()
        return
    opened = open_device_with_note(RuntimeConfig(worker_threads=1))
    assert opened.device.properties.kind == "cpu"
    assert opened.note is not None
    assert lacking in opened.note
    opened.device.close()
    with pytest.raises(DeviceUnavailable) as caught:
        open_device(RuntimeConfig(device="cuda"))
    assert caught.value.missing == lacking
    assert "\n" not in lacking
    assert "--device cpu" in str(caught.value)


def test_cpu_says_nothing_about_gpus() -> None:
    opened = open_device_with_note(RuntimeConfig(device="cpu", worker_threads=1))
    assert (opened.device.properties.kind, opened.note) == ("cpu", None)
    opened.device.close()


def test_a_survey_agrees_with_what_is_missing() -> None:
    found = survey()
    assert found.missing == no_gpu()
    if found.driver is None:
        assert found.gpus == ()
