"""Kernels that use many features at once, each written down once more in NumPy and Python."""

import math
from collections import namedtuple
from enum import IntEnum

import numpy as np
from numba import cuda
from numba.cuda.random import (
    xoroshiro128p_dtype,
    xoroshiro128p_normal_float64,
    xoroshiro128p_uniform_float32,
    xoroshiro128p_uniform_float64,
)

from three_ways.case import Case
from three_ways.functions import factorial, successor, twice, with_index

ALL = ("loop", "lanes", "fibers")
APART = 16  # units in the last place


# Functions: recursive, inlined, passed as arguments, lambdas, and a choice among several.


product = cuda.jit(device=True)(lambda a, b: a * b)
pair = (cuda.jit(device=True)(lambda a: a - 1), cuda.jit(device=True)(lambda a: a - 2))
minus_two = pair[1]


def with_closure(function, offsets):
    @cuda.jit
    def functions(out):
        i = cuda.grid(1)
        out[i, 0] = factorial(i % 8)
        out[i, 1] = twice(successor, i)
        out[i, 2] = twice(with_index, i)
        out[i, 3] = product(i, 7)
        out[i, 4] = minus_two(i)
        out[i, 5] = function(i) + offsets[i % 3]

    return functions


OFFSETS = np.array([100, 200, 300])
functions = with_closure(successor, OFFSETS)


def functions_reference(out):
    for i in range(len(out)):
        t = i % 4
        out[i] = (
            math.factorial(i % 8),
            i + 2,
            (i * 10 + t) * 10 + t,
            7 * i,
            i - 2,
            i + 1 + OFFSETS[i % 3],
        )


# Mathematics: what numba-cuda has and numba lacks, or has with another type.


@cuda.jit
def mathematics(x, y, out):
    i = cuda.grid(1)
    out[i, 0] = math.fmod(x[i], y[i])
    out[i, 1] = math.remainder(x[i], y[i])
    out[i, 2] = math.modf(x[i])[0]
    out[i, 3] = math.modf(x[i])[1]
    out[i, 4] = math.floor(x[i] / 3)
    out[i, 5] = math.ceil(x[i] / 3)
    out[i, 6] = math.trunc(x[i] / 3)
    out[i, 7] = math.copysign(1.0, math.fmod(-0.0, y[i]))
    out[i, 8] = math.erf(y[i]) + math.gamma(3.0) + math.lgamma(2.5) + math.frexp(y[i])[0] + math.ldexp(1.5, 2)
    out[i, 10] = round(y[i] * 1.25) + i.bit_count()
    out[i, 11] = round(y[i] * 0.123, 2)
    out[i, 9] = math.hypot(3.0, y[i]) + math.expm1(0.1) + math.log1p(0.1) + math.log2(8.0) + math.atan2(1.0, y[i])


def mathematics_reference(x, y, out):
    for i in range(len(x)):
        a, b = float(x[i]), float(y[i])
        out[i, :8] = (
            math.fmod(a, b),
            math.remainder(a, b),
            *math.modf(a),
            math.floor(a / 3),
            math.ceil(a / 3),
            math.trunc(a / 3),
            -1,
        )
        out[i, 8] = math.erf(b) + 2 + math.lgamma(2.5) + math.frexp(b)[0] + 6
        out[i, 10] = round(b * 1.25) + i.bit_count()
        out[i, 11] = round(b * 0.123, 2)
        out[i, 9] = math.hypot(3, b) + math.expm1(0.1) + math.log1p(0.1) + 3 + math.atan2(1, b)


# Random numbers: numba-cuda's own functions, and xoroshiro128+ written down once more with Python's integers.

STATES = 6
MASK = 2**64 - 1


@cuda.jit
def random_numbers(states, uniform, single, normal):
    i = cuda.grid(1)
    if i < uniform.size:
        uniform[i] = xoroshiro128p_uniform_float64(states, i)
        single[i] = xoroshiro128p_uniform_float32(states, i)
        normal[i] = xoroshiro128p_normal_float64(states, i)


def next_random(state):
    """Return the next 64 bits, and move the state on (Blackman and Vigna, 2016 constants)."""
    s0, s1 = state
    s1 ^= s0
    turned = [(s0 << 55 | s0 >> 9) & MASK, (s1 << 36 | s1 >> 28) & MASK]
    made = sum(state) & MASK
    state[:] = turned[0] ^ s1 ^ (s1 << 14 & MASK), turned[1]
    return made


