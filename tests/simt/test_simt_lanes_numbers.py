"""Which whole numbers lanes keep in 32 bits, and which copies they make on their way out of a loop alone."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.errors import KernelFault
from rkruntime.simt.lanes._lower import LanesLower


@cuda.jit
def numbers(x, short, whole, real, n):
    i = cuda.grid(1)
    if i < x.size:
        value = x[i]
        summed = value + n
        stored = summed * value ^ ~value
        cast = value - 5
        compared = value + 1
        divided = value + 2
        shifted = value + 3
        subscript = value + 4
        made_real = value + 6
        kept = value + 7
        into_kept = value + 8
        kept_whole = into_kept - value
        short[i] = stored + np.int32(cast) + (1 if compared > n else 2)
        short[subscript % 8] = divided // 3 + (shifted >> 2)
        real[i] = made_real
        whole[i] = kept + kept_whole


@cuda.jit
def turns(x, limit, out):
    i = cuda.grid(1)
    value, last, count, most = x[i], x[i], 0, limit[i % 2]
    while count < limit[0] and value < 100:
        last = value
        value = value * 2 + 3
        count += 1
    own = 0
    while own < most:
        own += 1
    out[i, 0], out[i, 1], out[i, 2], out[i, 3] = value, last, count, own


@pytest.fixture
def analysed(monkeypatch):
    """What lanes found out about kernels that are compiled for them."""
    found, analyse = [], LanesLower.analyse

    def noting(lower):
        analyse(lower)
        found.append(lower)

    monkeypatch.setattr(LanesLower, "analyse", noting)
    return found


def in_source(names):
    """Return variables' names without the versions that numba makes of them."""
    return {name.split(".")[0] for name in names if not name.startswith("$")}


def test_numbers_of_which_low_bits_are_enough_are_kept_in_32(analysed):
    x, made = np.arange(-20, 20), (np.zeros(40, np.int32), np.zeros(40, np.int64), np.zeros(40))
    run(numbers, 1, 64, x, *made, 3, lowering="lanes")
    (lower,) = analysed
    assert in_source(lower._narrow) == {"stored", "cast", "summed"}
    widths = {name: slot.pointer.type.pointee.element.width for name, slot in lower._slots.items() if "kept" in name}
    assert set(widths.values()) == {64}


def test_copies_that_all_lanes_make_at_once_are_made_where_they_leave_a_loop(analysed):
    run(turns, 1, 16, np.arange(16), np.array([9, 4]), np.zeros((16, 4), np.int32), lowering="lanes")
    (lower,) = analysed
    made = {one.inst.target.name for copies in lower._late.values() for one in copies}
    assert in_source(made) == {"value", "last", "count"}, "how often `own` goes round, each lane decides by itself"


@cuda.jit
def by_zero(x, out):
    i = cuda.grid(1)
    out[i] = x[i] // 0


@cuda.jit
def rest_of_zero(x, out):
    i = cuda.grid(1)
    out[i] = x[i] % 0


@cuda.jit
def by_minus_one(x, out):
    i = cuda.grid(1)
    out[i] = x[i] // -1 + x[i] % -1


@pytest.mark.parametrize("kernel", [by_zero, rest_of_zero])
@pytest.mark.parametrize("lowering", ["lanes", "loop"])
def test_a_division_by_a_zero_in_the_source_is_a_fault(kernel, lowering):
    x = np.arange(40)
    with pytest.raises(KernelFault, match="ZeroDivisionError"):
        run(kernel, 1, 40, x, np.zeros_like(x), lowering=lowering)


def test_a_division_by_minus_one_in_the_source_is_the_same_on_lanes():
    x = np.arange(40) - 3
    x[5] = np.iinfo(np.int64).min
    by_lanes, by_loop = np.zeros((2, 40), np.int64)
    run(by_minus_one, 1, 40, x, by_lanes, lowering="lanes")
    run(by_minus_one, 1, 40, x, by_loop, lowering="loop")
    np.testing.assert_array_equal(by_lanes, by_loop)


@cuda.jit
def by_constants(x, out):
    i = cuda.grid(1)
    number = x[i]
    out[0, i], out[1, i] = number // 9, number % 9
    out[2, i], out[3, i] = number // 1_000_003, number % 1_000_003
    out[4, i], out[5, i] = number // 8, number % 8
    out[6, i], out[7, i] = number // 5_000_000_000, number % 5_000_000_000


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
@pytest.mark.parametrize("width", [8, 64])
def test_numbers_large_and_small_are_divided_by_constants(dtype, width):
    """Where all are small, as numbers of 32 bits."""
    ends, some = np.iinfo(dtype), np.iinfo(np.int32)
    edges = {ends.min, ends.max, 0, 1, 8, 9, 10, some.max, some.max + 1, 2**32 - 1, 2**32}
    edges |= {-one for one in edges} | {some.min - 1}
    large = [one for one in sorted(edges) if ends.min <= one <= ends.max]
    small = [one for one in large if abs(one) < 2**31] * 20
    x = np.array([*large, *small[:150]], dtype)
    out = np.zeros((8, x.size), np.int64)
    run(by_constants, 1, x.size, x, out, lowering="lanes", width=width)
    for k, divisor in enumerate((9, 1_000_003, 8, 5_000_000_000)):
        np.testing.assert_array_equal(out[2 * k], [int(one) // divisor for one in x])
        np.testing.assert_array_equal(out[2 * k + 1], [int(one) % divisor for one in x])


NINE = np.uint64(9)


@cuda.jit
def without_sign(x, out):
    i = cuda.grid(1)
    out[0, i], out[1, i] = x[i] // NINE, x[i] % NINE


@pytest.mark.parametrize("first", [0, 2**31 - 20, 2**32 - 20, 2**64 - 40])
def test_numbers_without_sign_are_divided_by_constants(first):
    x = np.arange(40, dtype=np.uint64) + np.uint64(first)
    out = np.zeros((2, 40), np.uint64)
    run(without_sign, 1, 40, x, out, lowering="lanes")
    np.testing.assert_array_equal(out, [x // NINE, x % NINE])


@cuda.jit
def negatively(x, out):
    i = cuda.grid(1)
    out[0, i], out[1, i] = x[i] // -7, x[i] % -7


def test_small_numbers_are_divided_by_negative_constants():
    x = np.arange(-60, 60)
    out = np.zeros((2, x.size), np.int64)
    run(negatively, 1, x.size, x, out, lowering="lanes")
    np.testing.assert_array_equal(out, [x // -7, x % -7])
