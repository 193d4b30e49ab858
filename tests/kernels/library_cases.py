"""What the kernel library is tested on: its own examples, small enough for the simulator or of real size."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import rkkernels

LAUNCH_KEYS = ("over", "grid", "block", "shared")


@attrs.frozen(kw_only=True)
class LibraryCase:
    """One kernel with one input.

    Args:
        name: The kernel's name in `rkkernels`.
        small: Arguments of the example for the simulator; None where a slice of the example is taken instead.
        crop: Makes a real input small.
        rtol: Relative tolerance.
        atol: Absolute tolerance, in the output's unit.
        differing: Part of the output's elements that may lie outside the tolerances.
        blocks: Other blocks that the kernel takes.
        example: The example's function, where a module has several.
        reference: The reference's function, where a module has several.
    """

    name: str
    small: dict[str, Any] = attrs.field(factory=dict)
    crop: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    rtol: float = 1e-12
    atol: float = 1e-12
    differing: float = 0.0
    blocks: tuple[Any, ...] = ()
    example: str = "example"
    reference: str = "reference"
    simulated: bool = True

    @property
    def kernel(self) -> Any:
        return getattr(rkkernels, self.name)

    @property
    def module(self) -> Any:
        return sys.modules[getattr(self.kernel, "py_func", getattr(self.kernel, "fn", None)).__module__]

    def inputs(self, *, small: bool = False) -> dict[str, Any]:
        made = getattr(self.module, self.example)(**(self.small if small else {}))
        return self.crop(made) if small and self.crop is not None else made

    def expected(self, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        reference = getattr(self.module, self.reference)
        return reference(**{name: inputs[name] for name in inspect.signature(reference).parameters})

    def check(self, inputs: dict[str, Any], expected: dict[str, np.ndarray]) -> None:
        for name, wanted in expected.items():
            got = inputs[name]
            assert got.shape == wanted.shape, name
            outside = ~np.isclose(got, wanted, rtol=self.rtol, atol=self.atol)
            assert outside.mean() <= self.differing, (
                f"{self.name}: {name} differs in {outside.mean():.2%}, by up to {np.abs(got - wanted).max()}"
            )


def arguments(inputs: dict[str, Any]) -> list[Any]:
    return [value for name, value in inputs.items() if name not in LAUNCH_KEYS]


def crop_terrain(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs | {"now": inputs["now"][:13, :21].copy(), "after": inputs["after"][:13, :21].copy(), "over": (21, 13)}


def crop_photograph(inputs: dict[str, Any]) -> dict[str, Any]:
    image = inputs["image"][100:121, 100:135].copy()
    return inputs | {"image": image, "strength": np.zeros(image.shape, np.float32), "over": (35, 21)}


def crop_levels(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs | {"levels": inputs["levels"][100_000:100_300].copy(), "grid": 2, "block": 64}


def crop_sunspots(inputs: dict[str, Any]) -> dict[str, Any]:
    return inputs | {"times": inputs["times"][:100].copy(), "values": inputs["values"][:100].copy()}


LINE = (1, 31, 32, 33, 1024)
PLANE = ((16, 16), (1, 1), (7, 5), (32, 8), (256, 4))
POWERS = (1, 2, 32, 1024)

CASES = (
    LibraryCase(name="saxpy", small={"n": 300}, rtol=1e-6, atol=1e-6, blocks=LINE),
    LibraryCase(name="black_scholes", small={"n": 50}, rtol=1e-9, atol=1e-11, blocks=LINE),
    LibraryCase(name="mandelbrot", small={"side": 20}, differing=1e-3, blocks=PLANE),
    LibraryCase(name="diffuse", crop=crop_terrain, rtol=1e-6, atol=1e-4, blocks=PLANE),
    LibraryCase(name="gray_scott", small={"side": 20}, rtol=1e-5, atol=1e-6, blocks=PLANE),
    LibraryCase(name="block_sum", small={"n": 5000, "block": 16}, rtol=1e-12, blocks=POWERS),
    LibraryCase(name="scan_blocks", small={"n": 100, "block": 32}, rtol=0, atol=0),
    LibraryCase(
        name="add_offsets",
        small={"n": 100, "block": 32},
        rtol=0,
        atol=0,
        example="example_add_offsets",
        reference="reference_add_offsets",
    ),
    LibraryCase(name="histogram", crop=crop_levels, rtol=0, atol=0, blocks=LINE),
    LibraryCase(name="matmul", small={"rows": 20, "inner": 17, "columns": 18}, rtol=1e-5, atol=1e-4),
    LibraryCase(name="sobel", crop=crop_photograph, rtol=1e-6, atol=1e-3),
    LibraryCase(name="spmv", small={"side": 10}, rtol=1e-11, atol=1e-11, blocks=(32, 64, 1024), simulated=False),
    LibraryCase(name="bitonic_step", small={"n": 64}, rtol=0, atol=0, blocks=LINE),
    LibraryCase(name="attract", small={"n": 50, "block": 16}, rtol=1e-10, atol=1e-12),
    LibraryCase(name="lomb_scargle", small={"m": 10}, crop=crop_sunspots, rtol=1e-7, atol=1e-10, blocks=LINE),
)
