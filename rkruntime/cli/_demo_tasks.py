"""What the demo computes: four kernels as actors, and for each a NumPy computation of another kind that must agree.

The kernels and their inputs come from the library as any user's would: by name, through its entry point.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import trio

from rkruntime.kernels import KernelSpec, LaunchRecord, Out, find
from rkruntime.runtime import Actor, Runtime

__all__ = ("TASKS", "Demonstration", "Stage", "Terrain")

Array: TypeAlias = npt.NDArray[Any]
Task: TypeAlias = Callable[["Stage"], Awaitable["Demonstration"]]

CREEPS, STEPS_PER_CREEP = 20, 25
CREEPS_LEFT_TO_THE_DRAIN = 5
STRIPS = 8
BANDS = 8


@attrs.frozen(kw_only=True, eq=False)
class Stage:
    """What a task works with.

    Args:
        runtime: The one runtime.
        advance: To be called after each message.
        others_done: Set once all tasks but the first are done.
    """

    runtime: Runtime
    advance: Callable[[], None]
    others_done: trio.Event


@attrs.frozen(kw_only=True, eq=False)
class Demonstration:
    """One kernel's work, checked.

    Args:
        kernel: The kernel's name.
        actor: The actor's name.
        shows: What is special about the kernel.
        size: Its input's size, for people.
        records: One record a launch.
        given: The input.
        result: The output.
        expected: The output as NumPy computes it.
        tolerance: How far the two may be apart at most, in the output's unit.
        unit: The output's unit.
        extra: Further arrays for the picture.
    """

    kernel: str
    actor: str
    shows: str
    size: str
    records: tuple[LaunchRecord, ...]
    given: Array
    result: Array
    expected: Array
    tolerance: float
    unit: str
    extra: Array | None = None

    @property
    def error(self) -> float:
        """The largest distance between result and expectation; infinite where a result is no number."""
        apart = np.abs(self.result.astype(np.float64) - self.expected.astype(np.float64))
        return float(apart.max()) if np.isfinite(apart).all() else float("inf")

    @property
    def agrees(self) -> bool:
        """Whether the result is as expected."""
        return self.error <= self.tolerance

    @property
    def lowering(self) -> str:
        """How the device ran the kernel."""
        return ", ".join(sorted({record.lowering for record in self.records}))

    @property
    def compile_s(self) -> float:
        """Seconds of compilation."""
        return sum(record.compile_s for record in self.records)

    @property
    def device_s(self) -> float:
        """Seconds on the device."""
        return sum(record.device_s for record in self.records)


class Terrain(Actor):
    """A landscape that lives on the device and creeps downhill, message by message.

    Args:
        kernel: The step.
        height: Elevations in metres, shape (rows, columns) float32.
        number_x: The diffusion number from column to column, no unit.
        number_y: The diffusion number from row to row, no unit.
    """

    def __init__(self, kernel: KernelSpec, height: Array, number_x: Any, number_y: Any) -> None:
        self.kernel, self.height, self.numbers = kernel, height, (number_x, number_y)
        self.records: list[LaunchRecord] = []

    async def setup(self) -> None:
        """Bring the landscape to the device."""
        self.now = await self.memory.array(self.height)
        self.after = await self.memory.empty(self.height.shape, self.height.dtype)

    async def creep(self, count: int) -> None:
        """Take `count` steps."""
        rows, columns = self.height.shape
        for _ in range(count):
            launched = self.launch(
                self.kernel, self.now, self.after, *self.numbers, over=(columns, rows), block=(32, 8)
            )
            self.records.append(await launched)
            self.now, self.after = self.after, self.now

    async def heights(self) -> tuple[Array, tuple[LaunchRecord, ...]]:
        """Bring the landscape back to the host: shape (rows, columns) float32, in metres; and all launches so far."""
        return np.asarray(await self.now.copy_to_host()), tuple(self.records)


def library(name: str) -> tuple[KernelSpec, dict[str, Any]]:
    """Find a kernel of the library, and the example beside it."""
    spec = find(name)
    return spec, sys.modules[spec.source.function.__module__].example()


async def creep(stage: Stage) -> Demonstration:
    """Let the hills around the Jacksboro fault creep for 20 million years, the last five while the runtime drains."""
    spec, given = library("diffuse")
    numbers = x, y = given["number_x"], given["number_y"]
    check = partial(crept, given["now"], float(x), float(y), CREEPS * STEPS_PER_CREEP)
    expected = await trio.to_thread.run_sync(check)
    terrain = await stage.runtime.spawn(Terrain, spec, given["now"], *numbers, name="terrain")
    for _ in range(CREEPS - CREEPS_LEFT_TO_THE_DRAIN):
        await terrain.ask(Terrain.creep, STEPS_PER_CREEP)
        stage.advance()
    await stage.others_done.wait()
    for _ in range(CREEPS_LEFT_TO_THE_DRAIN):
        await terrain.tell(Terrain.creep, STEPS_PER_CREEP)
        stage.advance()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_shut_down_soon, stage.runtime)
        result, records = await terrain.ask(Terrain.heights)
        return Demonstration(
            kernel=spec.name,
            actor=terrain.name,
            shows="state on the device",
            size="344x403",
            records=records,
            given=given["now"],
            result=result,
            expected=expected,
            tolerance=0.005,
            unit="m",
        )


async def _shut_down_soon(runtime: Runtime) -> None:
    for _ in range(2):  # by the second turn the ask beside this task has been accepted
        await trio.lowlevel.checkpoint()
    runtime.request_shutdown()


def crept(height: Array, number_x: float, number_y: float, steps: int) -> Array:
    """Compute all steps at once: a step multiplies each standing wave of the grid by a number of its own."""

    def waves(n: int) -> tuple[Array, Array]:
        second = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
        second[0, 0] = second[-1, -1] = -1.0
        values, vectors = np.linalg.eigh(second)
        return values, vectors

    (along_y, down), (along_x, across) = waves(height.shape[0]), waves(height.shape[1])
    factor = (1.0 + number_y * along_y[:, None] + number_x * along_x[None, :]) ** steps
    found: Array = down @ (factor * (down.T @ height.astype(np.float64) @ across)) @ across.T
    return found


async def outline(stage: Stage) -> Demonstration:
    """Find the edges of the photograph."""
    spec, given = library("sobel")
    actor = await stage.runtime.spawn(spec, name="edges")
    image, strength = given["image"], given["strength"]
    record = await actor.launch(image, Out(strength), over=given["over"], block=given["block"])
    stage.advance()
    return Demonstration(
        kernel=spec.name,
        actor=actor.name,
        shows="barriers, shared memory",
        size="512x512",
        records=(record,),
        given=image,
        result=strength,
        expected=await trio.to_thread.run_sync(outlined, image),
        tolerance=1e-3,
        unit="grey levels",
    )


def outlined(image: Array) -> Array:
    """Compute the gradient's length as two correlations with a 3 by 3 window, term by term."""
    wide = np.pad(image.astype(np.float64), 1, mode="edge")
    across = np.zeros(image.shape)
    down = np.zeros(image.shape)
    for y, along in enumerate((1, 2, 1)):
        for x, sign in ((0, -1), (2, 1)):
            across += sign * along * wide[y : y + image.shape[0], x : x + image.shape[1]]
            down += sign * along * wide[x : x + image.shape[0], y : y + image.shape[1]]
    return np.sqrt(across**2 + down**2)


