"""Ids: those of W3C Trace Context read and written, those that hold here found."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.context import LAUNCH, TRACE, Trace, current_ids, following, parse_traceparent
from rkruntime.log import get_logger

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the standard's own example


def test_the_standards_example_is_read_and_written() -> None:
    trace = parse_traceparent(HEADER)
    assert trace is not None
    assert (trace.trace_hex, trace.span_hex) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert trace.sampled
    assert trace.traceparent == HEADER


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        HEADER.upper(),
        HEADER + "-00",
        HEADER[:-1],
        "ff" + HEADER[2:],
        HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        HEADER.replace("00f067aa0ba902b7", "0" * 16),
        HEADER.replace("-01", "-0g"),
        HEADER + "\n" + HEADER,
    ],
)
def test_what_is_no_traceparent_is_ignored(header: str) -> None:
    assert parse_traceparent(header) is None


def test_later_versions_are_read_as_far_as_they_are_known() -> None:
    trace = parse_traceparent("01" + HEADER[2:] + "-more")
    assert trace is not None
    assert trace.traceparent == HEADER


@given(st.text(max_size=80))
def test_any_text_is_read_or_ignored(header: str) -> None:
    trace = parse_traceparent(header)
    assert trace is None or trace.traceparent[2:52] == header.strip()[2:52]


@given(st.booleans())
def test_children_stay_in_the_trace(sampled: bool) -> None:
    root = Trace.begin(sampled)
    child = root.child()
    assert parse_traceparent(child.traceparent) == child._replace(parent_id=0)
    assert (child.trace_id, child.parent_id, child.sampled) == (root.trace_id, root.span_id, sampled)
    assert child.span_id != root.span_id


def test_a_block_follows_its_caller_and_no_longer() -> None:
    with following(HEADER, "r-1"):
        assert current_ids() == {
            "request_id": "r-1",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span_id": "00f067aa0ba902b7",
        }
        with following(request_id="r-2"):
            assert current_ids()["request_id"] == "r-2"
            assert TRACE.get() == parse_traceparent(HEADER)
    assert current_ids() == {}


def test_log_lines_carry_the_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rkruntime")
    token = LAUNCH.set(7)
    with following(request_id="r-3"):
        get_logger("rkruntime.test").info("said", launch=9)
        get_logger("rkruntime.test").info("said")
    LAUNCH.reset(token)
    told: list[Any] = [getattr(record, "rk_fields", None) for record in caplog.records]
    assert told == [{"launch": 9, "request_id": "r-3"}, {"launch": 7, "request_id": "r-3"}]
