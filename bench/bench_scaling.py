"""How a launch's cost grows: time a thread from 1e4 to 1e9 threads, memory with the grid, and speed with workers.

Time a thread is processor time of one worker, less that of a launch of one block. A launch of many threads takes the
mean of the processor's good and bad moments; so small ones are repeated for as long as a round lasts, the sizes take
turns, and ratios are of one round each: the best of five launches of 0.3 ms was compared with that mean before.
Memory is how much the process's peak grows from a launch of 1e4 threads to one of many. Two workers beside one are
timed by the wall clock, interleaved, and mean little on a machine that others use.

    python bench/bench_scaling.py [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import simt_cases
from figures import Figure, tell
from numba import cuda, int32

from rkruntime import simt

COMPUTE = ("mandelbrot", "bodies", "black_scholes")  # bound by computing, not by memory
BLOCK, REPEATS = 256, 5
ROUND_S = 0.1  # processor time at least for which a size is launched again and again in each round


@cuda.jit
def straight(out):
    i = cuda.grid(1)
    mixed = (i * 2654435761) & 0xFFFFFF
    if mixed == 77:
        out[i & 1023] = i


@cuda.jit
def looping(out):
    i = cuda.grid(1)
    mixed = i
    for _ in range(4):
        mixed = (mixed * 2654435761 + 1) & 0xFFFFFF
    if mixed == 77:
        out[i & 1023] = i


@cuda.jit
def waiting(out):
    part = cuda.shared.array(BLOCK, int32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    part[t] = i & 0xFFFF
    cuda.syncthreads()
    if part[BLOCK - 1 - t] == 0x10000:
        out[t] = i


@cuda.jit
def leaving_early(out):
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if t == 5:
        return
    cuda.syncthreads()
    if i < 0:
        out[t] = i


KERNELS = {straight: "loop", looping: "lanes", waiting: "lanes", leaving_early: "fibers"}


def seconds_of(special: simt.Special, blocks: int, out: np.ndarray, workers: simt.Workers) -> float:
    """Return the mean processor time of a launch, of as many as take a round's time."""
    launches, started = 0, time.process_time()
    while True:
        simt.run(special, blocks, BLOCK, (out,), workers=workers)
        launches += 1
        taken = time.process_time() - started
        if taken >= ROUND_S:
            return taken / launches


def per_thread(most: int) -> Iterator[Figure]:
    """Return for each kernel the time a thread of the largest grid, beside that of a grid of a million."""
    out, workers = np.zeros(1024, np.int64), simt.Workers(1)
    try:
        for kernel, lowering in KERNELS.items():
            top = most // 100 if lowering == "fibers" else most
            special = simt.Kernel(kernel, lowering=lowering).specialize((out,))
            sizes = [10**power for power in range(4, 10) if 10**power <= top]
            rounds = [_round(special, sizes, out, workers) for _ in range(REPEATS)]
            ns = {size: median(one[size] for one in rounds) for size in sizes}
            shown = ", ".join(f"{size:.0e}: {value:.2f}" for size, value in ns.items())
            print(f"  {kernel.__name__} ({lowering}), ns a thread: {shown}", file=sys.stderr, flush=True)
            base = min(10**6, sizes[-2])
            name = f"{kernel.__name__} ({lowering}): time a thread of {sizes[-1]:.0e} / of {base:.0e}"
            yield Figure.of(name, [one[sizes[-1]] / one[base] for one in rounds], target="<= 1.1")
    finally:
        workers.close()


def _round(special: simt.Special, sizes: list[int], out: np.ndarray, workers: simt.Workers) -> dict[int, float]:
    """Return for each size the nanoseconds of a thread, measured one after the other."""
    empty = seconds_of(special, 1, out, workers)
    taken = {size: seconds_of(special, size // BLOCK, out, workers) for size in sizes}
    return {size: max(one - empty, 0) * 1e9 / (size // BLOCK * BLOCK) for size, one in taken.items()}


def peak_bytes() -> int:
    """Return the process's peak of resident memory since it was reset."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def memory(most: int) -> Iterator[Figure]:
    """Return for each kernel how much the process's peak grows with the grid."""
    out, workers = np.zeros(1024, np.int64), simt.Workers(2)
    try:
        for kernel, lowering in KERNELS.items():
            special = simt.Kernel(kernel, lowering=lowering).specialize((out,))
            threads = most // 100 if lowering == "fibers" else most
            for _ in range(8):  # until both workers have the stacks of a block
                simt.run(special, 10**4 // BLOCK, BLOCK, (out,), workers=workers)
            reset_peak()
            before = peak_bytes()
            simt.run(special, threads // BLOCK, BLOCK, (out,), workers=workers)
            grown = peak_bytes() - before
            name = f"{kernel.__name__} ({lowering}): peak memory of {threads:.0e} threads over 1e+04's"
            yield Figure.of(name, [grown / 2**20], unit="MiB", target="<= 1")
    finally:
        workers.close()


def workers_of_two(scale: int) -> Iterator[Figure]:
    """Return how much faster two workers are than one."""
    makes = dict(simt_cases.cases(scale))
    one, two = simt.Workers(1), simt.Workers(2)
    try:
        for name in COMPUTE:
            case = makes[name]()
            launches = simt_cases.compiled(case)

            def clocked(workers: simt.Workers, launches: list = launches, reset: Callable = case.reset) -> float:
                reset()
                started = time.perf_counter()
                for special, grid, block, args in launches:
                    simt.run(special, grid, block, args, workers=workers)
                return time.perf_counter() - started

            clocked(one), clocked(two)
            ratios = [min(clocked(one) for _ in range(3)) / min(clocked(two) for _ in range(3)) for _ in range(REPEATS)]
            yield Figure.of(f"{case.name}: one worker's time / two's", ratios, target=">= 1.8", quiet=True)
    finally:
        one.close()
        two.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    options = parser.parse_args()
    most, scale = (10**7, 40) if options.quick else (10**9, 1)
    figures = [*per_thread(most), *memory(most), *workers_of_two(scale)]
    tell("how a launch's cost grows with its threads and with workers", figures, options.json)


if __name__ == "__main__":
    main()
