"""Devices behind one protocol: cpu, cuda, and faulty for tests."""

from rkruntime.device._api import Compiled as Compiled
from rkruntime.device._api import Device as Device
from rkruntime.device._api import DeviceEvent as DeviceEvent
from rkruntime.device._api import DeviceProperties as DeviceProperties
from rkruntime.device._api import DeviceStream as DeviceStream
from rkruntime.device._api import Dim3 as Dim3
from rkruntime.device._api import HostArray as HostArray
from rkruntime.device._api import KernelSource as KernelSource
from rkruntime.device._api import Timing as Timing
from rkruntime.device._api import WatchesWorkers as WatchesWorkers
from rkruntime.device._cuda_probe import CudaSurvey as CudaSurvey
from rkruntime.device._cuda_probe import Gpu as Gpu
from rkruntime.device._cuda_probe import survey as survey
from rkruntime.device._open import OpenedDevice as OpenedDevice
from rkruntime.device._open import open_device as open_device
from rkruntime.device._open import open_device_with_note as open_device_with_note

__all__ = (
    "Compiled",
    "CudaSurvey",
    "Device",
    "DeviceEvent",
    "DeviceProperties",
    "DeviceStream",
    "Dim3",
    "Gpu",
    "HostArray",
    "KernelSource",
    "OpenedDevice",
    "Timing",
    "WatchesWorkers",
    "open_device",
    "open_device_with_note",
    "survey",
)
