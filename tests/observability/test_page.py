"""A page of metrics: what many actors have counted, in pieces, and whom its writing keeps waiting."""

from collections.abc import Iterator

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from rkruntime.actors import ActorCounts
from rkruntime.observability import Metrics
from rkruntime.observability._exposition import LOOK_AGAIN_S, OF_A_BLOCK, PATIENCE_S, Page
from rkruntime.observability._runtime_page import MOST_ACTORS, write_actors
from rkruntime.runtime import Actor, open_runtime
from rkruntime.testing import FakeDevice

ACTORS = 2 * OF_A_BLOCK + 1


class Counter(Actor):
    async def count(self) -> None:
        pass


class Slept:
    """Stands in for the module `time`: each look at the clock is a millisecond after the last, and sleeping is told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sleeps_s: list[float] = []

    def perf_counter(self) -> float:
        self.now_s += 1e-3
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.sleeps_s.append(seconds)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    clock = Slept()
    monkeypatch.setattr("rkruntime.observability._exposition.time", clock)
    return clock


def lines_of(page: Page) -> list[str]:
    return [line for line in b"".join(page.end()).decode().splitlines() if not line.startswith("#")]


def test_a_page_waits_for_others_until_they_are_answered(slept: Slept) -> None:
    busy = [True, True, True, False, False, True, False]
    page = Page(True, lambda: busy.pop(0))
    assert list(page.slowly("ab")) == ["a", "b"]
    assert sum(each == LOOK_AGAIN_S for each in slept.sleeps_s) == 3
    page.end()
    assert busy == []


def test_a_page_is_written_though_others_never_end(slept: Slept) -> None:
    page = Page(True, lambda: True)
    assert list(page.slowly(range(1000))) == list(range(1000))
    page.end()
    waited_s = sum(each for each in slept.sleeps_s if each == LOOK_AGAIN_S)
    assert waited_s == pytest.approx(PATIENCE_S, abs=2 * LOOK_AGAIN_S)


def test_rows_are_read_as_the_page_comes_to_them(slept: Slept) -> None:
    read = []

    def rows() -> Iterator[int]:
        for number in range(3):
            read.append((number, len(slept.sleeps_s)))
            yield number

    assert list(Page(True).slowly(rows())) == [0, 1, 2]
    assert [sleeps for _, sleeps in read] == [0, 1, 2]


COUNTS = st.lists(
    st.lists(st.builds(ActorCounts, st.integers(0, 40).map(str), *[st.integers(0, 3)] * 5), max_size=40),
    min_size=1,
    max_size=4,
)


@settings(max_examples=50)
@given(COUNTS)
def test_lines_of_actors_are_those_of_their_numbers_whatever_was_written_before(
    scrapes: list[list[ActorCounts]],
) -> None:
    for actors in scrapes:
        page = Page(True)
        write_actors(page, actors)
        told = lines_of(page)
        for actor in actors:
            assert f'rkruntime_actor_messages_total{{actor="{actor.actor}"}} {actor.messages}' in told
            assert f'rkruntime_actor_restarts_total{{actor="{actor.actor}"}} {actor.restarts}' in told
            assert f'rkruntime_actor_memory_bytes{{actor="{actor.actor}"}} {actor.memory_bytes}' in told
            assert f'rkruntime_mailbox_depth{{actor="{actor.actor}"}} {actor.mailbox_depth}' in told
        assert f"rkruntime_messages_in_flight {sum(actor.in_flight for actor in actors)}" in told
        assert len(told) == 3 + 4 * len(actors)


def test_the_busiest_actors_are_listed() -> None:
    page = Page(False)
    write_actors(page, [ActorCounts(str(number), number, 0, 0, 0, 0) for number in range(MOST_ACTORS + 2)])
    told = lines_of(page)
    assert "rkruntime_actors_unlisted 2" in told
    assert 'rkruntime_actor_messages_total{actor="2"} 2' in told
    assert 'rkruntime_actor_messages_total{actor="1"} 1' not in told


async def test_a_scrape_says_what_actors_counted_since_the_last(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics]) as runtime:
        metrics.attach(runtime)
        refs = [await runtime.spawn(Counter, name=f"actor_{number}") for number in range(ACTORS)]
        for times in (1, 2):
            for ref in refs[::2]:
                await ref.ask(Counter.count)
            page = metrics.render()[0].decode()
            for number, ref in enumerate(refs):
                ended = times if number % 2 == 0 else 0
                assert f'rkruntime_actor_messages_total{{actor="{ref.name}"}} {ended}\n' in page


def test_pieces_are_the_page() -> None:
    metrics = Metrics()
    pieces, kind = metrics.write("text/plain")
    assert len(pieces) > 1
    assert (b"".join(pieces), kind) == metrics.render("text/plain")
