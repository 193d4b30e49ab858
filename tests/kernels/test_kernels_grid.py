"""From over, grid and block to blocks and threads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.errors import InvalidLaunch
from rkruntime.kernels._grid import resolve

LENGTHS = st.lists(st.integers(1, 10_000), min_size=1, max_size=3)


@given(over=LENGTHS, hint=st.one_of(st.none(), st.lists(st.integers(1, 64), min_size=1, max_size=3)))
def test_every_element_has_a_thread_and_no_block_is_idle(over: list[int], hint: list[int] | None) -> None:
    grid, block = resolve("k", over, None, None, hint)
    for length, blocks, threads in zip((*over, 1, 1), grid, block, strict=False):
        assert blocks * threads >= length
        assert (blocks - 1) * threads < length


@pytest.mark.parametrize(
    ("how", "grid", "block"),
    [
        ({"over": 1000}, (4, 1, 1), (256, 1, 1)),
        ({"over": (100, 33)}, (7, 3, 1), (16, 16, 1)),
        ({"over": (9, 8, 5)}, (2, 1, 2), (8, 8, 4)),
        ({"over": 1000, "hint": 128}, (8, 1, 1), (128, 1, 1)),
        ({"over": (64, 64), "hint": 64}, (1, 64, 1), (64, 1, 1)),
        ({"over": 1000, "hint": (16, 16)}, (4, 1, 1), (256, 1, 1)),
        ({"over": 1000, "block": 100, "hint": 128}, (10, 1, 1), (100, 1, 1)),
        ({"grid": 3}, (3, 1, 1), (256, 1, 1)),
        ({"grid": (2, 3), "block": (4, 5)}, (2, 3, 1), (4, 5, 1)),
        ({"grid": [2, 3], "block": [4, 5]}, (2, 3, 1), (4, 5, 1)),
    ],
)
def test_grid_and_block(how: dict, grid: tuple, block: tuple) -> None:
    asked = {"over": None, "grid": None, "block": None, "hint": None} | how
    assert resolve("k", **asked) == (grid, block)


def test_numpys_integers_count_as_lengths() -> None:
    np = pytest.importorskip("numpy")
    assert resolve("k", np.int64(512), None, None, None) == ((2, 1, 1), (256, 1, 1))


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({}, "neither over nor grid"),
        ({"over": 4, "grid": 4}, "over=4 and grid=4"),
        ({"over": 0}, "over 0"),
        ({"over": -1}, "over -1"),
        ({"over": (4, 4, 4, 4)}, "(4, 4, 4, 4)"),
        ({"over": ()}, "()"),
        ({"over": 2.5}, "2.5"),
        ({"over": "12"}, "'12'"),
        ({"grid": (1, None)}, "(1, None)"),
        ({"over": 4, "block": 0}, "block 0"),
        ({"over": 400, "block": (16, 16)}, "(16, 16)"),
    ],
)
def test_what_makes_no_launch_is_named_with_the_mend(how: dict, named: str) -> None:
    asked = {"over": None, "grid": None, "block": None, "hint": None} | how
    with pytest.raises(InvalidLaunch) as caught:
        resolve("saxpy", **asked)
    text = str(caught.value)
    assert named in text
    assert "saxpy" in text
    assert "mend:" in text
