"""Device memory: pools, pressure, ownership, accounting."""

from rkruntime.memory._account import ClassStats as ClassStats
from rkruntime.memory._account import MemoryStats as MemoryStats
from rkruntime.memory._account import OwnerStats as OwnerStats
from rkruntime.memory._array import DeviceArray as DeviceArray
from rkruntime.memory._buffer import Buffer as Buffer
from rkruntime.memory._buffer import Leak as Leak
from rkruntime.memory._classes import block_bytes as block_bytes
from rkruntime.memory._manager import KernelMemoryManager as KernelMemoryManager
from rkruntime.memory._owner import OwnedMemory as OwnedMemory
from rkruntime.memory._pressure import PressureChange as PressureChange
from rkruntime.memory._pressure import PressureLevel as PressureLevel
from rkruntime.memory._report import OutOfMemoryReport as OutOfMemoryReport
from rkruntime.memory._report import Trend as Trend
from rkruntime.memory._staging import StagingPool as StagingPool

__all__ = (
    "Buffer",
    "ClassStats",
    "DeviceArray",
    "KernelMemoryManager",
    "Leak",
    "MemoryStats",
    "OutOfMemoryReport",
    "OwnedMemory",
    "OwnerStats",
    "PressureChange",
    "PressureLevel",
    "StagingPool",
    "Trend",
    "block_bytes",
)
