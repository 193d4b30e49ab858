"""Records as spans: which there are, which is under which, and what each says. Pure: records in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rkruntime.actors import MessageDone
from rkruntime.context import Trace
from rkruntime.kernels import LaunchDone
from rkruntime.observability._requests import RequestDone
from rkruntime.observability._stages import stages_of

__all__ = ("SpanData", "spans_of")

Value = str | int | float
LEAST_WAIT_S = 1e-4
"""A shorter wait in a mailbox has no span of its own: the message tells of it."""


class SpanData(NamedTuple):
    """One span.

    Args:
        name: What it is called: of few kinds, so that it can be grouped by.
        trace: Its place, with its parent's.
        began_s: When it began, in seconds.
        ended_s: When it ended.
        attributes: What it says.
        error: What failed; empty where nothing did.
        serves: Whether it answers a caller outside, as a request does.
    """

    name: str
    trace: Trace
    began_s: float
    ended_s: float
    attributes: Mapping[str, Value]
    error: str = ""
    serves: bool = False


def spans_of(record: MessageDone | LaunchDone | RequestDone) -> Iterator[SpanData]:
    """Return the spans of a record whose trace is sampled.

    A request has one. A message has one from its acceptance to its end, and in it the wait in the mailbox. A launch has
    one, and in it its stages; it is under the message whose handler launched. Times are those of the record's clock.
    """
    if isinstance(record, MessageDone):
        return _message(record)
    return _launch(record) if isinstance(record, LaunchDone) else _request(record)


def _message(done: MessageDone) -> Iterator[SpanData]:
    trace = done.trace
    assert trace is not None
    accepted_s = done.began_s - done.waited_s
    said: dict[str, Value] = {
        "rkruntime.actor": done.actor,
        "rkruntime.message": done.message,
        "rkruntime.outcome": done.outcome,
        "rkruntime.waited_s": done.waited_s,
    }
    error = "the handler raised" if done.outcome == "failed" else ""
    yield SpanData(f"message {done.message}", trace, accepted_s, done.began_s + done.ran_s, said, error)
    if done.waited_s >= LEAST_WAIT_S:
        yield SpanData("mailbox wait", trace.child(), accepted_s, done.began_s, {"rkruntime.actor": done.actor})


def _launch(done: LaunchDone) -> Iterator[SpanData]:
    trace, record = done.trace, done.record
    assert trace is not None
    said: dict[str, Value] = {
        "rkruntime.launch": done.launch,
        "rkruntime.kernel": done.kernel,
        "rkruntime.actor": done.actor,
        "rkruntime.outcome": done.outcome,
    }
    if record is not None:
        said |= {
            "rkruntime.device": record.device,
            "rkruntime.lowering": record.lowering,
            "rkruntime.grid": "x".join(map(str, record.grid)),
            "rkruntime.block": "x".join(map(str, record.block)),
        }
    yield SpanData(f"launch {done.kernel}", trace, done.began_s, done.began_s + done.took_s, said, done.error)
    for stage in stages_of(done):
        yield SpanData(stage.name, trace.child(), stage.began_s, stage.ended_s, {"rkruntime.kernel": done.kernel})


def _request(done: RequestDone) -> Iterator[SpanData]:
    assert done.trace is not None
    said: dict[str, Value] = {
        "http.request.method": done.method,
        "http.route": done.route,
        "http.response.status_code": done.status,
        "rkruntime.request_id": done.request_id,
    }
    ended_s = done.ended_s
    error = f"answered with {done.status}" if done.status >= 500 else ""
    name = f"{done.method} {done.route}".rstrip()
    yield SpanData(name, done.trace, ended_s - done.took_s, ended_s, said, error, serves=True)
