"""Where lanes meet again that part at a branch: told at the branch, and only where nobody else comes there."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.simt.lanes._flow import Flow
from rkruntime.simt.lanes._joins import joins_of

# 0 -> 1 (a loop's head) -> 2 parts to 3 or 4 -> 5 parts to 6 or 7 (-> 7) -> 1; 1 -> 8
TURNS = {0: (1,), 1: (2, 8), 2: (3, 4), 3: (5,), 4: (5,), 5: (6, 7), 6: (7,), 7: (1,), 8: ()}
INSIDE = frozenset(range(1, 8))


def test_a_branch_tells_who_goes_on_where_its_ways_meet():
    joins = joins_of(Flow(TURNS, 0), [2, 5], INSIDE)
    assert joins.at == {2: 5, 5: 7}
    assert joins.told == {(3, 5), (4, 5), (5, 7), (6, 7)}


def test_of_branches_that_meet_at_one_place_the_first_tells():
    flow = Flow({0: (1, 2), 1: (3, 4), 2: (5,), 3: (5,), 4: (5,), 5: ()}, 0)
    joins = joins_of(flow, [0, 1], frozenset(flow.successors))
    assert joins.at == {0: 5}
    assert joins.told == {(2, 5), (3, 5), (4, 5)}


def test_what_others_come_to_as_well_is_not_told():
    """Block 3 is reached from 1, which parts, and from 2, which lanes come to without it."""
    flow = Flow({0: (1, 2), 1: (3, 4), 2: (3,), 3: (4,), 4: (5,), 5: ()}, 0)
    joins = joins_of(flow, [0, 1], frozenset(flow.successors))
    assert joins.at == {0: 4}
    assert (1, 4) in joins.told
    assert joins_of(flow, [1], frozenset(flow.successors)).at == {}


def test_the_end_of_a_loop_is_not_told_by_its_head():
    assert joins_of(Flow(TURNS, 0), [1], frozenset(TURNS)).at == {}


def test_a_way_out_of_a_loop_keeps_a_branch_from_telling():
    flow = Flow({**TURNS, 3: (8,)}, 0)
    assert joins_of(flow, [2, 5], frozenset(TURNS)).at == {5: 7}


@cuda.jit
def parts_and_meets(x, out):
    i = cuda.grid(1)
    if i < x.size:
        total = 0
        for k in range(i % 5, 12):
            if (x[i] + k) % 3 == 0:
                total += k
                if x[i] > 7:
                    total *= 3
                elif x[i] > 4:
                    continue
            elif k == x[i] % 7 + 4:
                break
            total += 1 if (x[i] % 2 == 0 and k % 2 == 1) or total > 40 else 2
            while total % 4 != 0:
                total += 1
                if total % 11 == 0:
                    break
            if total > 200:
                out[i] = -total
                return
        out[i] = total


@pytest.mark.parametrize("width", [4, 16, 64])
def test_lanes_that_part_and_meet_do_as_one_thread_after_the_other(width):
    x = np.random.default_rng(0).integers(0, 15, 300)
    run(parts_and_meets, 5, 64, x, out := np.zeros(300, np.int64), lowering="lanes", width=width)
    run(parts_and_meets, 5, 64, x, wanted := np.zeros(300, np.int64), lowering="loop")
    np.testing.assert_array_equal(out, wanted)
    assert {(out < 0).any(), (out > 0).any()} == {True}
