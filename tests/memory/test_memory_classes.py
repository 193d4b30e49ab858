"""Size classes and pressure levels: the pure decisions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.memory import PressureLevel, block_bytes
from rkruntime.memory._classes import is_carved, larger_classes, slab_bytes
from rkruntime.memory._pressure import ACTIONS, edges_for, next_level, stay_range

MIB = 2**20
EDGES = edges_for(1000, 0.70, 0.85, 0.95, 0.02)
N, W, C, E = PressureLevel


@pytest.mark.parametrize(
    ("asked", "block"),
    [
        (0, 256),
        (1, 256),
        (256, 256),
        (257, 512),
        (MIB - 1, MIB),
        (MIB, MIB),
        (MIB + 1, MIB * 5 // 4),
        (MIB * 5 // 4, MIB * 5 // 4),
        (MIB * 5 // 4 + 1, MIB * 3 // 2),
        (MIB * 7 // 4, MIB * 7 // 4),
        (MIB * 7 // 4 + 1, 2 * MIB),
        (2 * MIB, 2 * MIB),
        (2 * MIB + 1, MIB * 5 // 2),
        (3 * 2**30, 3 * 2**30),
    ],
)
def test_block_of_a_request(asked, block):
    assert block_bytes(asked) == block


@given(st.integers(0, 2**50))
def test_blocks_hold_the_request_and_waste_is_bounded(asked):
    block = block_bytes(asked)
    assert block >= asked
    assert block % 256 == 0
    assert block_bytes(block) == block
    if asked > MIB:
        assert block < asked * 1.25
    elif asked > 128:
        assert block < asked * 2


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_a_larger_request_never_gets_a_smaller_block(a, b):
    assert (block_bytes(a) <= block_bytes(b)) or a > b


@given(st.integers(1, 2**50))
def test_a_block_may_be_borrowed_from_the_next_three_classes_alone(asked):
    block = block_bytes(asked)
    larger = larger_classes(block)
    if block < MIB:
        assert larger == ()
    else:
        assert len(larger) == 3
        assert block < larger[0] < larger[1] < larger[2] < 2 * block
        for below, above in zip((block, *larger), larger, strict=False):
            assert block_bytes(below + 1) == above


@given(st.integers(1, 2**50))
def test_slabs_are_powers_of_two_and_a_small_part_of_the_limit(limit):
    slab = slab_bytes(limit)
    assert slab & (slab - 1) == 0
    assert 1 <= slab <= MIB
    assert slab * 64 <= limit or slab == 1


def test_only_small_classes_are_carved():
    assert is_carved(65536, MIB)
    assert not is_carved(131072, MIB)


@pytest.mark.parametrize(
    ("level", "allocated", "after"),
    [
        (N, 699, N),
        (N, 700, W),
        (N, 849, W),
        (N, 850, C),
        (N, 950, C),
        (N, 951, E),
        (W, 680, W),
        (W, 679, N),
        (C, 830, C),
        (C, 829, W),
        (C, 680, W),
        (C, 100, N),
        (E, 931, E),
        (E, 930, C),
        (E, 0, N),
    ],
)
def test_levels_and_their_hysteresis(level, allocated, after):
    assert next_level(level, allocated, EDGES) is after


@given(
    st.sampled_from(PressureLevel),
    st.integers(0, 2000),
    st.integers(1, 10**12),
)
def test_the_stay_range_says_exactly_when_the_level_changes(level, permille, limit):
    edges = edges_for(limit, 0.70, 0.85, 0.95, 0.02)
    fall_below, rise_at = stay_range(level, edges)
    for allocated in (permille * limit // 1000, fall_below, fall_below - 1, edges.enter[level]):
        if allocated >= 0:
            assert (next_level(level, allocated, edges) is level) == (fall_below <= allocated < rise_at)


@given(st.sampled_from(PressureLevel), st.integers(0, 2000))
def test_a_second_look_changes_nothing(level, allocated):
    after = next_level(level, allocated, EDGES)
    assert next_level(after, allocated, EDGES) is after


def test_normal_has_no_lower_edge_and_emergency_no_upper():
    assert stay_range(N, EDGES) == (0, 700)
    assert stay_range(E, EDGES) == (931, math.inf)


def test_each_level_keeps_what_the_one_below_does():
    for below, above in zip(PressureLevel, list(PressureLevel)[1:], strict=False):
        for name in ("defers", "refuses_actors", "releases_idle", "cancels_deferred"):
            assert getattr(ACTIONS[below], name) <= getattr(ACTIONS[above], name)
