"""Kernels whose threads go along rows of their own, or search what they read, for `bench_lowerings`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import cuda, float32

__all__ = ("row_cases",)

Launch = tuple[Any, Any, Any, tuple[Any, ...]]


@cuda.jit
def prefixes(a, out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[i, k]
            out[i, k] = total


@cuda.jit
def row_dots(a, b, out):
    i = cuda.grid(1)
    if i < out.size:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[i, k] * b[i, k]
        out[i] = total


@cuda.jit
def pairs(x, out):
    i = cuda.grid(1)
    if i < out.size:
        total = float32(0)
        for k in range(2):
            total += x[2 * i + k]
        out[i] = total


@cuda.jit
def first_above(a, limit, out):
    i = cuda.grid(1)
    if i < out.size:
        found = -1
        for k in range(a.shape[1]):
            if a[i, k] > limit:
                found = k
                break
        out[i] = found


@cuda.jit
def heights(table, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        along, count = float32(0), 0
        while count < 100:
            if table[int(x[i] * 60), int(along)] > y[i]:
                break
            along += float32(0.5)
            count += 1
        out[i] = along


@cuda.jit
def softmax(a, out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        total = float32(0)
        for k in range(a.shape[1]):
            out[i, k] = math.exp(a[i, k])
            total += out[i, k]
        for k in range(a.shape[1]):
            out[i, k] /= total


@cuda.jit
def row_roots(a, out):
    i = cuda.grid(1)
    if i < out.size:
        total = float32(0)
        for k in range(a.shape[1]):
            total += math.sqrt(a[i, k]) / (a[i, k] + float32(1))
        out[i] = total


def row_cases(scale: int) -> Iterator[tuple[str, Callable[[], list[Launch]]]]:
    """Return kernels whose threads go along rows of their own, or search what they read."""
    rows = 100_000 // scale
    a, b = np.random.default_rng(5).random((2, rows, 32), dtype=np.float32)
    table, out, counts = a[:64].repeat(2, axis=1), np.zeros(rows, np.float32), np.zeros(rows, np.int32)
    for kernel, args in (
        (prefixes, (a, np.zeros_like(a))),
        (row_dots, (a, b, out)),
        (pairs, (a.ravel()[: 2 * rows].copy(), out)),
        (first_above, (a, np.float32(0.9), counts)),
        (heights, (table, a[:, 0].copy(), b[:, 0].copy(), out)),
        (softmax, (a, np.zeros_like(a))),
        (row_roots, (a, out)),
    ):
        yield kernel.__name__, lambda kernel=kernel, args=args: [(kernel, -(-rows // 256), 256, args)]  # type: ignore[misc]