async def count(stage: Stage) -> Demonstration:
    """Count the photograph's grey levels, strip by strip into the same counts."""
    spec, given = library("histogram")
    actor = await stage.runtime.spawn(spec, name="levels")
    levels, counts = given["levels"], given["counts"]
    records = []
    for strip in np.split(levels, STRIPS):
        records.append(await actor.launch(strip, counts, grid=given["grid"], block=given["block"]))
        stage.advance()
    return Demonstration(
        kernel=spec.name,
        actor=actor.name,
        shows="atomics",
        size=f"{levels.size}",
        records=tuple(records),
        given=levels,
        result=counts,
        expected=counted(levels),
        tolerance=0.0,
        unit="pixels",
    )


def counted(levels: Array) -> Array:
    """Count by sorting: where each level would end, less where it would begin."""
    ordered = np.sort(levels.astype(np.int64))
    return np.diff(np.searchsorted(ordered, np.arange(257)))


async def listen(stage: Stage) -> Demonstration:
    """Look for cycles in 260 years of sunspots, band by band of frequencies."""
    spec, given = library("lomb_scargle")
    actor = await stage.runtime.spawn(spec, name="sunspots")
    times, values, frequencies = given["times"], given["values"], given["frequencies"]
    power = np.zeros_like(given["power"])
    records = []
    for band, out in zip(np.split(frequencies, BANDS), np.split(power, BANDS), strict=True):
        records.append(await actor.launch(times, values, band, Out(out), over=out.size, block=given["block"]))
        stage.advance()
    return Demonstration(
        kernel=spec.name,
        actor=actor.name,
        shows="sines and cosines",
        size=f"{times.size}x{frequencies.size}",
        records=tuple(records),
        given=np.stack([times, values]),
        result=power,
        expected=await trio.to_thread.run_sync(fitted, times, values, frequencies),
        tolerance=1e-9,
        unit="of variance",
        extra=frequencies,
    )


def fitted(times: Array, values: Array, frequencies: Array) -> Array:
    """Compute what part of the variance the best sine and cosine of each frequency explain, by their 2 by 2 system."""
    found = np.zeros(frequencies.size)
    for i, frequency in enumerate(frequencies):
        wave = np.exp(2j * np.pi * frequency * times)
        c, s = wave.real, wave.imag
        cc, cs, ss, yc, ys = c @ c, c @ s, s @ s, values @ c, values @ s
        found[i] = (ss * yc**2 - 2 * cs * yc * ys + cc * ys**2) / (cc * ss - cs**2)
    shares: Array = found / (values @ values)
    return shares


TASKS: tuple[tuple[str, int, Task], ...] = (
    ("terrain", CREEPS, creep),
    ("edges", 1, outline),
    ("levels", STRIPS, count),
    ("sunspots", BANDS, listen),
)
"""Name, number of messages, and what to do; the first waits for the others, and then has the runtime drain."""