def random_numbers_reference(states, uniform, single, normal):
    for i in range(len(uniform)):
        state = [int(states[i]["s0"]), int(states[i]["s1"])]
        uniform[i] = (next_random(state) >> 11) * 2.0**-53
        single[i] = np.float32((next_random(state) >> 11) * 2.0**-53)
        first, second = (np.float32((next_random(state) >> 11) * 2.0**-53) for _ in range(2))
        normal[i] = math.sqrt(-2 * float(np.log(first))) * math.cos(2 * math.pi * float(second))
        states[i] = tuple(state)


def random_numbers_args():
    words = np.random.default_rng(9).integers(0, 2**64, (STATES, 2), dtype=np.uint64)
    states = np.zeros(STATES, xoroshiro128p_dtype)
    states["s0"], states["s1"] = words.T
    return states, np.zeros(STATES), np.zeros(STATES, np.float32), np.zeros(STATES, np.float32)


# Arguments: tuples, named ones, enums, None, records within records, and arrays of every kind.

Point = namedtuple("Point", "x y")
INNER = np.dtype([("x", "f4"), ("y", "i8"), ("v", "f8", (3,))], align=True)
OUTER = np.dtype([("at", INNER), ("count", "i4")], align=True)


class Colour(IntEnum):
    RED = 1
    GREEN = 2


@cuda.jit
def arguments(numbers, point, colour, nothing, read_only, nil, empty, records, out):
    i = cuda.grid(1)
    out[i] = numbers[0] + numbers[1] + point.x * point.y[i] + read_only[i] + nil[()] + empty.size + empty.shape[1]
    if nothing is None and colour == Colour.GREEN:
        out[i] += 1000
    records[i].at.x = i
    records[i]["at"]["y"] = 2 * i
    records[i].at.v[1] = 3.5 * i
    records[i].count = records[i].at.x + 1


def arguments_reference(numbers, point, colour, nothing, read_only, nil, empty, records, out):
    i = np.arange(len(out))
    out[:] = numbers[0] + numbers[1] + point.x * point.y + read_only + nil[()] + 3 + 1000
    records["at"]["x"] = i
    records["at"]["y"] = 2 * i
    records["at"]["v"][:, 1] = 3.5 * i
    records["count"] = i + 1


def arguments_args():
    read_only = np.arange(8.0)
    read_only.flags.writeable = False
    return (
        (1, 2.5),
        Point(3, np.arange(8.0) / 4),
        Colour.GREEN,
        None,
        read_only,
        np.array(7.0),
        np.zeros((0, 3)),
        np.zeros(8, OUTER),
        np.zeros(8),
    )


@cuda.jit
def layouts(strided, fortran, boolean, small, unsigned, whole, complex_numbers, days, spans):
    i = cuda.grid(1)
    for j in range(3):
        strided[i, j] = 10 * i + j
        fortran[i, j] = strided[i, j] + 0.5
    boolean[i] = i % 3 == 0
    small[i] = 50 * i
    unsigned[i] = 30_000 * i
    whole[i] = unsigned[i] + small[i]
    complex_numbers[i] = complex(i, 1) * 2j
    spans[i] = days[i] - days[0]


def layouts_reference(strided, fortran, boolean, small, unsigned, whole, complex_numbers, days, spans):
    i, j = np.arange(8), np.arange(3)
    strided[:] = 10 * i[:, None] + j
    fortran[:] = strided + 0.5
    boolean[:] = i % 3 == 0
    small[:] = (50 * i).astype(np.int8)
    unsigned[:] = (30_000 * i).astype(np.uint16)
    whole[:] = unsigned.astype(int) + small
    complex_numbers[:] = (i + 1j) * 2j
    spans[:] = days - days[0]


def layouts_args():
    return (
        np.zeros((16, 3))[::2, ::-1],
        np.asfortranarray(np.zeros((8, 3))),
        np.zeros(8, bool),
        np.zeros(8, np.int8),
        np.zeros(8, np.uint16),
        np.zeros(8, np.int64),
        np.zeros(8, np.complex64),
        np.arange(8).astype("M8[D]"),
        np.zeros(8, "m8[D]"),
    )


# Memory: two views on the dynamic block, records and arrays in shared and local memory, constants.

CONSTANT = np.arange(12.0).reshape(3, 4) ** 2
CONSTANT_RECORDS = np.zeros(4, INNER)
CONSTANT_RECORDS["x"] = [1, 2, 3, 4]


@cuda.jit
def memory(out):
    real = cuda.shared.array(0, np.float32)
    whole = cuda.shared.array(0, np.int32)[8:]
    records = cuda.shared.array(8, INNER)
    mine = cuda.local.array((2, 2), np.complex64)
    constant = cuda.const.array_like(CONSTANT)
    constant_records = cuda.const.array_like(CONSTANT_RECORDS)
    i = cuda.threadIdx.x
    real[i] = 1.5 * i
    whole[i] = 100 * i
    records[i].x = i
    records[i].y = 10 * i
    mine[1, 1] = 2j * i
    cuda.syncthreads()
    k = 7 - i
    out[i, 0] = real[k] + whole[i]
    out[i, 1] = records[k].x + records[k].y
    out[i, 2] = mine[1, 1].imag
    out[i, 3] = constant[2, i % 4] + constant_records[i % 4]["x"]


