"""What one thread and barrier cost on fibers, beside the floor: leaving a stack and coming back.

The floor is a loop that does nothing but change to another stack and back, so two changes. A barrier needs one change a
thread, and its own bookkeeping. The ratio is to one change: half of the floor's pair.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda, njit

from rkruntime import simt
from rkruntime.simt._fiber_calls import entry_of
from rkruntime.simt._fiber_records import ARGUMENTS, BLOCK, SP
from rkruntime.simt._schedule import InPlace
from rkruntime.simt._stacks import Mapping
from rkruntime.simt._switch import new_stack, put, switch, word

ROUNDS = 200
REPEATS = 15
PAIRS = 1_000_000
SCHEDULER = 32


def barriers(rounds, out):
    for _ in range(rounds):
        cuda.syncthreads()
    out[cuda.threadIdx.x] = rounds


@njit(nogil=True)
def answer(thread, args):  # noqa: ARG001 - every first function on a stack takes both
    while True:
        switch(thread + 8 * SP, word(word(thread, BLOCK), SCHEDULER))


@njit(nogil=True)
def switch_pairs(top, block, pairs):
    entry, saved = entry_of(answer, (pairs,))
    thread = top - 128
    put(block, ARGUMENTS, saved)
    put(thread, BLOCK, block)
    put(thread, SP, new_stack(thread, entry, thread))
    for _ in range(pairs):
        switch(block + 8 * SCHEDULER, word(thread, SP))


def interval(samples: list[float]) -> dict[str, float]:
    """Median and the middle half."""
    low, median, high = statistics.quantiles(samples, n=4)
    return {"median_ns": median, "low_ns": low, "high_ns": high}


def measure() -> dict[str, Any]:
    """Interleave the floor with every block size, and return ns per switch and per thread and barrier."""
    stack, block = Mapping(64 * 1024), np.zeros(512, np.int64)
    sizes = (32, 128, 256, 1024)
    out = np.zeros(1024, np.int64)
    special = simt.Kernel(barriers).specialize((ROUNDS, out))
    place = InPlace()
    samples: dict[str, list[float]] = {"one change": [], **{f"{n} threads": [] for n in sizes}}
    switch_pairs(stack.address + stack.size_bytes, block.ctypes.data, 1)
    for repeat in range(REPEATS + 2):
        started = time.perf_counter()
        switch_pairs(stack.address + stack.size_bytes, block.ctypes.data, PAIRS)
        took = {"one change": (time.perf_counter() - started) / (2 * PAIRS)}
        for threads in sizes:
            error, took_s = place.run(special, (4, 1, 1), (threads, 1, 1), (ROUNDS, out))
            assert error is None
            took[f"{threads} threads"] = took_s / (4 * threads * ROUNDS)
        if repeat >= 2:
            for name, seconds in took.items():
                samples[name].append(seconds * 1e9)
    place.close()
    stack.close()
    return {name: interval(values) for name, values in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = measure()
    floor = figures["one change"]["median_ns"]
    print(f"{'':14} {'ns':>7} {'middle half':>16} {'ratio':>6}")
    for name, figure in figures.items():
        figure["ratio"] = figure["median_ns"] / floor
        spread = f"{figure['low_ns']:.1f} to {figure['high_ns']:.1f}"
        print(f"{name:14} {figure['median_ns']:7.1f} {spread:>16} {figure['ratio']:6.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
