"""Device functions of all kinds, and what kernels see of the world around them."""

import math

import numpy as np
from numba import cuda

from three_ways.case import Case

SCALE = 3
OFFSETS = np.array([100, 200, 300])


@cuda.jit(device=True)
def factorial(n):
    if n <= 1:
        return 1
    return n * factorial(n - 1)


@cuda.jit(device=True, inline="always")
def successor(n):
    return n + 1


@cuda.jit(device=True)
def with_index(n):
    return n * 10 + cuda.threadIdx.x


@cuda.jit(device=True)
def twice(function, n):
    return function(function(n))


@cuda.jit(device=True)
def with_defaults(a, b=5, c=7):
    return a + 10 * b + 100 * c


@cuda.jit(device=True)
def several(a):
    return a + 1, a * 2.5, (a, -a)


@cuda.jit(device=True)
def fill(array, start):
    for k in range(array.size):
        array[k] = start + k


@cuda.jit(device=True)
def search(x, wanted):
    for k in range(x.size):
        if x[k] == wanted:
            return k
    return -1


product = cuda.jit(device=True)(lambda a, b: a * b)


def with_closure(function, by):
    @cuda.jit
    def closures(out):
        i = cuda.grid(1)
        out[i, 0] = function(i) + by
        out[i, 1] = SCALE * i + OFFSETS[i % 3]

    return closures


@cuda.jit
def calls(out):
    i = cuda.grid(1)
    out[i, 0] = successor(i)
    out[i, 1] = twice(successor, i) + twice(with_index, i)
    out[i, 2] = product(i, 7)
    out[i, 3] = with_defaults(i) + with_defaults(i, 2)
    one, two, (three, four) = several(i)
    out[i, 4] = one + two + three * four
    out[i, 5] = search(OFFSETS, 100 * (i % 5))


@cuda.jit
def keywords(out):
    i = cuda.grid(1)
    out[i] = with_defaults(i, c=1) + with_defaults(b=2, a=i)


def keywords_reference(out):
    out[:] = 2 * np.arange(out.size) + (50 + 100) + (20 + 700)


@cuda.jit
def recursion(out):
    i = cuda.grid(1)
    out[i] = factorial(i)


@cuda.jit
def arrays_passed(x, out):
    i = cuda.grid(1)
    mine = cuda.local.array(3, np.float64)
    fill(mine, i)
    fill(out[i], x[i])
    out[i, 1] += mine[2]


@cuda.jit
def chosen(x, mode, out):
    i = cuda.grid(1)
    op = successor if mode else with_index
    if i % 3 == 0:
        op = with_index
    out[i, 0] = op(x[i])
    out[i, 1] = twice(op, x[i])
    out[i, 2] = (successor if x[i] > 3 else with_index)(i)


@cuda.jit
def control_flow(x, out):
    i = cuda.grid(1)
    total, k = 0, 0
    while True:
        k += 1
        if k > x[i]:
            break
        if k % 2:
            continue
        for j in range(k):
            if j * k > 12:
                break
            total += j
        else:
            total += 100
    out[i, 0] = total
    out[i, 1] = 1 if 2 < x[i] <= 5 and not (x[i] == 4 or i == 0) else 0
    for a, b in zip((1, 2, 3), (4, 5, 6)):  # noqa: B905 - numba knows no `strict`
        out[i, 2] += a * b * x[i]
    for k, one in enumerate((10, 20, 30)):
        out[i, 3] += k * one if x[i] % 2 else one


@cuda.jit(fastmath=False, opt=True)
def with_options(x, out):
    i = cuda.grid(1)
    out[i] = math.sqrt(x[i] * x[i])


@cuda.jit(device=True)
def total(first, *rest):
    for k in range(len(rest)):
        first += rest[k] * (k + 1)
    return first


@cuda.jit(device=True)
def applied(function, *given):
    return function(*given)


@cuda.jit
def variadic(x, out):
    i = cuda.grid(1)
    pair = (x[i], 2.0)
    for _ in range(2):
        out[i] += total(x[i], 1.0) + total(*pair) + total(x[i], 2.0, x[i]) + applied(with_defaults, x[i], 3.0)


@cuda.jit(device=True)
def above(x, bound):
    if x > bound:
        return x - bound
    return None


@cuda.jit
def optionals(x, weights, out):
    i = cuda.grid(1)
    first = None
    for k in range(x.size):
        if first is None and x[k] > i:
            first = k
    out[i, 0] = -1 if first is None else first
    more = above(x[i], 3)
    if more is not None:
        out[i, 1] = more
    if weights is not None:
        out[i, 2] = weights[i]


CASES = [
    Case(optionals, 2, 4, (np.arange(8) * 5 % 8, None, np.zeros((8, 3), np.int64))),
    Case(optionals, 2, 4, (np.arange(8) * 5 % 8, np.arange(8), np.zeros((8, 3), np.int64))),
    Case(with_closure(successor, 40), 2, 4, (np.zeros((8, 2), np.int64),)),
    Case(calls, 2, 4, (np.zeros((8, 6)),)),
    Case(
        keywords,
        2,
        4,
        (np.zeros(8),),
        instead=keywords_reference,
        why="the simulator calls device functions by position only",
    ),
    Case(recursion, 2, 4, (np.zeros(8, np.int64),)),
    Case(arrays_passed, 2, 4, (np.arange(8) / 4, np.zeros((8, 3)))),
    Case(chosen, 2, 4, (np.arange(8), 0, np.zeros((8, 3), np.int64))),
    Case(chosen, 2, 4, (np.arange(8), 1, np.zeros((8, 3), np.int64))),
    Case(control_flow, 2, 4, (np.arange(8), np.zeros((8, 4), np.int64))),
    Case(variadic, 2, 4, (np.arange(8) / 4, np.zeros(8))),
    Case(with_options, 2, 4, (np.arange(8.0) - 4, np.zeros(8))),
]
