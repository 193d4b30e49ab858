"""What the fake device notes down: frozen records of launches and copies."""

from __future__ import annotations

from typing import Any

import attrs

from rkruntime.device._api import Dim3, KernelSource
from rkruntime.testing._fake_streams import FakeEvent

__all__ = ("FakeCompiled", "FakeCopy", "FakeLaunch")


@attrs.frozen(eq=False)
class FakeCompiled:
    """A kernel that the fake device has "compiled": its Python function, to be called once per launch.

    Args:
        source: The kernel.
        written: Positions of arguments that it may store to.
        compile_s: Always 0.
    """

    source: KernelSource
    written: frozenset[int]
    compile_s: float = 0.0
    lowering: str = "fake"

    @property
    def name(self) -> str:
        """The kernel's name."""
        return self.source.name

    def explain(self) -> str:
        """Say that nothing was lowered."""
        return f"{self.name}: a Python function, called once per launch by the fake device"


@attrs.frozen(eq=False, kw_only=True)
class FakeLaunch:
    """One launch that the fake device took.

    Args:
        kernel: The kernel's name.
        grid: Blocks in x, y, z.
        block: Threads per block in x, y, z.
        args: As the kernel's function gets them: NumPy arrays and scalars.
        shared_bytes: Dynamic shared memory.
        stream: The stream's number, from 0.
        submitted_s: When it came, in seconds of the device's time.
        event: Its event; `None` while its duration is being asked for.
    """

    kernel: str
    grid: Dim3
    block: Dim3
    args: tuple[Any, ...] = attrs.field(repr=False)
    shared_bytes: int
    stream: int
    submitted_s: float
    event: FakeEvent | None = None


@attrs.frozen(kw_only=True)
class FakeCopy:
    """One copy that the fake device took.

    Args:
        direction: `in`, `out` or `zero`.
        size_bytes: How much.
        stream: The stream's number, from 0.
        submitted_s: When it came, in seconds of the device's time.
    """

    direction: str
    size_bytes: int
    stream: int
    submitted_s: float
