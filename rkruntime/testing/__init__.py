"""For tests of rkruntime and of programs that use it: devices that need no hardware, and hooks that remember."""

from rkruntime.device._faults import Call as Call
from rkruntime.device._faults import Fault as Fault
from rkruntime.device._faults import Faults as Faults
from rkruntime.device._faulty import FaultyDevice as FaultyDevice
from rkruntime.testing._fake_books import FakeCompiled as FakeCompiled
from rkruntime.testing._fake_books import FakeCopy as FakeCopy
from rkruntime.testing._fake_books import FakeLaunch as FakeLaunch
from rkruntime.testing._fake_device import FakeDevice as FakeDevice
from rkruntime.testing._fake_memory import FakeArray as FakeArray
from rkruntime.testing._fake_memory import FakeMemory as FakeMemory
from rkruntime.testing._fake_streams import FakeEvent as FakeEvent
from rkruntime.testing._fake_streams import FakeStream as FakeStream
from rkruntime.testing._recording import RecordingHook as RecordingHook

__all__ = (
    "Call",
    "FakeArray",
    "FakeCompiled",
    "FakeCopy",
    "FakeDevice",
    "FakeEvent",
    "FakeLaunch",
    "FakeMemory",
    "FakeStream",
    "Fault",
    "Faults",
    "FaultyDevice",
    "RecordingHook",
)
