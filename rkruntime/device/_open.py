"""Opening the device that the configuration asks for."""

from __future__ import annotations

import attrs

from rkruntime.config import RuntimeConfig
from rkruntime.device._api import Device
from rkruntime.errors import DeviceUnavailable

__all__ = ("OpenedDevice", "choose", "open_device", "open_device_with_note")


@attrs.frozen
class OpenedDevice:
    """A device, and what there is to say about how it was chosen.

    Args:
        device: Open; it belongs to the caller.
        note: Why no GPU is used though one was welcome; None where there is nothing to say.
    """

    device: Device
    note: str | None = None


def choose(config: RuntimeConfig) -> tuple[str, ...]:
    """Return the kinds of device to try, in order; all but the last may be missing."""
    if config.device != "auto":
        return (config.device,)
    return ("cuda", "cpu") if config.gpu_enabled else ("cpu",)


def open_device(config: RuntimeConfig) -> Device:
    """Open the device that `config` asks for.

    Raises:
        DeviceUnavailable: `device = "cuda"`, and it cannot be opened here.
    """
    return open_device_with_note(config).device


def open_device_with_note(config: RuntimeConfig) -> OpenedDevice:
    """Open the device that `config` asks for, and say so if that is not the GPU it would rather have.

    Raises:
        DeviceUnavailable: `device = "cuda"`, and it cannot be opened here.
    """
    *welcome, last = choose(config)
    note = None
    for kind in welcome:
        try:
            return OpenedDevice(_open(kind, config))
        except DeviceUnavailable as error:
            note = f"no GPU is used: {error.missing}; going on with {last}"
    return OpenedDevice(_open(last, config), note)


def _open(kind: str, config: RuntimeConfig) -> Device:
    if kind == "cuda":
        from rkruntime.device._cuda import CudaDevice

        return CudaDevice()
    from rkruntime.device._cpu import CpuDevice

    return CpuDevice(worker_threads=config.worker_threads, inline_budget_s=config.inline_budget)
