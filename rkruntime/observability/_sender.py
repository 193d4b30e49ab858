"""What sends spans to an OpenTelemetry collector: a thread, which takes them in batches, by OTLP over HTTP."""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from collections import deque
from collections.abc import Mapping

import requests

from rkruntime.log import get_logger
from rkruntime.observability._otlp import export_request, span_field
from rkruntime.observability._spans import SpanData

__all__ = ("MOST_WAITING", "SpanSender")

MOST_WAITING = 8192
"""Spans that wait to be sent at most; more are dropped, and counted."""
AT_ONCE = 512
SEND_EACH_S = 5.0
"""What waits is sent after so many seconds, or when `AT_ONCE` spans do."""
SEND_WITHIN_S = 5.0
"""What a collector gets to take a batch, tries again included; at the end, as long for all that is left."""
TRY_AGAIN_S = 1.0
"""Before the second try; twice as long before each further one."""
WORTH_ANOTHER_TRY = frozenset((408, 429, 502, 503, 504))
"""Statuses of a collector that is busy. Source: https://opentelemetry.io/docs/specs/otlp/, "Failures"."""


class SpanSender:
    """Takes spans on any thread, and sends them from its own.

    Args:
        url: Where to.
        headers: To send along.
        resource: What is said of the whole process.
        scope: The name and version of what made the spans.

    Attributes:
        dropped: Spans that never reached the collector.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], resource: Mapping[str, str], scope: tuple[str, str]
    ) -> None:
        self.dropped = 0
        self._url = url
        self._resource = resource
        self._scope = scope
        self._zips = _environ("COMPRESSION") == "gzip"
        zipped = {"content-encoding": "gzip"} if self._zips else {}
        self._session = requests.Session()
        self._session.headers.update({"content-type": "application/x-protobuf", **zipped, **headers})
        self._session.verify = _environ("CERTIFICATE") or True
        certificate, key = _environ("CLIENT_CERTIFICATE"), _environ("CLIENT_KEY")
        self._session.cert = (certificate, key) if certificate and key else certificate or None
        self._waiting: deque[tuple[SpanData, float]] = deque()
        self._counting = threading.Lock()
        self._sending = threading.Lock()
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._last_s = float("inf")
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="rkruntime-spans", daemon=True)
        self._thread.start()

    def give(self, span: SpanData, to_unix_s: float) -> None:
        """Have a span sent; on any thread.

        Args:
            span: The span.
            to_unix_s: What Unix time is ahead of the clock that the span's times are by.
        """
        waiting = self._waiting
        if len(waiting) >= MOST_WAITING or self._closing.is_set():
            self._drop(1)
            return
        waiting.append((span, to_unix_s))
        if len(waiting) >= AT_ONCE and not self._wanted.is_set():
            self._wanted.set()

    def flush(self) -> None:
        """Send what waits now; blocks until the collector has answered, or has not in time."""
        with self._sending:
            while self._waiting:
                self._send()

    def close(self) -> None:
        """Send what is left, and end the thread."""
        self._last_s = time.monotonic() + SEND_WITHIN_S
        self._closing.set()
        self._wanted.set()
        self._thread.join()
        self._session.close()

    # On the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wanted.wait(SEND_EACH_S)
            self._wanted.clear()
            self.flush()
        self.flush()

    def _send(self) -> None:
        """Send some of what waits."""
        spans = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        body = export_request(self._resource, self._scope, [span_field(*each) for each in spans])
        why = self._post(gzip.compress(body) if self._zips else body)
        if why:
            self._drop(len(spans))
            if not self._failed:  # the first time alone: a collector that is down may be so for days
                get_logger("rkruntime.observability").warning("spans are not taken", error=why, dropped=len(spans))
        self._failed = bool(why)

    def _post(self, body: bytes) -> str:
        """Hand a batch to the collector; return why it was not taken, or nothing."""
        until_s = min(time.monotonic() + SEND_WITHIN_S, self._last_s)
        again_s, why = TRY_AGAIN_S, "no time was left"
        while (left_s := until_s - time.monotonic()) > 0.0:
            try:
                answer = self._session.post(self._url, data=body, timeout=left_s, allow_redirects=False)
            except requests.RequestException as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if answer.status_code < 300:
                    return ""
                why = f"the collector answered with {answer.status_code}"
                if answer.status_code not in WORTH_ANOTHER_TRY:
                    return why
            if self._closing.wait(min(again_s * random.uniform(0.8, 1.2), left_s)):
                return why
            again_s *= 2.0
        return why

    def _drop(self, count: int) -> None:
        with self._counting:
            self.dropped += count


def _environ(what: str) -> str:
    """Return a setting of OpenTelemetry's exporters: https://opentelemetry.io/docs/specs/otel/protocol/exporter/."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{what}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{what}") or ""
