"""Logs of what happens at work: a hook over the same records as metrics and traces, with the same ids."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rkruntime.actors import ActorEvent
from rkruntime.context import Trace
from rkruntime.kernels import LaunchDone
from rkruntime.log import get_logger
from rkruntime.observability._requests import RequestDone

__all__ = ("LogRecords",)


class LogRecords:
    """A hook that logs actors' lives and failed launches at `info`, other launches and requests at `debug`.

    A launch that failed is no warning here: its error goes to whoever asked for it. Transitions, crashes, pressure and
    drains are logged by the runtime itself. Every line carries the ids of `rkruntime.context` that hold where it is
    written.
    """

    def __init__(self) -> None:
        self._launches = get_logger("rkruntime.launches")
        self._actors = get_logger("rkruntime.actors")
        self._requests = get_logger("rkruntime.requests")
        self.takes: dict[type, Callable[[Any], None]] = {LaunchDone: self._launch, ActorEvent: self._live}
        self._launches_told = logging.getLogger("rkruntime.launches")
        self._requests_told = logging.getLogger("rkruntime.requests")

    @property
    def tells_requests(self) -> bool:
        """Whether requests are logged."""
        return self._requests_told.isEnabledFor(logging.DEBUG)

    def end_request(self, done: RequestDone) -> None:
        """Log a request, at `debug`."""
        if self.tells_requests:
            said = {"route": done.route, "method": done.method, "status": done.status, "took_s": done.took_s}
            self._requests.debug("request", **said, request_id=done.request_id, **_ids(done.trace))

    def __call__(self, record: object) -> None:
        """Log a record."""
        log = self.takes.get(type(record))
        if log is not None:
            log(record)

    def _live(self, event: ActorEvent) -> None:
        if event.what not in ("crashed", "escalated"):
            self._actors.info(f"actor {event.what}", actor=event.actor)

    def _launch(self, done: LaunchDone) -> None:
        level = logging.INFO if done.outcome == "failed" else logging.DEBUG
        if not self._launches_told.isEnabledFor(level):
            return
        said = {"kernel": done.kernel, "actor": done.actor, "launch": done.launch, "took_s": done.took_s}
        if done.error:
            said["error"] = done.error
        self._launches.log(level, f"launch {done.outcome}", **said, **_ids(done.trace))


def _ids(trace: Trace | None) -> dict[str, str]:
    if trace is None or not trace.trace_id:
        return {}
    return {"trace_id": trace.trace_hex, "span_id": trace.span_hex}
