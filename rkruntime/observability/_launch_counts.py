"""What is counted of launches, kernel by kernel, with the lines of a scrape that tell it, kept while they hold."""

from __future__ import annotations

from rkruntime.kernels import LaunchDone
from rkruntime.observability._exposition import OF_A_BLOCK, Page, histogram_lines, stack_lines
from rkruntime.observability._histogram import Histogram

__all__ = ("ENDS", "KernelCounts", "LaunchCounts")

ENDS = ("completed", "failed", "cancelled")
STAGES = ("compile", "copy_in", "queue", "device", "copy_out")
FAMILIES = ("rkruntime_launches", "rkruntime_launch_seconds", "rkruntime_launch_stage_seconds")
Lines = tuple[bytes, ...]
"""What stands of a kernel, or of several, in each of `FAMILIES`."""


class _Counted:
    """Something that launches are counted of, and its lines in either format, kept until the next launch.

    Attributes:
        launches: How many there were, once all else has been counted of them.
    """

    __slots__ = ("_made", "launches")

    def __init__(self) -> None:
        self.launches = 0
        self._made: dict[bool, tuple[int, Lines]] = {}

    def lines(self, *, openmetrics: bool) -> Lines:
        """Return its lines; made anew where a launch has ended since they were made."""
        launches = self.launches
        made_at, lines = self._made.get(openmetrics, (-1, ()))
        if made_at != launches:
            lines = self._told(openmetrics)
            self._made[openmetrics] = launches, lines
        return lines

    def _told(self, openmetrics: bool) -> Lines:
        raise NotImplementedError


class KernelCounts(_Counted):
    """What is counted of one kernel; one thread at a time counts, any may read it.

    Args:
        name: The kernel's.

    Attributes:
        outcomes: Launches by how they ended.
        stages_s: Seconds by stage, in the order of `STAGES`.
        took: How long completed launches took.
    """

    __slots__ = ("name", "outcomes", "stages_s", "took")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.outcomes = dict.fromkeys(ENDS, 0)
        self.stages_s = [0.0] * len(STAGES)
        self.took = Histogram()

    def count(self, done: LaunchDone) -> None:
        """Count a launch."""
        record = done.record
        if record is not None:
            self.took.observe(done.took_s, done.trace)
            stages_s = self.stages_s
            stages_s[0] += record.compile_s
            stages_s[1] += record.copy_in_s
            stages_s[2] += record.queue_s
            stages_s[3] += record.device_s
            stages_s[4] += record.copy_out_s
        self.outcomes[done.outcome] += 1
        self.launches += 1  # last: lines made before are out of date from here on

    def _told(self, openmetrics: bool) -> Lines:
        ended, took, stages = FAMILIES
        return (
            stack_lines(ended, self.name, ENDS, self.outcomes.values()),
            histogram_lines(took, (self.name,), self.took, openmetrics=openmetrics),
            stack_lines(stages, self.name, STAGES, self.stages_s),
        )


class LaunchCounts:
    """What is counted of all kernels; one thread at a time counts, any may write a page of it.

    Attributes:
        kernels: The counts of each by its name.
    """

    def __init__(self) -> None:
        self.kernels: dict[str, KernelCounts] = {}
        self._block_of: dict[str, _Block] = {}
        self._blocks: list[_Block] = []

    def count(self, done: LaunchDone) -> None:
        """Count a launch."""
        kernel = self.kernels.get(done.kernel)
        if kernel is None:
            kernel = self._first(done.kernel)
        kernel.count(done)
        self._block_of[done.kernel].launches += 1  # last, as the kernel's own

    def write(self, page: Page) -> None:
        """Write the families of launches, stages and durations by kernel."""
        lines = [block.lines(openmetrics=page.openmetrics) for block in page.slowly(tuple(self._blocks))]
        for place, family in enumerate(FAMILIES):
            page.lines(family, [each[place] for each in lines])

    def _first(self, name: str) -> KernelCounts:
        kernel = KernelCounts(name)
        begins = len(self.kernels) % OF_A_BLOCK == 0
        block = _Block() if begins else self._blocks[-1]
        block.kernels.append(kernel)
        if begins:
            self._blocks.append(block)  # a page may be written now, and there is none of a block without kernels
        self._block_of[name] = block
        self.kernels[name] = kernel
        return kernel


class _Block(_Counted):
    """Kernels that were first launched one after the other, and their lines as one piece a family."""

    __slots__ = ("kernels",)

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[KernelCounts] = []

    def _told(self, openmetrics: bool) -> Lines:
        each = [kernel.lines(openmetrics=openmetrics) for kernel in tuple(self.kernels)]
        return tuple([b"".join(family) for family in zip(*each, strict=True)])
