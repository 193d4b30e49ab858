"""Statistics, the out-of-memory report, leaks."""

import json
import pickle
import sys

import pytest
from memory_double import Double, Event

from rkruntime.errors import OutOfDeviceMemory
from rkruntime.memory import OutOfMemoryReport, OwnerStats, PressureLevel, Trend
from rkruntime.memory._report import mends, trend_of

MIB = 2**20


def test_statistics_add_up(make):
    manager = make(64 * MIB)
    heat = manager.owner("heat")
    manager.allocate(MIB - 10, heat)
    manager.allocate(2 * MIB + 1)
    manager.deallocate(manager.allocate(4 * MIB))
    stats = manager.stats()
    assert stats.requested_bytes == 3 * MIB - 9
    assert stats.allocated_bytes == MIB + MIB * 5 // 2
    assert stats.cached_bytes == 4 * MIB
    assert stats.reserved_bytes == MIB * 15 // 2
    assert stats.peak_bytes == MIB * 15 // 2
    assert stats.pool_utilization == pytest.approx(3.5 / 7.5)
    assert stats.waste == pytest.approx(1 - (3 * MIB - 9) / (3.5 * MIB))
    assert [(row.kind, row.name, row.buffers) for row in stats.owners] == [
        ("caller", "caller", 1),
        ("actor", "heat", 1),
    ]
    assert [row.block_bytes for row in stats.classes] == [MIB, MIB * 5 // 2, 4 * MIB]
    assert stats.level is PressureLevel.NORMAL


def test_statistics_of_nothing_divide_by_nothing(make):
    stats = make().stats()
    assert (stats.pool_utilization, stats.waste, stats.classes, stats.owners) == (0.0, 0.0, (), ())


def test_statistics_go_to_json_and_html(make):
    manager = make()
    manager.allocate(MIB, manager.owner("<heat>"))
    stats = manager.stats()
    told = json.loads(json.dumps(stats.to_dict()))
    assert told["level"] == "normal"
    assert told["owners"][0]["allocated_bytes"] == MIB
    assert told["pool_utilization"] == 1.0
    assert "&lt;heat&gt;" in stats._repr_html_()


def test_an_owner_that_freed_all_is_off_the_books(make):
    manager = make()
    for number in range(100):
        owner = manager.owner(f"actor-{number}")
        manager.allocate(MIB, owner)
        assert owner.bytes == MIB
        owner.free_all()
    assert len(manager._owners) == 1


def test_the_out_of_memory_report_says_who_holds_what(make):
    clock = [100.0]
    manager = make(16 * MIB, clock=lambda: clock[0])
    big = manager.owner("big")
    manager.allocate(8 * MIB, big)
    clock[0] = 110.0
    manager.allocate(MIB)
    manager.deallocate(manager.allocate(4 * MIB), after=Event(None))
    with pytest.raises(OutOfDeviceMemory) as caught:
        manager.allocate(6 * MIB)
    error, details = caught.value, caught.value.details
    assert (error.wanted_bytes, error.allocated_bytes, error.cached_bytes, error.limit_bytes) == (
        6 * MIB,
        9 * MIB,
        4 * MIB,
        16 * MIB,
    )
    assert details == OutOfMemoryReport(
        wanted_bytes=6 * MIB,
        block_bytes=6 * MIB,
        limit_bytes=16 * MIB,
        allocated_bytes=9 * MIB,
        cached_bytes=4 * MIB,
        quarantined_bytes=4 * MIB,
        reserved_bytes=13 * MIB,
        device_refused=False,
        owners=(
            OwnerStats(name="big", kind="actor", allocated_bytes=8 * MIB, buffers=1),
            OwnerStats(name="caller", kind="caller", allocated_bytes=MIB, buffers=1),
        ),
        trend=Trend(change_bytes=9 * MIB, over_s=10.0),
        mends=details.mends,
    )
    assert f"holds {4 * MIB:,} bytes, enough" in details.mends[0]
    assert f"free {3 * MIB:,} bytes; actor 'big' holds {8 * MIB:,}" in details.mends[1]
    assert f"max_gpu_memory to at least {19 * MIB:,}" in details.mends[2]
    assert error.report == str(details)
    for line in ("asked: 6 MiB", "actor 'big': 8 MiB in 1 buffers", "trend: up 9 MiB over the last 10 s"):
        assert line in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.details, str(again)) == (details, str(error))


def test_what_the_report_promises_makes_it_fit(make):
    manager = make(16 * MIB)
    manager.allocate(8 * MIB)
    with pytest.raises(OutOfDeviceMemory) as caught:
        manager.allocate(10 * MIB)
    raised = int(caught.value.details.mends[-1].split("at least ")[1].split()[0].replace(",", ""))
    larger = make(raised, on=Double())
    larger.allocate(8 * MIB)
    larger.allocate(10 * MIB)


def test_a_request_beyond_the_whole_limit_releases_nothing(make, device):
    manager = make(16 * MIB)
    manager.deallocate(manager.allocate(4 * MIB))
    with pytest.raises(OutOfDeviceMemory) as caught:
        manager.allocate(17 * MIB)
    assert device.taken == 4 * MIB
    (line,) = caught.value.details.mends
    assert "larger than the whole limit" in line


def test_after_running_out_the_manager_still_serves(make):
    manager = make(4 * MIB)
    held = manager.allocate(4 * MIB)
    with pytest.raises(OutOfDeviceMemory):
        manager.allocate(MIB)
    manager.deallocate(held)
    manager.allocate(MIB)
    assert manager.stats().live_buffers == 1


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([], "no earlier sample"),
        ([(0.0, 5)], "no earlier sample"),
        ([(0.0, MIB), (2.0, 0)], "down 1 MiB over the last 2 s"),
        ([(0.0, 5), (1.0, 99), (3.0, 5)], "level, 0 B over the last 3 s"),
    ],
)
def test_trends_in_words(samples, text):
    assert str(trend_of(samples)) == text


def test_a_report_with_nobody_to_blame(make):
    report = OutOfMemoryReport(
        wanted_bytes=1,
        block_bytes=256,
        limit_bytes=512,
        allocated_bytes=0,
        cached_bytes=0,
        quarantined_bytes=0,
        reserved_bytes=0,
        device_refused=True,
        owners=(),
        trend=Trend(change_bytes=0, over_s=0.0),
    )
    assert "no owner holds memory" in str(report)
    assert "the device itself refused" in str(report)
    assert len(mends(report)) == 1


def test_leaks_name_the_place_that_allocated(make, device):
    manager = make()
    here = sys._getframe()
    kept = manager.allocate(1000)
    line = here.f_lineno - 1
    manager.deallocate(manager.allocate(2000))
    (leak,) = manager.close()
    assert (leak.owner, leak.kind, leak.size_bytes, leak.what) == ("caller", "caller", 1000, "Buffer")
    assert leak.place == f"{__file__}:{line}"
    assert leak.place in str(leak)
    assert kept.freed
    assert not device.live


def test_no_leak_is_no_news(make):
    manager = make()
    manager.deallocate(manager.allocate(1000))
    assert manager.close() == ()
