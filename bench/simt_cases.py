"""What `bench_simt` measures: each case's data, our launches, the loop by hand, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import simt_kernels as table
import simt_more as more
from numba.cuda.random import init_xoroshiro128p_states_cpu, xoroshiro128p_dtype

from rkruntime import simt

__all__ = ("Case", "cases", "compiled", "runner")

Launch = tuple[Any, Any, Any, tuple[Any, ...]]  # kernel, grid, block, arguments


@attrs.frozen
class Case:
    """One row of the table.

    Args:
        name: What it is.
        key: The peers' name for it.
        launches: Our kernels in order, with grid, block and arguments.
        by_hand: The loop by hand; called without arguments.
        data: Arrays and numbers by name, as peers are given them.
        out: What our launches write.
        wanted: What the loop by hand writes.
        targets: The speed to reach beside each peer: its time over ours.
        reset: Called before results are compared, to start both from the same state.
        tolerance: Of relative differences.
    """

    name: str
    key: str
    launches: tuple[Launch, ...]
    by_hand: Callable[[], object]
    data: Mapping[str, Any]
    out: Any
    wanted: Any
    targets: Mapping[str, float]
    reset: Callable[[], object] = lambda: None
    tolerance: float = 1e-3


def blocks_for(size: int, block: int) -> int:
    return -(-size // block)


def cases(scale: int = 1) -> Iterator[tuple[str, Callable[[], Case]]]:
    """Return each case's name and what makes it: its data are large, so one is made at a time.

    Args:
        scale: Divides sizes, for a quick look.
    """
    for make in (
        saxpy, matmul, tiled_matmul, block_sums, histogram, shared_histogram, stencil, mandelbrot, bodies,
        scan, bitonic, spmv, convolution, black_scholes, monte_carlo,
    ):  # fmt: skip
        yield make.__name__, lambda make=make: make(np.random.default_rng(0), scale)  # type: ignore[misc]


def saxpy(random: Any, scale: int) -> Case:
    n = 10_000_000 // scale
    x, y, out, wanted = (random.random(n, dtype=np.float32) for _ in range(4))
    a = np.float32(2)
    return Case(
        f"saxpy {n:.0e}", "saxpy", ((table.saxpy, blocks_for(n, 256), 256, (a, x, y, out)),),
        lambda: table.saxpy_by_hand(a, x, y, wanted), {"a": a, "x": x, "y": y, "out": out}, out, wanted, {"njit": 0.95},
    )  # fmt: skip


def _product(random: Any, kernel: Any, key: str, name: str, targets: Mapping[str, float], scale: int) -> Case:
    n = 512 if scale == 1 else 128
    a, b = random.random((2, n, n), dtype=np.float32)
    c, wanted = np.zeros_like(a), np.zeros_like(a)
    return Case(
        f"{name} {n}^3", key, ((kernel, (n // 16, n // 16), (16, 16), (a, b, c)),),
        lambda: table.matmul_by_hand(a, b, wanted), {"a": a, "b": b, "out": c}, c, wanted, targets,
    )  # fmt: skip


def matmul(random: Any, scale: int) -> Case:
    return _product(random, table.matmul, "matmul", "matmul naive", {"intel": 2.0}, scale)


def tiled_matmul(random: Any, scale: int) -> Case:
    return _product(random, table.tiled_matmul, "tiled_matmul", "matmul 16x16 tiles", {"intel": 1.3}, scale)


def block_sums(random: Any, scale: int) -> Case:
    x = random.random(10_000_000 // scale, dtype=np.float32)
    blocks = blocks_for(x.size, table.THREADS)
    out, wanted = np.zeros(blocks, np.float32), np.zeros(blocks, np.float32)
    return Case(
        f"block reduction {x.size:.0e}, 256 threads", "block_sums", ((table.block_sums, blocks, 256, (x, out)),),
        lambda: table.block_sums_by_hand(x, wanted), {"x": x, "out": out}, out, wanted, {"intel": 1.2},
    )  # fmt: skip


def _histogram(random: Any, kernel: Any, key: str, name: str, targets: Mapping[str, float], scale: int) -> Case:
    x = random.integers(0, 256, 10_000_000 // scale, dtype=np.uint8)
    counts, wanted = np.zeros(256, np.int32), np.zeros(256, np.int32)
    return Case(
        f"histogram {x.size:.0e} uint8, {name} atomics", key, ((kernel, 256, 256, (x, counts)),),
        lambda: table.histogram_by_hand(x, wanted), {"x": x, "out": counts}, counts, wanted, targets,
        lambda: counts.fill(0),
    )  # fmt: skip


def histogram(random: Any, scale: int) -> Case:
    return _histogram(random, table.histogram, "histogram", "global", {"intel": 10.0}, scale)


def shared_histogram(random: Any, scale: int) -> Case:
    return _histogram(random, table.shared_histogram, "shared_histogram", "shared", {"intel": 2.0}, scale)


def stencil(random: Any, scale: int) -> Case:
    n = 2048 if scale == 1 else 256
    image = random.random((n, n), dtype=np.float32)
    ours, by_hand = [image.copy(), image.copy()], [image.copy(), image.copy()]
    steps = [(ours[k % 2], ours[1 - k % 2]) for k in range(10)]

    def reset() -> None:
        for one in (*ours, *by_hand):
            one[...] = image

    def hand() -> None:
        for k in range(10):
            table.stencil_by_hand(by_hand[k % 2], by_hand[1 - k % 2])

    return Case(
        f"5-point stencil {n}^2, 10 steps", "stencil",
        tuple((table.stencil, (n // 32, n // 8), (32, 8), one) for one in steps),
        hand, {"image": image, "out": image.copy()}, ours[0], by_hand[0], {"njit": 0.9}, reset,
    )  # fmt: skip


def mandelbrot(_: Any, scale: int) -> Case:
    n = 1024 if scale == 1 else 128
    view = (np.float32(-2), np.float32(-1.25), np.float32(2.5 / n), 200)
    counts, wanted = np.zeros((n, n), np.int32), np.zeros((n, n), np.int32)
    return Case(
        f"Mandelbrot {n}^2, 200", "mandelbrot", ((table.mandelbrot, (n // 16, n // 16), (16, 16), (*view, counts)),),
        lambda: table.mandelbrot_by_hand(*view, wanted),
        {"left": view[0], "top": view[1], "step": view[2], "limit": 200, "out": counts}, counts, wanted, {"intel": 1.2},
    )  # fmt: skip


def bodies(random: Any, scale: int) -> Case:
    n = 8192 // scale // table.BODIES * table.BODIES or table.BODIES
    given = random.random((4, n), dtype=np.float32)
    out, wanted = np.zeros((3, n), np.float32), np.zeros((3, n), np.float32)
    return Case(
        f"n-body {n}, shared tiles", "bodies", ((table.attract, n // table.BODIES, table.BODIES, (given, out)),),
        lambda: table.attract_by_hand(given, wanted), {"bodies": given, "out": out}, out, wanted, {"intel": 1.0},
    )  # fmt: skip


def scan(random: Any, scale: int) -> Case:
    x = random.random(10_000_000 // scale, dtype=np.float32)
    blocks = blocks_for(x.size, more.CHUNK)
    out, wanted, sums = np.zeros_like(x), np.zeros_like(x), np.zeros(blocks, np.float32)
    launches = (
        (more.scan_blocks, blocks, more.CHUNK, (x, out, sums)),
        (more.scan_sums, 1, more.CHUNK, (sums,)),
        (more.scan_add, blocks, more.CHUNK, (out, sums)),
    )
    return Case(
        f"inclusive scan {x.size:.0e}, three kernels", "scan", launches, lambda: more.scan_by_hand(x, wanted),
        {"x": x, "out": out}, out, wanted, {"njit": 1.0},
    )  # fmt: skip


def bitonic(random: Any, scale: int) -> Case:
    size = 2**20 if scale == 1 else 2**14
    given = random.random(size, dtype=np.float32)
    ours, wanted = given.copy(), np.zeros_like(given)
    tile, launches, stage = 2 * more.SORT_THREADS, [], 2
    while stage <= size:
        distance = stage // 2
        while distance >= tile:
            launches.append((more.bitonic_step, size // 256, 256, (ours, distance, stage)))
            distance //= 2
        launches.append((more.bitonic_tile, size // tile, more.SORT_THREADS, (ours, stage, distance)))
        stage *= 2

    def reset() -> None:
        ours[...] = given

    return Case(
        f"bitonic sort 2^{size.bit_length() - 1}", "bitonic", tuple(launches), lambda: more.sort_by_hand(given, wanted),
        {"x": given, "out": ours}, ours, wanted, {"njit": 1.0}, reset,
    )  # fmt: skip


def spmv(random: Any, scale: int) -> Case:
    rows = 200_000 // scale
    lengths = random.integers(1, 64, rows)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = random.integers(0, rows, starts[-1]).astype(np.int32)
    values, x = random.random(starts[-1], dtype=np.float32), random.random(rows, dtype=np.float32)
    out, wanted = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    args = (starts, columns, values, x)
    return Case(
        f"CSR SpMV {rows:.0e} rows", "spmv", ((more.spmv, blocks_for(rows, 256), 256, (*args, out)),),
        lambda: more.spmv_by_hand(*args, wanted), {}, out, wanted, {"njit": 1.0},
    )  # fmt: skip


def convolution(random: Any, scale: int) -> Case:
    n = 2048 if scale == 1 else 256
    image = random.random((n, n), dtype=np.float32)
    out, wanted = np.zeros_like(image), np.zeros_like(image)
    return Case(
        f"convolution 7x7 {n}^2, constant memory", "convolution",
        ((more.convolve, (n // 32, n // 8), (32, 8), (image, out)),),
        lambda: more.convolve_by_hand(image, wanted), {}, out, wanted, {"njit": 1.0},
    )  # fmt: skip


def black_scholes(random: Any, scale: int) -> Case:
    n = 4_000_000 // scale
    price, strike = random.uniform(5, 30, n).astype(np.float32), random.uniform(1, 100, n).astype(np.float32)
    years = random.uniform(0.25, 10, n).astype(np.float32)
    args = (price, strike, years, np.float32(0.02), np.float32(0.3))
    out, wanted = np.zeros((2, n), np.float32), np.zeros((2, n), np.float32)
    return Case(
        f"Black-Scholes {n:.0e}", "black_scholes", ((more.black_scholes, blocks_for(n, 256), 256, (*args, out)),),
        lambda: more.black_scholes_by_hand(*args, wanted), {}, out, wanted, {"njit": 1.0}, tolerance=2e-2,
    )  # fmt: skip


def monte_carlo(_: Any, scale: int) -> Case:
    n, turns = 16_384 // scale, 256
    states = np.zeros(n, xoroshiro128p_dtype)
    init_xoroshiro128p_states_cpu(states, 1, 0)
    mine, theirs = states.copy(), states.copy()
    out, wanted = np.zeros(n, np.float32), np.zeros(n, np.float32)

    def reset() -> None:
        mine[...] = theirs[...] = states

    return Case(
        f"xoroshiro Monte Carlo {n}x{turns}", "monte_carlo",
        ((more.monte_carlo, blocks_for(n, 128), 128, (mine, turns, out)),),
        lambda: more.monte_carlo_by_hand(theirs, turns, wanted), {}, out, wanted, {"njit": 1.0}, reset,
    )  # fmt: skip


def compiled(case: Case) -> list[tuple[simt.Special, Any, Any, Any]]:
    """Compile a case's kernels."""
    kernels = {id(kernel): simt.Kernel(kernel) for kernel, *_ in case.launches}
    return [(kernels[id(k)].specialize(args), grid, block, args) for k, grid, block, args in case.launches]


def runner(specials: Sequence[simt.Special], launches: Sequence[Launch], workers: simt.Workers) -> Callable[[], None]:
    """Return what runs launches by compiled kernels, one for each."""

    def run() -> None:
        for special, (_, grid, block, args) in zip(specials, launches, strict=True):
            simt.run(special, grid, block, args, workers=workers)

    return run
