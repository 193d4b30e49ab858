"""More kernels, each beside a hand-written numba.njit(parallel=True) loop: scan, sort, sparse product, convolution,
option prices, and a Monte Carlo estimate of pi."""

import math

import numba
import numpy as np
from numba import cuda, float32
from numba.cuda.random import xoroshiro128p_uniform_float32

CHUNK = 256  # elements that a block scans
SORT_THREADS = 256
RADIUS = 3
FILTER = np.outer(np.hanning(9)[1:-1], np.hanning(9)[1:-1]).astype(np.float32)


@cuda.jit
def scan_blocks(x, out, sums):
    """Inclusive scan of each block's part, by doubling strides (Hillis and Steele, 1986)."""
    part = cuda.shared.array((2, CHUNK), float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    part[0, t] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    now, step = 0, 1
    while step < CHUNK:
        if t >= step:
            part[1 - now, t] = part[now, t] + part[now, t - step]
        else:
            part[1 - now, t] = part[now, t]
        now = 1 - now
        step *= 2
        cuda.syncthreads()
    if i < x.size:
        out[i] = part[now, t]
    if t == CHUNK - 1:
        sums[cuda.blockIdx.x] = part[now, t]


@cuda.jit
def scan_sums(sums):
    """Inclusive scan of the blocks' sums by one block: each thread has a run of them."""
    totals = cuda.shared.array(CHUNK, float32)
    t = cuda.threadIdx.x
    run = (sums.size + CHUNK - 1) // CHUNK
    first, end = t * run, min((t + 1) * run, sums.size)
    total = float32(0)
    for k in range(first, end):
        total += sums[k]
        sums[k] = total
    totals[t] = total
    cuda.syncthreads()
    before = float32(0)
    for k in range(t):
        before += totals[k]
    for k in range(first, end):
        sums[k] += before


@cuda.jit
def scan_add(out, sums):
    i = cuda.grid(1)
    if i < out.size and cuda.blockIdx.x > 0:
        out[i] += sums[cuda.blockIdx.x - 1]


@numba.njit(parallel=True)
def scan_by_hand(x, out):
    parts = numba.get_num_threads()
    size = -(-x.size // parts)
    totals = np.zeros(parts, np.float64)
    for part in numba.prange(parts):
        total = 0.0
        for i in range(part * size, min((part + 1) * size, x.size)):
            total += x[i]
        totals[part] = total
    for part in numba.prange(parts):
        total = totals[:part].sum()
        for i in range(part * size, min((part + 1) * size, x.size)):
            total += x[i]
            out[i] = total


@cuda.jit
def bitonic_step(x, distance, size):
    """One step of Batcher's bitonic sort over global memory."""
    i = cuda.grid(1)
    other = i ^ distance
    if other > i:
        low, high = x[i], x[other]
        if (low > high) == ((i & size) == 0):
            x[i] = high
            x[other] = low


@cuda.jit
def bitonic_tile(x, size, distance):
    """All steps of a stage that stay within a block's 2 * SORT_THREADS elements."""
    part = cuda.shared.array(2 * SORT_THREADS, float32)
    t = cuda.threadIdx.x
    base = cuda.blockIdx.x * 2 * SORT_THREADS
    part[t] = x[base + t]
    part[t + SORT_THREADS] = x[base + t + SORT_THREADS]
    cuda.syncthreads()
    while distance > 0:
        i = 2 * t - (t & (distance - 1))
        low, high = part[i], part[i + distance]
        if (low > high) == (((base + i) & size) == 0):
            part[i] = high
            part[i + distance] = low
        cuda.syncthreads()
        distance //= 2
    x[base + t] = part[t]
    x[base + t + SORT_THREADS] = part[t + SORT_THREADS]


@numba.njit(parallel=True)
def sort_by_hand(x, out):
    """The same network as one loop over pairs for each step."""
    out[:] = x
    size = 2
    while size <= out.size:
        distance = size // 2
        while distance > 0:
            for pair in numba.prange(out.size // 2):
                i = 2 * pair - (pair & (distance - 1))
                low, high = out[i], out[i + distance]
                if (low > high) == ((i & size) == 0):
                    out[i] = high
                    out[i + distance] = low
            distance //= 2
        size *= 2


@cuda.jit
def spmv(starts, columns, values, x, out):
    row = cuda.grid(1)
    if row < out.size:
        total = float32(0)
        for k in range(starts[row], starts[row + 1]):
            total += values[k] * x[columns[k]]
        out[row] = total


@numba.njit(parallel=True, fastmath={"contract"})
def spmv_by_hand(starts, columns, values, x, out):
    for row in numba.prange(out.size):
        total = np.float32(0)
        for k in range(starts[row], starts[row + 1]):
            total += values[k] * x[columns[k]]
        out[row] = total


@cuda.jit
def convolve(image, out):
    weights = cuda.const.array_like(FILTER)
    x, y = cuda.grid(2)
    if RADIUS <= x < image.shape[1] - RADIUS and RADIUS <= y < image.shape[0] - RADIUS:
        total = float32(0)
        for j in range(2 * RADIUS + 1):
            for i in range(2 * RADIUS + 1):
                total += weights[j, i] * image[y + j - RADIUS, x + i - RADIUS]
        out[y, x] = total


@numba.njit(parallel=True, fastmath={"contract"})
def convolve_by_hand(image, out):
    for y in numba.prange(RADIUS, image.shape[0] - RADIUS):
        for x in range(RADIUS, image.shape[1] - RADIUS):
            total = np.float32(0)
            for j in range(2 * RADIUS + 1):
                for i in range(2 * RADIUS + 1):
                    total += FILTER[j, i] * image[y + j - RADIUS, x + i - RADIUS]
            out[y, x] = total


@cuda.jit(device=True)
def normal(d):
    """Return the normal distribution function, after Abramowitz and Stegun 26.2.17."""
    k = float32(1) / (float32(1) + float32(0.2316419) * abs(d))
    tail = k * (
        float32(0.31938153)
        + k
        * (float32(-0.356563782) + k * (float32(1.781477937) + k * (float32(-1.821255978) + k * float32(1.330274429))))
    )
    value = float32(0.39894228) * math.exp(float32(-0.5) * d * d) * tail
    return float32(1) - value if d > 0 else value


@cuda.jit
def black_scholes(price, strike, years, rate, volatility, out):
    i = cuda.grid(1)
    if i < price.size:
        root = math.sqrt(years[i])
        d1 = (math.log(price[i] / strike[i]) + (rate + float32(0.5) * volatility * volatility) * years[i]) / (
            volatility * root
        )
        d2 = d1 - volatility * root
        discounted = strike[i] * math.exp(-rate * years[i])
        call = price[i] * normal(d1) - discounted * normal(d2)
        out[0, i] = call
        out[1, i] = call - price[i] + discounted


@numba.njit(fastmath={"contract"})
def normal_by_hand(d):
    k = np.float32(1) / (np.float32(1) + np.float32(0.2316419) * abs(d))
    tail = k * (
        np.float32(0.31938153)
        + k
        * (
            np.float32(-0.356563782)
            + k * (np.float32(1.781477937) + k * (np.float32(-1.821255978) + k * np.float32(1.330274429)))
        )
    )
    value = np.float32(0.39894228) * math.exp(np.float32(-0.5) * d * d) * tail
    return np.float32(1) - value if d > 0 else value


@numba.njit(parallel=True, fastmath={"contract"})
def black_scholes_by_hand(price, strike, years, rate, volatility, out):
    for i in numba.prange(price.size):
        root = math.sqrt(years[i])
        d1 = (math.log(price[i] / strike[i]) + (rate + np.float32(0.5) * volatility * volatility) * years[i]) / (
            volatility * root
        )
        d2 = d1 - volatility * root
        discounted = strike[i] * math.exp(-rate * years[i])
        call = price[i] * normal_by_hand(d1) - discounted * normal_by_hand(d2)
        out[0, i] = call
        out[1, i] = call - price[i] + discounted


@cuda.jit
def monte_carlo(states, turns, out):
    i = cuda.grid(1)
    if i < out.size:
        inside = 0
        for _ in range(turns):
            x = xoroshiro128p_uniform_float32(states, i)
            y = xoroshiro128p_uniform_float32(states, i)
            if x * x + y * y <= float32(1):
                inside += 1
        out[i] = float32(4) * float32(inside) / float32(turns)


@numba.njit(parallel=True, fastmath={"contract"})
def monte_carlo_by_hand(states, turns, out):
    for i in numba.prange(out.size):
        inside = 0
        for _ in range(turns):
            x = xoroshiro128p_uniform_float32(states, i)
            y = xoroshiro128p_uniform_float32(states, i)
            if x * x + y * y <= np.float32(1):
                inside += 1
        out[i] = np.float32(4) * np.float32(inside) / np.float32(turns)
