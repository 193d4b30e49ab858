"""What the memory pools cost, and what their size classes waste.

Cost: allocate and deallocate of a pooled 1 MiB array against the cheapest correct thing in pure Python, a dict of lists
keyed by class with push and pop; interleaved in one run, as ratios of the thread's CPU time. The pools do more in the
same step: they count bytes, owners and pressure, note the place, and catch double frees and foreign buffers. The case
with as many bytes in one buffer tells the number of buffers from the size of the counts.

Waste: five traces of request sizes are replayed under powers of two alone, powers of two split in four above 1 MiB, and
the split where a request may also take an idle block of the next three classes, as the pools do. Sizes come from
published shapes (ResNet-50, GPT-2) and from sizes usual in the field; lifetimes are modelled, not recorded. Pools in
the replay never release, as in a run below its limit.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import trio
from figures import Figure, tell

from rkruntime.config import MemoryConfig
from rkruntime.memory import DeviceArray, KernelMemoryManager, block_bytes
from rkruntime.memory._classes import larger_classes

MIB = 2**20
PAIRS = 20_000
ROUNDS = 25
LIVE = 100_000

Trace = Iterator[tuple[str, int, int]]  # ("+" or "-", key, bytes)


class AddressBook:
    """A device that hands out addresses alone: no benchmark here measures a real allocator."""

    def __init__(self) -> None:
        self.next_address = 2**20

    def allocate(self, size_bytes: int) -> int:
        self.next_address += size_bytes
        return self.next_address - size_bytes

    def free(self, address: int, size_bytes: int) -> None:
        pass


class Floor:
    """The cheapest correct pool: a dict of lists keyed by class."""

    def __init__(self, device: AddressBook) -> None:
        self.device = device
        self.idle: dict[int, list[tuple[int, int]]] = {1 << bits: [] for bits in range(48)}

    def allocate(self, size_bytes: int) -> tuple[int, int]:
        size = 1 << (size_bytes - 1).bit_length()
        idle = self.idle[size]
        return idle.pop() if idle else (self.device.allocate(size), size)

    def deallocate(self, block: tuple[int, int]) -> None:
        self.idle[block[1]].append(block)


def pairs(pool: Any) -> float:
    """Return ns for one allocate and deallocate of 1 MiB."""
    allocate, deallocate = pool.allocate, pool.deallocate
    begin = time.thread_time_ns()
    for _ in range(PAIRS):
        deallocate(allocate(MIB))
    return (time.thread_time_ns() - begin) / PAIRS


def owned_pairs(manager: KernelMemoryManager) -> float:
    """As `pairs`, for an actor's memory."""
    owner = manager.owner("actor")
    allocate, deallocate = manager.allocate, manager.deallocate
    begin = time.thread_time_ns()
    for _ in range(PAIRS):
        deallocate(allocate(MIB, owner))
    return (time.thread_time_ns() - begin) / PAIRS


