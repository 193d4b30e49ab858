"""The lowering that was chosen beside the scalar loop, and beside lanes where the loop was chosen: what the cost model
(`rkruntime/simt/_choice.py`) is held to. Lanes may take 10 % longer than the loop, and no more.

Each kernel without barriers of the table of `bench_simt`, and those here, which are what a cost model gets wrong most
easily: loops whose bounds are data, rows that are read along, chains of loads, searches, long strides, divisions,
bytes, counts, complex numbers of both sizes. One worker, interleaved, processor time, which other programs hardly
touch.

    python bench/bench_lowerings.py [--json FILE] [--only NAME,...] [--rounds N] [--quick]
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import simt_cases
from figures import Figure, in_turns, measure_cases
from lowering_rows import row_cases
from numba import cuda, float32

from rkruntime import simt
from rkruntime.simt.lanes import LanesRefused

SLOWEST = 1.1  # times the scalar loop
Launch = tuple[Any, Any, Any, tuple[Any, ...]]


@cuda.jit
def pull(starts, columns, values, x, out):
    row = cuda.grid(1)
    if row < out.size:
        total, here = float32(0), x[row]
        for k in range(starts[row], starts[row + 1]):
            away = x[columns[k]] - here
            square = away * away + float32(0.1)
            total += values[k] * away / (square * math.sqrt(square))
        out[row] = total


@cuda.jit
def sliced(lengths, columns, values, x, out):
    row = cuda.grid(1)
    if row < out.size:
        total = float32(0)
        for k in range(lengths[row]):
            total += values[k, row] * x[columns[k, row]]
        out[row] = total


@cuda.jit
def row_sums(a, out):
    row = cuda.grid(1)
    if row < out.size:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k]
        out[row] = total


@cuda.jit
def box_filter(x, out):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        total = 0
        for a in range(-1, 2):
            for b in range(-1, 2):
                total += x[i + a, j + b]
        out[i, j] = total // 9


@cuda.jit
def life(x, out):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        around = 0
        for a in range(-1, 2):
            for b in range(-1, 2):
                around += x[i + a, j + b]
        out[i, j] = 1 if around == 3 or (around == 4 and x[i, j]) else 0


@cuda.jit
def least_label(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        least = x[i, j]
        for a in range(-1, 2):
            for b in range(-1, 2):
                y, z = i + a, j + b
                if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                    label = x[y, z]
                    if 0 < label < least:
                        least = label
        out[i, j] = least


@cuda.jit
def column_sums(a, out):
    column = cuda.grid(1)
    if column < out.size:
        total = float32(0)
        for k in range(a.shape[0]):
            total += a[k, column]
        out[column] = total


@cuda.jit
def chains(heads, nexts, out):
    i = cuda.grid(1)
    if i < out.size:
        count, at = 0, heads[i]
        while at >= 0:
            count += 1
            at = nexts[at]
        out[i] = count


@cuda.jit
def bisect(keys, wanted, out):
    i = cuda.grid(1)
    if i < out.size:
        low, high = 0, keys.size
        while low < high:
            middle = (low + high) // 2
            if keys[middle] < wanted[i]:
                low = middle + 1
            else:
                high = middle
        out[i] = low


@cuda.jit
def strided(a, out):
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        out[i] = a[i] * float32(2) + float32(1)


@cuda.jit
def collatz(out):
    i = cuda.grid(1)
    if i < out.size:
        n, count = i + 1, 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        out[i] = count


@cuda.jit
def escapes(places, out):
    i = cuda.grid(1)
    if i < out.size:
        z, count = places[i], 0
        while count < 100 and z.real * z.real + z.imag * z.imag < 4:
            z = z * z + places[i]
            count += 1
        out[i] = count


@cuda.jit
def spectrum(x, turns, out):
    i = cuda.grid(1)
    if i < out.size:
        total = out[i]
        for k in range(x.size):
            total += x[k] * turns[i, k]
        out[i] = total


@cuda.jit
def polynomial(x, factors, out):
    i = cuda.grid(1)
    if i < out.size:
        total = factors[0]
        for k in range(1, factors.size):
            total = total * x[i] + factors[k]
        out[i] = total


@cuda.jit
def gcd(a, b, out):
    i = cuda.grid(1)
    if i < out.size:
        x, y = a[i], b[i]
        while y != 0:
            x, y = y, x % y
        out[i] = x


@cuda.jit
def is_prime(numbers, out):
    i = cuda.grid(1)
    if i < out.size:
        n, prime, divisor = numbers[i], True, 2
        while divisor * divisor <= n:
            if n % divisor == 0:
                prime = False
                break
            divisor += 1
        out[i] = prime


@cuda.jit
def counts_apart(x, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(out, x[i], 1)


@cuda.jit
def wrapped(x, out):
    i = cuda.grid(1)
    if i < out.size:
        total = float32(0)
        for k in range(x.shape[0]):
            total += (x[k, i] + float32(0.5)) % float32(1) - math.floor(x[k, i])
        out[i] = total


@cuda.jit
def looked_up(x, table, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = table[x[i]]


@cuda.jit
def field_lengths(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        at = starts[i]
        while at < text.size and text[at] != 44:
            at += 1
        out[i] = at - starts[i]


@cuda.jit
def above(a, limit, out):
    i = cuda.grid(1)
    if i < out.size:
        count = 0
        for k in range(a.shape[1]):
            if a[i, k] > limit:
                count += 1
        out[i] = count


@cuda.jit
def near_pairs(x, y, limit, out):
    i = cuda.grid(1)
    if i < out.size:
        count = 0
        for k in range(i + 1, x.size):
            across, along = x[k] - x[i], y[k] - y[i]
            if across * across + along * along < limit:
                count += 1
        out[i] = count


def whole_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return kernels that divide, look at bytes, and count."""
    random, rows = np.random.default_rng(3), 100_000 // scale
    values, counts = random.random((64, rows), dtype=np.float32), np.zeros(rows, np.int32)
    a, b = random.integers(1, 10**6, (2, rows))
    text = random.integers(40, 50, 8 * rows).astype(np.uint8)
    table, bytes_out = random.integers(0, 256, 256).astype(np.uint8), np.zeros_like(text)
    few = values[:2, : 3000 // scale].copy()
    for kernel, args in (
        (gcd, (a, b, counts)),
        (is_prime, (a % 10_000, counts)),
        (wrapped, (values, np.zeros(rows, np.float32))),
        (looked_up, (text, table, bytes_out)),
        (field_lengths, (text, random.integers(0, text.size, rows).astype(np.int32), counts)),
        (above, (values.reshape(rows, 64), np.float32(0.5), counts)),
        (near_pairs, (few[0], few[1], np.float32(0.01), counts[: few.shape[1]])),
    ):
        yield kernel.__name__, lambda kernel=kernel, args=args: [(kernel, -(-args[-1].size // 256), 256, args)]  # type: ignore[misc]


def atomic_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return counts in arrays that fit one processor's cache, and that do not."""
    for size in (10**5, 10**7):
        x = np.random.default_rng(4).integers(0, size, 10**6 // scale)
        args = (x, np.zeros(size, np.int32))
        yield f"counts_apart, {size}", lambda args=args: [(counts_apart, 64, 128, args)]  # type: ignore[misc]


def complex_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return kernels of complex numbers, with arguments of both sizes."""
    random, count, terms = np.random.default_rng(1), 200_000 // scale, 64
    for dtype in (np.complex64, np.complex128):
        x = (random.normal(size=count) + 1j * random.normal(size=count)).astype(dtype)
        turns = np.exp(2j * np.pi * random.random((count // 4, terms))).astype(dtype)
        for kernel, args in (
            (escapes, (x, np.zeros(count, np.int32))),
            (spectrum, (x[:terms].copy(), turns, np.zeros(count // 4, dtype))),
            (polynomial, (x, x[:24].copy(), np.zeros(count, dtype))),
        ):
            name = f"{kernel.__name__}, {dtype.__name__}"
            yield name, lambda kernel=kernel, args=args: [(kernel, -(-count // 256), 256, args)]  # type: ignore[misc]


def image_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return kernels that sum what is around a pixel, with images of each size of pixel."""
    side = 1024 // scale // 16 * 16 or 16
    image = np.random.default_rng(2).integers(0, 2, (side, side))
    for kernel, dtype in itertools.product((box_filter, life, least_label), (np.uint8, np.int16, np.int32, np.float32)):
        args = (image.astype(dtype), np.zeros(image.shape, dtype))
        name = f"{kernel.__name__}, {dtype.__name__}"
        yield name, lambda kernel=kernel, args=args: [(kernel, (side // 16,) * 2, (16, 16), args)]  # type: ignore[misc]


def own_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return the kernels here, with arguments."""
    random = np.random.default_rng(0)
    rows, longest = 100_000 // scale, 64
    lengths = random.integers(1, longest, rows).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns = random.integers(0, rows, (longest, rows)).astype(np.int32)
    values = random.random((longest, rows), dtype=np.float32)
    x, out, counts = values[0].copy(), np.zeros(rows, np.float32), np.zeros(rows, np.int32)
    flat = (columns.ravel()[: starts[-1]].copy(), values.ravel()[: starts[-1]].copy())
    nexts = (random.random(rows) * np.arange(rows)).astype(np.int32) - 1
    table = random.random((rows // 5, 128), dtype=np.float32)
    blocks = -(-rows // 256)
    for kernel, args in (
        (pull, (starts, *flat, x, out)),
        (sliced, (lengths, columns, values, x, out)),
        (row_sums, (table, out[: len(table)])),
        (column_sums, (values, out)),
        (chains, (columns[0].copy(), nexts, counts)),
        (bisect, (np.sort(x), values[1].copy(), counts)),
        (collatz, (counts,)),
    ):
        yield kernel.__name__, lambda kernel=kernel, args=args: [(kernel, blocks, 256, args)]  # type: ignore[misc]
    yield "strided", lambda: [(strided, 256, 256, (values.ravel(), np.zeros_like(values).ravel()))]


def table_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return the kernels of the table: a case's launches, and what makes its data anew."""
    for name, make in simt_cases.cases(scale):
        yield name, lambda make=make: list(make().launches)  # type: ignore[misc]


def compiled(launches: list[Launch], lowering: str | None) -> list[simt.Special]:
    kernels = {id(kernel): simt.Kernel(kernel, lowering=lowering) for kernel, *_ in launches}
    return [kernels[id(kernel)].specialize(args) for kernel, _, _, args in launches]


def measure(name: str, make: Callable[[], list[Launch]], rounds: int) -> Figure | None:
    """Return the chosen lowering's time over the other's; None for kernels that have barriers."""
    launches = make()
    chosen = compiled(launches, None)
    if {one.lowering for one in chosen} == {"loop"}:
        other, target = "lanes", ""
    elif {one.lowering for one in chosen} == {"lanes"}:
        other, target = "loop", f"<= {SLOWEST}"
    else:
        return None
    try:
        others = compiled(launches, other)
    except (ValueError, LanesRefused):
        return None
    with contextlib.closing(simt.Workers(1)) as workers:
        ratios = in_turns(*(simt_cases.runner(one, launches, workers) for one in (chosen, others)), rounds)
    return Figure.of(f"{name}: {chosen[0].lowering} / {other}", ratios, target=target)


def all_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    yield from own_cases(scale)
    yield from whole_cases(scale)
    yield from row_cases(scale)
    yield from atomic_cases(scale)
    yield from complex_cases(scale)
    yield from image_cases(scale)
    yield from table_cases(scale)


if __name__ == "__main__":
    measure_cases(
        "the chosen lowering's time over another's, processor time on one worker", __doc__, all_cases, measure
    )
