"""Stacks, guard pages and shared memory of one worker."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.errors import InvalidLaunch
from rkruntime.simt._stacks import (
    LINE_BYTES,
    PAGE_BYTES,
    SMALLEST_STACK_BYTES,
    STACK_BYTES,
    STATIC_SHARED_BYTES,
    THREAD_RECORD_BYTES,
    Arena,
    Mapping,
    thread_record,
)


def permissions(address: int) -> str | None:
    """What the process may do at an address, as /proc tells: None where nothing is mapped."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, flags = line.split()[:2]
        first, last = (int(edge, 16) for edge in span.split("-"))
        if first <= address < last:
            return flags
    return None


@pytest.fixture
def arena():
    arena = Arena()
    yield arena
    arena.close()


def test_each_stack_has_a_guard_page_below(arena: Arena) -> None:
    arena.reserve(40, 0)
    for k in range(40):
        bottom = arena.stacks + k * STACK_BYTES
        assert permissions(bottom) == "---p"
        assert permissions(bottom + PAGE_BYTES) == "rw-p"
        assert permissions(thread_record(arena.stacks, STACK_BYTES, k)) == "rw-p"


def test_grows_to_the_largest_block_and_keeps_that(arena: Arena) -> None:
    arena.reserve(32, 0)
    first = arena.stats
    for threads in (1, 32, 7):
        arena.reserve(threads, 0)
    assert arena.stats == first
    arena.reserve(1024, 0)
    assert (arena.stats.threads, arena.stats.stack_bytes) == (1024, 1024 * STACK_BYTES)


def test_growing_gives_the_old_stacks_back(arena: Arena) -> None:
    arena.reserve(8, 0)
    old = arena.stacks
    arena.reserve(2048, 0)
    assert arena.stats.stack_bytes == 2048 * STACK_BYTES
    assert permissions(old) is None or arena.stacks <= old < arena.stacks + arena.stats.stack_bytes


def test_close_unmaps_and_the_arena_can_be_used_again(arena: Arena) -> None:
    arena.reserve(16, 1000)
    places = (arena.stacks + PAGE_BYTES, arena.block, arena.shared)
    arena.close()
    assert [permissions(place) for place in places] == [None, None, None]
    assert arena.stats.threads == 0
    arena.reserve(16, 0)
    assert permissions(arena.block) == "rw-p"


def test_shared_memory_has_room_for_static_and_dynamic_arrays(arena: Arena) -> None:
    arena.reserve(1, 200_000)
    assert arena.stats.shared_bytes >= STATIC_SHARED_BYTES + 200_000


def test_a_larger_stack_may_be_asked_for(arena: Arena) -> None:
    arena.reserve(4, 0, stack_bytes=2**20 + 1)
    assert arena.stack_bytes == 2**20 + PAGE_BYTES


@pytest.mark.parametrize("size", [0, SMALLEST_STACK_BYTES - PAGE_BYTES, SMALLEST_STACK_BYTES + 1])
def test_refuses_stacks_that_are_too_small_or_uneven(size: int) -> None:
    with pytest.raises(InvalidLaunch) as caught:
        Arena(stack_bytes=size)
    assert caught.value.value == size


def test_says_when_the_system_refuses() -> None:
    with pytest.raises(MemoryError):
        Mapping(2**60)


@given(st.integers(0, 4000), st.sampled_from([SMALLEST_STACK_BYTES, STACK_BYTES, 2**20]))
def test_records_lie_at_the_tops_apart_and_aligned(thread: int, stack_bytes: int) -> None:
    base = 2**30
    record = thread_record(base, stack_bytes, thread)
    assert record % LINE_BYTES == 0
    assert record + THREAD_RECORD_BYTES <= base + (thread + 1) * stack_bytes
    assert record - 8192 >= base + thread * stack_bytes + PAGE_BYTES
    if thread % 32:
        assert record - thread_record(base, stack_bytes, thread - 1) == stack_bytes - LINE_BYTES


def test_an_overflow_meets_the_guard_and_not_the_neighbour() -> None:
    program = (
        "import ctypes\n"
        "from rkruntime.simt._stacks import Arena\n"
        "arena = Arena(); arena.reserve(2, 0)\n"
        "ctypes.memset(arena.stacks + arena.stack_bytes + 4096 - 1, 0, 1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ended.returncode < 0