def array_pairs(manager: KernelMemoryManager) -> float:
    """Return ns for one `await memory.empty(...)` and `free()` of 1 MiB of float32."""

    async def work() -> float:
        memory = manager.owner("actor")
        begin = time.thread_time_ns()
        for _ in range(PAIRS // 10):
            array: DeviceArray = await memory.empty(MIB // 4)
            array.free()
        return (time.thread_time_ns() - begin) / (PAIRS // 10)

    return trio.run(work)


def manager() -> KernelMemoryManager:
    return KernelMemoryManager(MemoryConfig(max_gpu_memory=2**50), AddressBook())  # type: ignore[arg-type]


def measure_cost() -> list[Figure]:
    crowded, crowded_floor = manager(), Floor(AddressBook())
    keep = [crowded.allocate(MIB) for _ in range(LIVE)]
    heavy = manager()
    keep.append(heavy.allocate(LIVE * MIB))
    keep_floor = [crowded_floor.allocate(MIB) for _ in range(LIVE)]
    cases: dict[str, Callable[[], float]] = {
        "floor": functools.partial(pairs, Floor(AddressBook())),
        f"floor, {LIVE:,} live": functools.partial(pairs, crowded_floor),
        "pool": functools.partial(pairs, manager()),
        f"pool, {LIVE:,} live": functools.partial(pairs, crowded),
        "pool, as many bytes in one": functools.partial(pairs, heavy),
        "pool, an actor's": functools.partial(owned_pairs, manager()),
        "DeviceArray": functools.partial(array_pairs, manager()),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 2):
        for name, run in cases.items():
            ns = run()
            if number >= 2:
                took[name].append(ns)
    assert len(keep) == len(keep_floor) + 1 == LIVE + 1

    def ratios(name: str, beside: str) -> list[float]:
        return [ours / theirs for ours, theirs in zip(took[name], took[beside], strict=True)]

    crowd = f"pool, {LIVE:,} live"
    figures = [
        Figure.of("1 MiB from the pool and back / a dict of lists", ratios("pool", "floor"), target="<= 5"),
        Figure.of("likewise, for an actor", ratios("pool, an actor's", "floor"), target="<= 5"),
        Figure.of(f"likewise, {LIVE:,} buffers live", ratios(crowd, "floor"), target="<= 5"),
        Figure.of(f"the pool with {LIVE:,} live / with none", ratios(crowd, "pool"), target="no more than 1"),
        Figure.of("the pool with as many bytes in one / with none", ratios("pool, as many bytes in one", "pool")),
        Figure.of(f"the floor with {LIVE:,} live / with none", ratios(f"floor, {LIVE:,} live", "floor")),
        Figure.of("await memory.empty(...) and free() / a dict of lists", ratios("DeviceArray", "floor")),
    ]
    return [*figures, *(Figure.of(name, values, unit="ns") for name, values in took.items())]


# Traces


def training_step(activations: list[int], steps: int) -> Trace:
    """Forward keeps every activation; backward makes a gradient for each and frees both, in reverse."""
    for step in range(steps):
        base = step * len(activations) * 2
        for layer, size in enumerate(activations):
            yield "+", base + layer, size
        for layer in reversed(range(len(activations))):
            yield "+", base + len(activations) + layer, activations[layer]
            yield "-", base + layer, 0
            yield "-", base + len(activations) + layer, 0


def resnet50() -> Trace:
    """Activations of ResNet-50 for 224 x 224 images, float32, the batch varying as data loaders leave it."""
    stages = [(56, 64, 256, 3), (28, 128, 512, 4), (14, 256, 1024, 6), (7, 512, 2048, 3)]
    shapes = [112 * 112 * 64, 56 * 56 * 64]
    for side, narrow, wide, blocks in stages:
        shapes += [side * side * narrow, side * side * narrow, side * side * wide] * blocks
    shapes += [2048, 1000]
    for batch in (32, 32, 32, 17, 24, 48):
        yield from shifted(training_step([shape * batch * 4 for shape in shapes], 1), batch)


def gpt2() -> Trace:
    """Activations of GPT-2 small, float16, for prompts of various lengths."""
    random_ = random.Random(2)
    for number in range(12):
        length, batch = random_.randint(64, 1024), 8
        layer = [length * 768 * 2, length * 2304 * 2, 12 * length * length * 2, length * 768 * 2, length * 3072 * 2]
        yield from shifted(training_step([size * batch for size in layer] * 12, 1), number)


def photos() -> Trace:
    """Image filters over photos of usual sizes: RGB float32, grey, two temporaries, the 8-bit result."""
    random_ = random.Random(3)
    sides = [(640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (4032, 3024), (6000, 4000)]
    keys = itertools.count()
    for _ in range(200):
        width, height = random_.choice(sides)
        held = [(next(keys), width * height * per_pixel) for per_pixel in (12, 4, 4, 4, 3)]
        yield from (("+", key, size) for key, size in held)
        yield from (("-", key, 0) for key, _ in held)


def grids() -> Trace:
    """Parameter studies on n x n and n x n x n grids of float64, several studies alive at once."""
    random_, keys, alive = random.Random(4), itertools.count(), []
    for _ in range(300):
        n = random_.choice([100, 128, 200, 250, 256, 300, 400, 500, 512, 750, 1000, 1024, 1500, 2000])
        size = n**2 * 8 if n > 300 or random_.random() < 0.5 else n**3 * 8
        held = [(next(keys), size) for _ in range(3)]
        yield from (("+", key, each) for key, each in held)
        alive.append(held)
        if len(alive) > 4:
            yield from (("-", key, 0) for key, _ in alive.pop(random_.randrange(4)))


def samples() -> Trace:
    """Series and point clouds: 10^3 to 10^7 rows, log-uniform, of 1 to 3 float32."""
    random_, keys, alive = random.Random(5), itertools.count(), []
    for _ in range(2000):
        size = int(10 ** random_.uniform(3, 7)) * random_.choice([1, 2, 3]) * 4
        alive.append(next(keys))
        yield "+", alive[-1], size
        if len(alive) > 20:
            yield "-", alive.pop(random_.randrange(20)), 0


def shifted(trace: Trace, by: int) -> Trace:
    for act, key, size in trace:
        yield act, key + by * 10**6, size


def power_of_two(size_bytes: int) -> int:
    return max(256, 1 << (size_bytes - 1).bit_length())


def none_larger(_: int) -> tuple[int, ...]:
    return ()


RULES = {
    "powers of two": (power_of_two, none_larger),
    "split in four": (block_bytes, none_larger),
    "split, next three": (block_bytes, larger_classes),
}


def replay(trace: Trace, classify: Callable[[int], int], larger: Callable[[int], tuple[int, ...]]) -> dict[str, float]:
    """Return waste (unrequested part of allocated bytes, over the run), peak reserved bytes, device allocations."""
    idle: Counter[int] = Counter()
    live: dict[int, tuple[int, int]] = {}
    asked = held = asked_now = peak_asked = reserved = misses = 0
    for act, key, size in trace:
        if act == "-":
            size, block = live.pop(key)
            idle[block] += 1
            asked_now -= size
            continue
        block = own = classify(size)
        if not idle[own]:
            block = next((other for other in larger(own) if idle[other]), own)
        live[key] = (size, block)
        asked += size
        held += block
        asked_now += size
        peak_asked = max(peak_asked, asked_now)
        if idle[block]:
            idle[block] -= 1
        else:
            reserved += block
            misses += 1
    return {
        "waste": 1 - asked / held,
        "reserved_to_asked": reserved / peak_asked,
        "device_allocations": misses,
    }


def measure_waste() -> dict[str, Any]:
    traces = {"resnet50": resnet50, "gpt2": gpt2, "photos": photos, "grids": grids, "samples": samples}
    return {name: {rule: replay(make(), *how) for rule, how in RULES.items()} for name, make in traces.items()}


def show(waste: dict[str, Any]) -> None:
    print("\nsize classes: waste, peak reserved over peak asked, device allocations")
    print(f"  {'trace':10}" + "".join(f"{rule:>26}" for rule in RULES))
    for name, row in waste.items():
        cells = [
            f"{rule['waste']:6.1%} {rule['reserved_to_asked']:7.2f} {rule['device_allocations']:7,}"
            for rule in row.values()
        ]
        print(f"  {name:10}" + "".join(f"{cell:>26}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    waste = measure_waste()
    tell("pools", measure_cost(), options.json, waste=waste)
    show(waste)


if __name__ == "__main__":
    main()
