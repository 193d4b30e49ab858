"""The kernel library on the CPU device, through the runtime, at the size of its examples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rkkernels
from library_cases import CASES, LAUNCH_KEYS, LibraryCase, arguments
from rkkernels import reaction, scan, sorting

import rkruntime as rk
from rkruntime import blocking
from rkruntime.simt._svml import library

WITH_VECTOR_MATH = ("black_scholes",)
ON_LANES = frozenset(
    ["attract", "block_sum", "histogram", "lomb_scargle", "mandelbrot", "matmul", "scan_blocks", "sobel", "spmv"],
)
BLOCKS = [pytest.param(case, block, id=f"{case.name}-{block}") for case in CASES for block in case.blocks]


@pytest.fixture(scope="module")
def runtime() -> Iterator[Any]:
    with blocking.open_runtime(rk.RuntimeConfig(device="cpu", worker_threads=2)) as opened:
        yield opened


def lowering_of(name: str) -> str:
    return "lanes" if name in ON_LANES or (name in WITH_VECTOR_MATH and library()) else "loop"


def launch(runtime: Any, kernel: Any, inputs: dict[str, Any]) -> Any:
    actor = runtime.spawn(kernel)
    try:
        return actor.launch(*arguments(inputs), **{name: inputs[name] for name in LAUNCH_KEYS if name in inputs})
    finally:
        actor.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernel_agrees_with_its_reference(runtime: Any, case: LibraryCase) -> None:
    inputs = case.inputs()
    expected = case.expected(inputs)
    record = launch(runtime, case.kernel, inputs)
    case.check(inputs, expected)
    assert record.lowering == lowering_of(case.name)


@pytest.mark.parametrize(("case", "block"), BLOCKS)
def test_kernel_agrees_whatever_the_block(runtime: Any, case: LibraryCase, block: Any) -> None:
    inputs = case.inputs(small=True) | {"block": block}
    expected = case.expected(inputs)
    launch(runtime, case.kernel, inputs)
    case.check(inputs, expected)


def test_bitonic_steps_sort_on_the_device(runtime: Any) -> None:
    values = sorting.example(2**12)["values"]
    expected = np.sort(values)
    actor = runtime.spawn(rkkernels.bitonic_step)
    for apart, width in sorting.steps(values.size):
        actor.launch(values, apart, width, over=values.size)
    actor.stop()
    np.testing.assert_array_equal(values, expected)


def test_three_launches_make_the_running_total(runtime: Any) -> None:
    inputs = scan.example(10_000, 128)
    launch(runtime, rkkernels.scan_blocks, inputs)
    offsets = np.cumsum(inputs["totals"]) - inputs["totals"]
    added = {"running": inputs["running"], "offsets": offsets, "grid": inputs["grid"], "block": 128}
    launch(runtime, rkkernels.add_offsets, added)
    np.testing.assert_array_equal(inputs["running"], np.cumsum(inputs["values"]))


def test_many_steps_stay_with_the_reference(runtime: Any) -> None:
    now = reaction.example(64)
    wanted = {"u": now["u"].astype(np.float64), "v": now["v"].astype(np.float64)}
    actor = runtime.spawn(rkkernels.gray_scott)
    for _ in range(100):
        actor.launch(*arguments(now), over=now["over"], block=now["block"])
        now |= {"u": now["u_after"], "v": now["v_after"], "u_after": now["u"], "v_after": now["v"]}
        found = reaction.reference(wanted["u"], wanted["v"], now["feed"], now["kill"])
        wanted = {"u": found["u_after"], "v": found["v_after"]}
    actor.stop()
    np.testing.assert_allclose(now["u"], wanted["u"], atol=1e-5)
    np.testing.assert_allclose(now["v"], wanted["v"], atol=1e-5)
    assert now["v"].std() > 0.01, "the pattern has died, so that agreement means little"
