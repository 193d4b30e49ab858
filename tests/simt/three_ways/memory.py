"""Arrays of every kind, in every memory."""

from collections import namedtuple
from enum import IntEnum

import numpy as np
from numba import cuda, float32, int32

from three_ways.case import Case

INNER = np.dtype([("x", "f4"), ("y", "i8")], align=True)
OUTER = np.dtype([("at", INNER), ("count", "i4")], align=True)
TABLE = np.arange(12.0).reshape(3, 4) ** 2
RECORDS = np.zeros(4, INNER)
RECORDS["x"], RECORDS["y"] = [1.5, 2.5, 3.5, 4.5], [10, 20, 30, 40]
DAYS = np.array(["2020-02-28", "1969-12-31", "2000-01-01"], "M8[D]")
SPANS = np.array([[1, -2, 3], [40, 50, 60]], "m8[D]")
EVENTS = np.array([("2020-02-28", 5), ("1969-12-31", 7)], [("day", "M8[D]"), ("count", "i4")])
READ_ONLY = np.arange(8.0)
READ_ONLY.flags.writeable = False
Point = namedtuple("Point", "x y")


class Colour(IntEnum):
    RED = 1
    GREEN = 2


@cuda.jit
def static_shared(x, out):
    row = cuda.shared.array(8, np.float32)
    tile = cuda.shared.array((2, 8), np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    row[t] = x[i] / 2
    tile[0, t], tile[1, t] = i, 10 * i
    cuda.syncthreads()
    out[i, 0] = row[7 - t]
    out[i, 1] = tile[t % 2, (t + 3) % 8]
    out[i, 2] = tile.shape[0] + tile.size


@cuda.jit
def dynamic_shared(out):
    real = cuda.shared.array(0, float32)
    whole = cuda.shared.array(0, int32)[8:]
    t = cuda.threadIdx.x
    real[t] = 1.5 * t
    whole[t] = 100 * t
    cuda.syncthreads()
    out[cuda.grid(1)] = real[7 - t] + whole[(t + 1) % 8]


@cuda.jit
def shared_records(out):
    held = cuda.shared.array(8, INNER)
    t = cuda.threadIdx.x
    held[t]["x"] = t  # the simulator has no attributes of records that it made itself
    held[t]["y"] = 3 * t
    cuda.syncthreads()
    out[cuda.grid(1)] = held[7 - t]["x"] + held[(t + 1) % 8]["y"]


@cuda.jit
def local_and_constant(out):
    mine = cuda.local.array((2, 3), np.complex128)
    few = cuda.local.array(4, np.uint8)
    table = cuda.const.array_like(TABLE)
    records = cuda.const.array_like(RECORDS)
    i = cuda.grid(1)
    for k in range(3):
        mine[0, k] = i + k
        mine[1, k] = 2j * mine[0, k]
    few[i % 4] = i
    out[i, 0] = mine[1, 2].imag + mine[0, 1].real
    out[i, 1] = few[i % 4]
    out[i, 2] = table[2, i % 4] + table[i % 3, 1]
    out[i, 3] = records[i % 4]["y"] + records[(i + 1) % 4]["x"]


@cuda.jit
def constant_dates(days, spans, counts):
    i = cuda.grid(1)
    spans[i] = cuda.const.array_like(SPANS)[i % 2, i % 3]
    days[i] = cuda.const.array_like(DAYS)[i % 3] + spans[i]
    counts[i] = (DAYS[2] - cuda.const.array_like(EVENTS)[i % 2]["day"]) / SPANS[0, 0] + EVENTS[i % 2]["count"]


@cuda.jit
def layouts(given, fortran, read_only, nil, empty):
    i = cuda.grid(1)
    strided = given[::2, ::-2]
    for j in range(3):
        strided[i, j] = 10 * i + j + read_only[i]
        fortran[i, j] = strided[i, j] + 0.5 + nil[()]
    strided[i, 0] += empty.size + empty.shape[1]


@cuda.jit
def widths(bytes_, shorts, words, longs, ubytes, ushorts, uwords, ulongs, truths):
    i = cuda.grid(1)
    bytes_[i] = -i
    shorts[i] = -1000 * i
    words[i] = bytes_[i] + shorts[i]
    longs[i] = i - 2**40
    ubytes[i] = i + 200
    ushorts[i] = i + 65_000
    uwords[i] = i + 4_000_000_000
    ulongs[i] = 2**63 + 3 * i
    truths[i] = bytes_[i] < shorts[i] or i % 3 == 0


@cuda.jit
def numbers(singles, doubles, small, complexes, days, spans):
    i = cuda.grid(1)
    singles[i] = doubles[i] / 3
    doubles[i] = singles[i] + doubles[i]
    small[i] = small[i] * small[i]
    complexes[i] = complexes[i] * (1 + 2j) - complexes[i].imag
    spans[i] = days[i] - days[0]


@cuda.jit
def records(given, out):
    i = cuda.grid(1)
    given[i].at.x = i + 0.5
    given[i]["at"]["y"] = 2 * i
    given[i].count = given[i].at.y + 1
    out[i] = given[i]["count"] * given[i]["at"].x


@cuda.jit
def values(numbers, colour, nothing, flag, out):
    i = cuda.grid(1)
    out[i] = numbers[0] + numbers[1] * i
    if nothing is None and colour == Colour.GREEN and flag:
        out[i] += 1000


@cuda.jit
def strings(mode, word, out):
    i = cuda.grid(1)
    out[i] = (2 if mode == "twice" else 3) * i + (100 if word[0] != mode else 0)


@cuda.jit
def named_tuples(point, out):
    i = cuda.grid(1)
    out[i] = point.x + point.y[i]


def named_tuples_reference(point, out):
    out[:] = point.x + point.y


INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
CASES = [
    Case(static_shared, 2, 8, (np.arange(16.0), np.zeros((16, 3)))),
    Case(dynamic_shared, 2, 8, (np.zeros(16),), shared=64),
    Case(shared_records, 2, 8, (np.zeros(16),)),
    Case(local_and_constant, 2, 4, (np.zeros((8, 4)),)),
    Case(constant_dates, 2, 4, (np.zeros(8, "M8[D]"), np.zeros(8, "m8[D]"), np.zeros(8))),
    Case(
        layouts,
        2,
        4,
        (
            np.zeros((16, 6)),
            np.asfortranarray(np.zeros((8, 3))),
            READ_ONLY,
            np.array(7.0),
            np.zeros((0, 3)),
        ),
    ),
    Case(widths, 2, 4, (*(np.zeros(8, one) for one in INTEGERS), np.zeros(8, bool))),
    Case(
        numbers,
        2,
        4,
        (
            np.zeros(8, np.float32),
            np.arange(8) / 7,
            (np.arange(8) / 3).astype(np.float16),
            np.arange(8) * (1 - 2j),
            np.arange(8).astype("M8[D]"),
            np.zeros(8, "m8[D]"),
        ),
    ),
    Case(records, 2, 4, (np.zeros(8, OUTER), np.zeros(8))),
    Case(values, 2, 4, ((1, 2.5), Colour.GREEN, None, True, np.zeros(8))),
    Case(strings, 4, 4, ("twice", ("thrice", 1), np.zeros(16))),
    Case(
        named_tuples,
        2,
        4,
        (Point(3, np.arange(8.0)), np.zeros(8)),
        instead=named_tuples_reference,
        why="the simulator takes no tuples that hold arrays",
    ),
]