def memory_reference(out):
    i = np.arange(8)
    out[:, 0] = 1.5 * (7 - i) + 100 * i
    out[:, 1] = 11 * (7 - i)
    out[:, 2] = 2 * i
    out[:, 3] = CONSTANT[2, i % 4] + CONSTANT_RECORDS["x"][i % 4]


# Atomics on views of all kinds: tuples as indices, fields of records, parts of complex numbers.


@cuda.jit
def atomics(table, complex_numbers, records, counter, returned):
    i = cuda.grid(1)
    cuda.atomic.add(table, (i % 2, 1), 1.5)
    cuda.atomic.max(table[1:], (1, i % 4), i)
    cuda.atomic.sub(table[0][::2], 1, 2)
    cuda.atomic.add(complex_numbers.real, 0, i)
    cuda.atomic.add(complex_numbers.imag, 0, 1)
    cuda.atomic.add(records["x"], 0, 1.0)
    cuda.atomic.add(records["y"], 0, i)
    cuda.atomic.add(records[0]["v"], 1, 2.0)
    cuda.atomic.add(returned, cuda.atomic.inc(counter, 0, 2), 1)
    cuda.atomic.compare_and_swap(counter[1:], 0, 9)
    cuda.atomic.cas(counter, 2, 0, 4)


def atomics_reference(table, complex_numbers, records, counter, returned):
    table[:2, 1] += 1.5 * 4
    table[2] = [4, 5, 6, 7]
    table[0, 2] -= 16
    complex_numbers[0] += 28 + 8j
    records["x"] += 8
    records["y"] += 28
    records["v"][:, 1] += 16
    counter[:] = 8 % 3, 9, 4
    returned[:] = 3, 3, 2


# Short vectors, from numbers and from shorter ones.


@cuda.jit(device=True)
def moved(v, by):
    return cuda.float64x3(v.x + by, v.y - by, v.z)


@cuda.jit
def vectors(out):
    i = cuda.grid(1)
    two = cuda.int32x2(i, 2.75)
    four = cuda.float4(two.x, 1.5, two.y, 0.1)
    three = moved(cuda.float64x3(two, 0.1), i)
    out[i, 0] = four.x + four.y + four.z
    out[i, 1] = four.w
    out[i, 2] = three.x
    out[i, 3] = three.y + three.z


def vectors_reference(out):
    i = np.arange(len(out))
    out[:, 0] = i + 1.5 + 2
    out[:, 1] = np.float32(0.1)
    out[:, 2] = 2 * i
    out[:, 3] = 2 - i + 0.1


X = np.array([7.5, -7.5, 0.25, 1e300, -3.0, 5.0, 6.0, -0.75])
Y = np.array([2.0, 2.0, 0.1, 3.0, 7.0, -3.0, 0.5, 0.5])
COUNTS = (np.zeros((3, 4)), np.zeros(1, complex), np.zeros(1, INNER), np.zeros(3, np.uint32), np.zeros(3, np.int64))


def only(kernel, grid, block, args, reference, why, ways=ALL, shared=0):
    """Return a case that the simulator cannot run."""
    return Case(kernel, grid, block, args, APART, shared, reference, why, ways=ways)


CASES = [
    Case(functions, 2, 4, (np.zeros((8, 6), np.int64),), APART, besides=functions_reference, ways=ALL),
    Case(mathematics, 2, 4, (X, Y, np.zeros((8, 12))), APART, besides=mathematics_reference, ways=ALL),
    only(vectors, 2, 4, (np.zeros((8, 4)),), vectors_reference, "the simulator keeps 2.75 in an int32x2"),
    only(random_numbers, 2, 4, random_numbers_args(), random_numbers_reference, "the simulator takes long for each"),
    only(arguments, 2, 4, arguments_args(), arguments_reference, "the simulator takes no tuples that hold arrays"),
    only(layouts, 2, 4, layouts_args(), layouts_reference, "the simulator raises where an int8 would wrap around"),
    only(atomics, 2, 4, COUNTS, atomics_reference, "the simulator has no atomics on fields of records"),
    only(
        memory,
        1,
        8,
        (np.zeros((8, 4)),),
        memory_reference,
        "the simulator takes no class for the type of a dynamic array",
        ways=ALL[1:],
        shared=128,
    ),
]
