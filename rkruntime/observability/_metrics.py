"""Metrics: a hook that counts what is told, and a page made from the counts and from the runtime's own counters."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rkruntime.actors import ActorEvent, EndedMessages, MessageDone
from rkruntime.errors import NotRunning
from rkruntime.kernels import LaunchDone
from rkruntime.memory import PressureChange
from rkruntime.observability._exposition import OPENMETRICS, TEXT, Page, wants_openmetrics
from rkruntime.observability._histogram import Histogram
from rkruntime.observability._launch_counts import ENDS, LaunchCounts
from rkruntime.observability._requests import MOST_UNCOUNTED, RequestCounts, RequestDone
from rkruntime.observability._runtime_page import write_actors, write_device, write_memory
from rkruntime.runtime import DrainReport, Runtime, State, Transition

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ("Metrics",)

DRAIN_ENDS = (*ENDS, "abandoned")


class Metrics:
    """Counts for Prometheus: give it to `open_runtime(hooks=[metrics])`, then `render()` answers a scrape.

    Every metric stands in `docs/metrics.md`. Records come on the runtime's thread; `render` may be called on any, so
    that a scrape keeps neither the runtime nor its callers waiting. `REGISTRY.register(metrics)` adds them to
    an application's own prometheus-client registry.
    """

    def __init__(self) -> None:
        self.launches = LaunchCounts()
        self.requests = RequestCounts()
        self.requests_in_flight: Callable[[], int] = lambda: 0
        self.dropped: dict[str, Callable[[], int]] = {}
        self._runtime: Runtime | None = None
        self._transitions: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._messages = dict.fromkeys(ENDS, 0)
        self._waited = Histogram()
        self._ran = Histogram()
        self._queued = Histogram()
        self._drain_began_s: float | None = None
        self._report: DrainReport | None = None
        self._launched: deque[LaunchDone] = deque()
        self._counting = threading.Lock()
        self.counts_alone = True
        self.takes: dict[type, Callable[[Any], None]] = {
            LaunchDone: self._note_launch,
            ActorEvent: self._count_event,
            Transition: self._count_transition,
            PressureChange: self._count_pressure,
            DrainReport: self._keep_report,
            RequestDone: self.count_request,
        }

    def attach(self, runtime: Runtime) -> None:
        """Read this runtime's counters too."""
        self._runtime = runtime

    def __call__(self, record: object) -> None:
        """Count a record."""
        if isinstance(record, MessageDone):
            self.take_messages(EndedMessages.of(record))
        elif (count := self.takes.get(type(record))) is not None:
            count(record)

    def take_messages(self, ended: EndedMessages) -> None:
        """Count messages; on any thread."""
        with self._counting:
            outcomes, waited_s, ran_s = ended.columns("outcome", "waited_s", "ran_s")
            uncounted = len(outcomes)
            for outcome in ENDS:
                if uncounted:  # most complete, and looking for what is not there takes far longer
                    self._messages[outcome] += (count := outcomes.count(outcome))
                    uncounted -= count
            self._waited.observe_all(waited_s)
            self._ran.observe_all(ran_s)
            for done in ended.traced():
                assert done.trace is not None
                self._waited.remember(done.waited_s, done.trace)
                self._ran.remember(done.ran_s, done.trace)

    def _note_launch(self, done: LaunchDone) -> None:
        """Put a launch aside to be counted; on the runtime's thread."""
        self._launched.append(done)
        recorded = done.trace is not None and done.trace.sampled  # an exemplar tells when it was
        if recorded or len(self._launched) >= MOST_UNCOUNTED:
            self._count_launches()

    def _count_launches(self) -> None:
        """Count what was put aside; on any thread."""
        with self._counting:
            for done in [self._launched.popleft() for _ in range(len(self._launched))]:
                self.launches.count(done)
                if done.record is not None:
                    self._queued.observe(done.record.queue_s, done.trace)

    def _count_event(self, event: ActorEvent) -> None:
        self._events[event.what] += 1

    def _count_transition(self, transition: Transition) -> None:
        self._transitions[transition.after.value] += 1
        if transition.after is State.DRAINING:
            self._drain_began_s = time.monotonic()

    def _count_pressure(self, change: PressureChange) -> None:
        self._levels[str(change.after)] += 1

    def _keep_report(self, report: DrainReport) -> None:
        self._report = report

    def count_request(self, done: RequestDone) -> None:
        """Count a request, and keep its trace where it is recorded."""
        self.requests.note(done.route, done.method, done.status, done.took_s)
        if done.trace is not None and done.trace.sampled:
            self.requests.remember(done.route, done.took_s, done.trace)

    # A scrape

    def render(self, accept: str = OPENMETRICS) -> tuple[bytes, str]:
        """Answer a scrape; on any thread.

        Args:
            accept: The request's `Accept` header: OpenMetrics where it names it, else the text format 0.0.4.

        Returns:
            The page, and its content type.
        """
        pieces, kind = self.write(accept)
        return b"".join(pieces), kind

    def write(self, accept: str = OPENMETRICS, busy: Callable[[], bool] = lambda: False) -> tuple[list[bytes], str]:
        """Answer a scrape as `render` does, with a page in pieces that are not put together.

        Args:
            accept: The request's `Accept` header.
            busy: Whether there are requests that the page should not keep waiting; it stands by for some 8 ms in all.

        Returns:
            The page's pieces, and its content type.
        """
        self._count_launches()
        page = Page(wants_openmetrics(accept), busy)
        runtime = self._runtime
        if runtime is not None:
            runtime.hand_over_messages()
            write_device(page, runtime)
        page.family("rkruntime_transitions", _by_one(self._transitions))
        self._write_drain(page)
        if runtime is not None:
            write_actors(page, runtime.each_count())
        page.family("rkruntime_actor_events", _by_one(self._events))
        page.family("rkruntime_messages", _by_one(self._messages))
        page.histograms("rkruntime_message_wait_seconds", [((), self._waited)])
        page.histograms("rkruntime_message_run_seconds", [((), self._ran)])
        self.launches.write(page)
        page.histograms("rkruntime_launch_queue_seconds", [((), self._queued)])
        if runtime is not None:
            with suppress(NotRunning):  # it has not begun, or has ended, and its memory with it
                write_memory(page, runtime.memory)
        page.family("rkruntime_memory_pressure_changes", _by_one(self._levels))
        self._write_requests(page)
        page.family("rkruntime_dropped", [((what,), count()) for what, count in tuple(self.dropped.items())])
        return page.end(), OPENMETRICS if page.openmetrics else TEXT

    def collect(self) -> Iterable[Metric]:
        """Yield the same as prometheus-client's metric families, for an application's own registry."""
        from prometheus_client.openmetrics import parser

        yield from parser.text_string_to_metric_families(self.render()[0].decode())  # type: ignore[no-untyped-call]

    def _write_drain(self, page: Page) -> None:
        report = self._report
        lasted_s = 0.0
        if report is not None:
            lasted_s = report.duration_s
        elif self._drain_began_s is not None:
            lasted_s = time.monotonic() - self._drain_began_s
        page.family("rkruntime_drain_seconds", [((), lasted_s)])
        ended = [] if report is None else [((outcome,), getattr(report, outcome)) for outcome in DRAIN_ENDS]
        page.family("rkruntime_drain_messages", ended)

    def _write_requests(self, page: Page) -> None:
        page.family("rkruntime_http_requests", self.requests.by_answer())
        page.histograms("rkruntime_http_request_seconds", self.requests.took())
        page.family("rkruntime_http_requests_in_flight", [((), self.requests_in_flight())])


def _by_one(counts: dict[str, int]) -> list[tuple[tuple[str], int]]:
    return [((label,), count) for label, count in tuple(counts.items())]
