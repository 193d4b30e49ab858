"""Devices for the contract tests. `--contract-device` names the ones that need a process of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs
import pytest

from rkruntime.device import Device, KernelSource
from rkruntime.errors import DeviceUnavailable

IN_PROCESS = ("fake", "fake like cuda", "cpu", "faulty", "cuda")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" in metafunc.fixturenames:
        apart = metafunc.config.getoption("--contract-device")
        names = (apart,) if apart else getattr(metafunc.module, "SUBJECTS", IN_PROCESS)
        marks = {"cuda": pytest.mark.gpu}
        params = [pytest.param(name, marks=marks.get(name, ()), id=name.replace(" ", "_")) for name in names]
        metafunc.parametrize("subject", params, indirect=True)


@attrs.frozen
class Subject:
    """A device under test, and a kernel that never ends on it, if it can end one."""

    device: Device
    endless: KernelSource | None
    finish: Callable[[], None] = lambda: None


def endless(x):
    while x[0] == 0:
        x[1] += 1


ENDLESS = KernelSource(endless, "endless")


def _fake(like_cuda: bool) -> Device:
    from rkruntime.testing import FakeDevice

    return FakeDevice(
        job_s=lambda launch: math.inf if launch.kernel == "endless" else 0.0,
        cancels_kernels=not like_cuda,
        host_accessible=not like_cuda,
    )


def _cpu() -> Device:
    from rkruntime.device._cpu import CpuDevice

    return CpuDevice(worker_threads=2, inline_budget_s=0.0)


def _faulty() -> Device:
    from rkruntime.testing import FaultyDevice

    return FaultyDevice(_fake(like_cuda=False))


def _cuda() -> Device:
    from rkruntime.device._cuda import CudaDevice

    return CudaDevice()


def _double() -> Device:
    import driver_double

    driver_double.install()
    return _cuda()


def _simulator() -> Device:
    import simulator_patch

    simulator_patch.install()
    return _cuda()


OPEN: dict[str, Callable[[], Device]] = {
    "fake": lambda: _fake(like_cuda=False),
    "fake like cuda": lambda: _fake(like_cuda=True),
    "cpu": _cpu,
    "faulty": _faulty,
    "cuda": _cuda,
    "double": _double,
    "simulator": _simulator,
}


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    try:
        device = OPEN[request.param]()
    except DeviceUnavailable as error:
        if request.param != "cuda" or request.config.getoption("--require-gpu"):
            pytest.fail(str(error))
        pytest.skip(f"no GPU: {error.missing}")
    yield Subject(device, ENDLESS if device.properties.cancels_kernels else None)
    device.close()
