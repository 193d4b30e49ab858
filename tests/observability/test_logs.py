"""Logs: what happens at work is logged with its ids, as JSON in production, and no more than the level asks for."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trio

import rkruntime as rk
from rkruntime.context import Trace, following
from rkruntime.errors import RkError
from rkruntime.log import configure_logging, get_logger
from rkruntime.observability import LogRecords, Metrics, RequestDone
from rkruntime.runtime import Actor, open_runtime
from rkruntime.testing import FakeDevice

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fill(out: Any) -> None:
    out[:] = 1


def broken(out: Any) -> None:
    raise ValueError("on purpose")


class Talker(Actor):
    async def talk(self) -> None:
        get_logger("rkruntime.test").info("talked", words=3)


class Crasher(Actor):
    async def crash(self) -> None:
        raise ValueError("on purpose")


class Drained(Actor):
    pass


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged, as the command logs in production."""
    logger, root = logging.getLogger("rkruntime"), logging.getLogger()
    before, others = (logger.handlers[:], logger.level, logger.propagate), root.handlers[:]
    stream = io.StringIO()
    configure_logging(getattr(request, "param", "debug"), "json")
    logger.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    yield stream
    logger.handlers[:], logger.level, logger.propagate = before
    root.handlers[:] = others


def events(stream: io.StringIO, name: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in told if line["event"] == name]


async def test_lines_of_handlers_and_launches_name_the_request_and_the_trace(
    lines: io.StringIO, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_runtime(device=FakeDevice(job_s=0.5), hooks=[LogRecords()]) as runtime:
        talker = await runtime.spawn(Talker, name="talker")
        kernel, bad = await runtime.spawn(fill, name="filler"), await runtime.spawn(broken, name="bad")
        with following(HEADER, "r-1"):
            await talker.ask(Talker.talk)
            await kernel.launch(np.zeros(4), over=4)
        with pytest.raises(RkError):
            await bad.launch(np.zeros(4), over=4)
    (talked,), (launched,) = events(lines, "talked"), events(lines, "launch completed")
    assert (talked["actor"], talked["request_id"], talked["trace_id"]) == ("talker", "r-1", HEADER[3:35])
    assert (launched["actor"], launched["request_id"], launched["trace_id"]) == ("filler", "r-1", HEADER[3:35])
    assert talked["span_id"] != launched["span_id"]
    assert (launched["kernel"], launched["took_s"], launched["level"]) == ("fill", 0.5, "debug")
    (failed,) = events(lines, "launch failed")
    assert (failed["level"], failed["launch"]) == ("info", launched["launch"] + 1)
    assert "on purpose" in failed["error"]
    assert [line["actor"] for line in events(lines, "actor started")] == ["talker", "filler", "bad"]


async def test_an_actors_end_is_not_of_the_request_that_it_began_with(
    lines: io.StringIO, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_runtime(device=FakeDevice(), hooks=[LogRecords()]) as runtime:
        with following(HEADER, "r-1"):
            stopped, crashed, _ = [await runtime.spawn(kind, name=kind.__name__) for kind in (Talker, Crasher, Drained)]
        with following(HEADER, "r-2"):
            await stopped.stop()
            await crashed.tell(Crasher.crash)
            await trio.sleep(60)  # of virtual time
    assert {line["request_id"] for line in events(lines, "actor started")} == {"r-1"}
    told = events(lines, "actor stopped") + events(lines, "actor restarted")
    assert [line["actor"] for line in told] == ["Talker", "Drained", "Crasher", "Crasher"]
    assert not [line for line in told if {"request_id", "trace_id", "span_id"} & set(line)]


@pytest.mark.parametrize("lines", ["info"], indirect=True)
def test_launches_and_requests_are_told_only_where_they_are_asked_for(lines: io.StringIO) -> None:
    LogRecords().end_request(RequestDone("/healthz", "GET", 200, 0.1))
    assert lines.getvalue() == ""


def test_requests_are_told_with_their_ids(lines: io.StringIO) -> None:
    trace = Trace.begin()
    LogRecords().end_request(RequestDone("/healthz", "GET", 200, 0.1, trace, "r-2"))
    (line,) = events(lines, "request")
    assert (line["route"], line["status"], line["request_id"]) == ("/healthz", 200, "r-2")
    assert (line["trace_id"], line["span_id"]) == (trace.trace_hex, trace.span_hex)


def test_the_blocking_front_has_hooks_and_hands_its_callers_ids_on() -> None:
    metrics = Metrics()
    with rk.blocking.open_runtime(device=FakeDevice(), hooks=[metrics]) as runtime:
        kernel = runtime.spawn(fill)
        with following(HEADER):
            kernel.launch(np.zeros(4), over=4)
    assert HEADER[3:35] in metrics.render()[0].decode()


def test_an_error_is_logged_with_where_it_came_from_by_others_too(lines: io.StringIO) -> None:
    configure_logging("debug", "json")  # once more, which must not double a line
    logging.getLogger("rkruntime").handlers[0].setStream(lines)  # type: ignore[attr-defined]
    for log in (get_logger("rkruntime.service"), logging.getLogger("uvicorn.error"), logging.getLogger("asyncio")):
        try:
            broken(None)
        except ValueError:
            log.exception("a request failed")
    logging.getLogger("uvicorn.error").info("not told")
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["logger"] for line in told] == ["rkruntime.service", "uvicorn.error", "asyncio"]
    for line in told:
        assert "ValueError: on purpose" in line["exception"]
        assert "in broken" in line["exception"]
