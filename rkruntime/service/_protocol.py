"""One connection: uvicorn's, with bounds on what a client may send, and for how long it may take.

uvicorn bounds neither the size of a header nor the time that it takes, and leaves a connection whose client does not
read its answer open for good. Each bound here is answered with a problem, where an answer can still be read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache, partial
from typing import Any, ClassVar
from urllib.parse import unquote

import attrs
import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from rkruntime.config import ServiceConfig
from rkruntime.errors import RequestRefused
from rkruntime.service._answers import as_json
from rkruntime.service._certified import CertifiedProtocol
from rkruntime.service._cycle import Cycle
from rkruntime.service._incoming import id_of
from rkruntime.service._problems import PROBLEM_JSON, problem_of
from rkruntime.service._running import Run
from rkruntime.service._sending import Headers, lines_of

__all__ = ("GuardedProtocol", "guarded")

MOST_HEADER_BYTES = 32 * 1024
MOST_HEADERS = 100
INVALID = "Invalid HTTP request received."
MOST_URLS = 256
"""Of which it is remembered what they are made of."""
SHORT_URL_BYTES = 256


def guarded(config: ServiceConfig, headers: Headers) -> type[asyncio.Protocol]:
    """Return the protocol with the bounds of a configuration, and the headers that its refusals have."""
    return type("Protocol", (GuardedProtocol,), {"bounds": config, "header_lines": lines_of(headers)})


class GuardedProtocol(CertifiedProtocol):
    """uvicorn's protocol, within bounds; `bounds` and `header_lines` are set by `guarded`."""

    bounds: ClassVar[ServiceConfig]
    header_lines: ClassVar[bytes]
    cycle: Cycle
    pipeline: deque[tuple[Cycle, Any]]  # type: ignore[assignment]  # uvicorn's has accounts of its own kind

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_header = True
        self._header_bytes = 0
        self._came_bytes = 0
        self._idle_since_s: float | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._refusal: RequestRefused | None = None
        self._next: Run | None = None
        self._begun: Cycle | None = None

    # asyncio's interface

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.bounds.max_connections:
            self._refuse(
                503, f"{self.bounds.max_connections} connections are open", "close one that is not needed", 1.0
            )
            return
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._stop_timer()
        if self._idle is not None:
            self._idle.cancel()
        self.resume_writing()
        super().connection_lost(exc)
        self._leave(self._begun)  # who sends several requests at once leaves them all; uvicorn tells the last one alone

    def data_received(self, data: bytes) -> None:
        """Parse what came, and begin to answer a request whose header is whole: most have come as a whole by then."""
        if self.transport.is_closing():
            return
        self._came_bytes = len(data)
        self._idle_since_s = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.logger.warning(INVALID)
            self.send_400_response(INVALID)
        except httptools.HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        if self._in_header or self.cycle.more_body:
            self._bound(data)
        begun, self._next = self._next, None
        if begun is not None:
            begun.begin()

    def _bound(self, data: bytes) -> None:
        """Give what has not come as a whole yet only so much room and time."""
        if self.transport.is_closing():
            return
        if not self._in_header:
            if self._timer is None and self.cycle.more_body:
                self._timer = self.loop.call_later(self.bounds.request_timeout, self._body_is_late)
            return
        self._header_bytes += len(data)
        if self._header_bytes > MOST_HEADER_BYTES:
            self._refuse_header()
        elif self._header_bytes == len(data):
            self._stop_timer()
            self._timer = self.loop.call_later(self.bounds.header_timeout, self._header_is_late)

    def eof_received(self) -> None:
        """Take the client's end of sending for its leaving: what it asked is cancelled, and told so if it still reads.

        A client that has left and one that only sends no more look the same; launches are not to run for nobody.
        """
        cycle = self._answering
        asked = cycle is not None and not cycle.response_complete
        if cycle is not None and asked and cycle.response_started:
            return
        if asked or (self._in_header and self._header_bytes):
            self._refuse(400, "the connection's sending side was closed before the answer", "keep it open until then")
            self._leave(cycle)

    def pause_writing(self) -> None:
        """Give a client that does not read its answer only so much time."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(self.bounds.request_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    # The parser's interface

    def on_message_begin(self) -> None:
        """Begin a request; what it is follows, and is put together in `on_headers_complete`."""
        self._in_header = True
        self._header_bytes = 0
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the header is too large."""
        large = self._header_bytes + self._came_bytes > MOST_HEADER_BYTES and self._size() > MOST_HEADER_BYTES
        self._in_header = False
        self._header_bytes = 0
        if self._timer is not None:
            self._stop_timer()
        headers, parser = self.headers, self.parser
        if large or len(headers) > MOST_HEADERS:
            self._refuse_header()
            raise httptools.HttpParserError("the header is too large")
        version = parser.get_http_version()
        told = dict(headers)
        if len(told) != len(headers) or b"host" not in told or parser.should_upgrade():
            self._refuse_ambiguous(version)
        url = self.url
        split = _split if len(url) <= SHORT_URL_BYTES else _split.__wrapped__
        path, raw_path, query = split(url)
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": headers,
            "state": {},
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
        }
        if self.names:
            self.certify(scope)
        self.scope = scope
        before: Cycle | None = self.cycle
        cycle = self.cycle = Cycle(self, scope, told, keep_alive=version != "1.0" and parser.should_keep_alive())
        if before is None or before.response_complete:
            self._next = self._run(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Have more of a body."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if cycle.event is not None:
            cycle.event.set()

    def on_message_complete(self) -> None:
        """Have a request as a whole."""
        if self._timer is not None:
            self._stop_timer()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            if cycle.event is not None:
                cycle.event.set()

    def on_response_complete(self) -> None:
        """Begin the next request, where one waits, or rest; uvicorn's own starts and stops a timer for each answer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self.loop.call_soon(self._run(*self.pipeline.pop()).begin)
        elif self._idle is None:
            self._rest()
        else:
            self._idle_since_s = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, unless it has been refused already."""
        if self._refusal is None:
            mend = "send HTTP/1.1 as RFC 9112 has it: lines end in CR LF, and a body has one length"
            self._refuse(400, f"the request cannot be read: {msg}", mend)

    @property
    def _answering(self) -> Cycle | None:
        """The request that is being answered, else the last that came; None before the first."""
        begun = self._begun
        return self.cycle if begun is None or begun.response_complete else begun

    def _leave(self, cycle: Cycle | None) -> None:
        """Tell what answers a request that nobody waits for it any more."""
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _run(self, cycle: Cycle, app: Any) -> Run:
        """Return what answers a request once it is begun; uvicorn counts it among its tasks until its end."""

        def end(run: Run, error: BaseException | None) -> None:
            tasks.discard(run)
            if error is not None or not (cycle.response_complete or cycle.disconnected):
                # uvicorn logs what was done wrong, and answers in the application's place.
                wrong = self.loop.create_task(cycle.run_asgi(partial(_as_it_ended, error)))
                tasks.add(wrong)
                wrong.add_done_callback(tasks.discard)
            else:
                cycle.on_response = _nothing

        self._begun = cycle
        tasks: set[Any] = self.tasks
        run = Run(self.loop, app(cycle.scope, cycle.receive, cycle.send), end)
        tasks.add(run)
        return run

    def _rest(self) -> None:
        self._idle_since_s = self.loop.time()
        self._idle = self.loop.call_later(self.bounds.idle_timeout, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        """Close a connection that has rested for too long; one timer goes on over many answers."""
        self._idle = None
        if self._idle_since_s is None:
            return  # it rests again after its answer
        left_s = self._idle_since_s + self.bounds.idle_timeout - self.loop.time()
        if left_s > 0:
            self._idle = self.loop.call_later(left_s, self._look_whether_idle)
        else:
            self.timeout_keep_alive_handler()

    def _refuse_ambiguous(self, version: str) -> None:
        """Refuse what others on the way may read as another request than the parser does."""
        names = [name for name, _ in self.headers]
        if names.count(b"host") != 1 and (b"host" in names or version == "1.1"):
            self._refuse(400, "the request has not one header Host", "send one (RFC 9112, section 3.2)")
            raise httptools.HttpParserError("not one Host")
        if self.parser.should_upgrade() and (b"content-length" in names or b"transfer-encoding" in names):
            # The parser takes what follows for the other protocol, or for the next request, and never for a body.
            self._refuse(400, "a request with a body asks to upgrade", "send it without the header Upgrade")
            raise httptools.HttpParserError("an upgrade with a body")

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_header(self) -> None:
        told = f"{MOST_HEADER_BYTES:,} bytes and {MOST_HEADERS} fields"
        self._refuse(431, f"the header is larger than {told}", "send less of it")

    def _header_is_late(self) -> None:
        self._refuse(408, f"the header did not come within {self.bounds.header_timeout}", "send it at once")

    def _body_is_late(self) -> None:
        if not self.cycle.response_started:
            self._refuse(408, f"the body did not come within {self.bounds.request_timeout}", "send it faster")
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.transport.close()

    def _refuse(self, status: int, what: str, mend: str, retry_after_s: float | None = None) -> None:
        """Answer with a problem, and close."""
        if self.transport.is_closing():
            return
        self._refusal = RequestRefused(status, what, mend, retry_after_s)
        request_id = id_of(dict(self.headers or ()))
        body = as_json(attrs.evolve(problem_of(self._refusal), request_id=request_id.decode()))
        cycle = self._answering
        if cycle is None or cycle.response_complete or not cycle.response_started:
            head = [
                STATUS_LINE[status],
                b"content-type: " + PROBLEM_JSON.encode() + b"\r\n",
                b"content-length: %d\r\n" % len(body),
                b"x-request-id: " + request_id + b"\r\n",
                self.header_lines,
                b"cache-control: no-store\r\nconnection: close\r\n",
                b"" if retry_after_s is None else b"retry-after: %d\r\n" % retry_after_s,
                b"\r\n",
            ]
            self.transport.write(b"".join(head) + body)
        self._stop_timer()
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@lru_cache(maxsize=MOST_URLS)
def _split(url: bytes) -> tuple[str, bytes, bytes]:
    """Return a request's path, the same as it was sent, and its query, as uvicorn has them."""
    parsed = httptools.parse_url(url)
    path: str = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


async def _as_it_ended(error: BaseException | None, *_: object) -> None:
    """Stand in for an application that has ended."""
    if error is not None:
        raise error


def _nothing() -> None:
    """Take the place of a callback, and so end a cycle of references."""
