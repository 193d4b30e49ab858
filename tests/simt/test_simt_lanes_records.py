"""Fields of records on lanes of several widths, gathered and scattered, against loops and fibers."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import blocks_for, run
from test_simt_lanes_together import WIDTHS, agrees

pytestmark = pytest.mark.usefixtures("untraced")

SIZE = 203
AT = [("x", "f4"), ("y", "f8")]
FIELDS = [("flag", "?"), ("at", AT), ("count", "i2"), ("turn", "c8"), ("many", "f4", (3,)), ("word", "u8")]


def made(*, align):
    at = np.dtype(AT, align=align)
    fields = [(name, at if kind is AT else kind, *rest) for name, kind, *rest in FIELDS]
    records = np.zeros(SIZE, np.dtype(fields, align=align))
    random = np.random.default_rng(6)
    for name in ("count", "word"):
        records[name] = random.integers(0, 200, SIZE)
    records["at"]["x"], records["at"]["y"] = random.normal(size=(2, SIZE))
    records["turn"] = random.normal(size=SIZE) + 1j
    records["many"] = random.normal(size=(SIZE, 3))
    return records


@cuda.jit
def fields(given, where, changed, out):
    i = cuda.grid(1)
    if i >= where.size:
        return
    mine, other = given[i], changed[where[i]]
    total = 0.0
    for k in range(mine.count % 5):
        other.at.x += mine["at"]["y"] * k
        other.turn = mine.turn * other.turn + k
        other["word"] += mine.word
        total += mine.many[k % 3] + given[k].at.x
        if total > 1:
            other.flag = not other.flag
            break
    if other.flag:
        other = changed[where[i]]
        other.count = -mine.count
        other.many[i % 3] = total
    out[i] = total + other.at.x + other.turn.imag + given["at"]["y"][i] + given[0].word


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_fields_of_every_kind(width, align):
    where = np.random.default_rng(2).permutation(SIZE)
    results = []
    for lowering, lanes in (("loop", None), ("lanes", width)):
        given, out = made(align=align), np.zeros(SIZE)
        changed = given[::-1].copy()
        run(fields, blocks_for(SIZE, 40), 40, given, where, changed, out, lowering=lowering, width=lanes)
        results.append((changed, out))
    (wanted, wanted_out), (got, got_out) = results
    for name in ("flag", "count", "word", "many", "turn"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-6)
    np.testing.assert_allclose(got["at"]["x"], wanted["at"]["x"], rtol=1e-6)
    np.testing.assert_allclose(got_out, wanted_out, rtol=1e-6)
    assert len(set(got_out)) > SIZE / 2
    assert got["flag"].any()


PARTICLE = np.dtype([("place", "f4", ()), ("speed", "f4"), ("mass", "i4")], align=True)


@cuda.jit
def together(given, out):
    tile = cuda.shared.array(40, PARTICLE)
    t, i, n = cuda.threadIdx.x, cuda.grid(1), cuda.blockDim.x
    mine = given[i]
    for turn in range(3):
        tile[t].place = mine.place + turn
        tile[t]["mass"] = mine.mass * (turn + 1)
        cuda.syncthreads()
        for k in range(n):
            mine.speed += tile[k].place * 2
            if mine.mass > tile[(t + k) % n].mass:
                mine.mass -= tile[k].mass % 3
        cuda.syncthreads()
    out[i] = mine.mass + 1000 * tile[n - 1 - t].mass


@pytest.mark.parametrize("block", [40, (5, 3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_records_that_threads_share_and_keep_across_barriers(width, block):
    given = np.zeros(80, PARTICLE)
    given["place"], given["mass"] = np.arange(80), np.random.default_rng(3).integers(0, 99, 80)
    agrees(together, 2 if block == 40 else (2, 1), block, given, np.zeros(80, np.int64), width=width)


@cuda.jit
def in_a_grid(given, out):
    row, column = cuda.grid(2)
    if row < out.shape[0] and column < out.shape[1]:
        for k in range(2):
            given[row, column].speed += given[row, column].mass * k
        out[row, column] = given[row, column].speed - given[-1, 0].place


@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("width", WIDTHS)
def test_records_of_two_dimensions(width, order):
    given = np.zeros((20, 36), PARTICLE, "F" if order == "F" else "C")
    given["mass"] = np.arange(720).reshape(20, 36)
    given["place"] = 0.5
    given = given[::2, ::-2] if order == "strided" else given
    wanted, out = given["mass"] - 0.5, np.zeros(given.shape)
    run(in_a_grid, (3, 3), (8, 16), given, out, lowering="lanes", width=width)
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(given["speed"], given["mass"])


@cuda.jit
def attraction(given, out):
    i = cuda.grid(1)
    if i < given.size:
        mine, total = given[i], 0.0
        for j in range(given.size):
            total += (given[j].place - mine.place) * given[j].mass
        given[i].speed = total
        out[i] = total


def test_kernels_whose_loops_read_records_take_lanes():
    given, out = np.zeros(70, PARTICLE), np.zeros(70)
    given["place"], given["mass"] = np.arange(70), 2
    assert run(attraction, 3, 32, given, out).lowering == "lanes"
    np.testing.assert_array_equal(out, [2 * (np.arange(70) - i).sum() for i in range(70)])
    np.testing.assert_array_equal(given["speed"], out)
