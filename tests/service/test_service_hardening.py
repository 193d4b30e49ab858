"""What no honest client sends: each is answered with a 4xx, and the service goes on."""

import contextlib
import json
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_process import LIMIT_S, ServiceProcess, serving

from rkruntime.security import SECURITY_HEADERS
from rkruntime.service._events import MOST_STREAMS

SMALL = """
[service]
header_timeout = "300ms"
request_timeout = "1s"
max_request_size = "64KiB"
max_connections = 50
rate_limit = 1000000
rate_burst = 1000000
"""
LAUNCH = "POST /v1/kernels/double/launch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with serving(tmp_path_factory.mktemp("small"), config=SMALL) as running:
        yield running


def status_of(service: ServiceProcess, *parts: bytes, half_close: bool = False) -> int:
    """Send, perhaps end sending, and return the status of the answer; 0 where there is none."""
    with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while b"\r\n" not in answer and (more := connection.recv(65536)):
                answer += more
        except ConnectionError:
            pass
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


RAW = {
    "both lengths": (LAUNCH + "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (LAUNCH + "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    "length with a sign": (LAUNCH + "content-length: +3\r\n\r\nabc", 400),
    "length beyond all": (LAUNCH + "content-length: 99999999999999999999999\r\n\r\n", 400),
    "unknown coding": (LAUNCH + "transfer-encoding: gzip\r\n\r\n", 400),
    "bare LF": (LAUNCH.replace("\r\n", "\n") + "content-length: 0\n\n", 400),
    "bare LF in a header": (LAUNCH + "x: a\n b\r\n\r\n", 400),
    "space before colon": (LAUNCH + "x : a\r\n\r\n", 400),
    "no colon": (LAUNCH + "nothing\r\n\r\n", 400),
    "zero in a header": (LAUNCH + "x: a\0b\r\n\r\n", 400),
    "huge header": (LAUNCH + "x: " + "a" * 100_000 + "\r\n\r\n", 431),
    "huge path": ("GET /" + "a" * 100_000 + " HTTP/1.1\r\nhost: localhost\r\n\r\n", 431),
    "many headers": (LAUNCH + "x: a\r\n" * 200 + "\r\n", 431),
    "bad chunk": (LAUNCH + "transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    "no method": (" / HTTP/1.1\r\n\r\n", 400),
    "other protocol": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "other version": ("GET /healthz HTTP/9.9\r\nhost: localhost\r\n\r\n", 400),
    "large body": (LAUNCH + "content-length: 70000\r\n\r\n" + "a" * 70_000, 413),
    "large chunks": (
        LAUNCH + "transfer-encoding: chunked\r\n\r\n" + ("4000\r\n" + "a" * 0x4000 + "\r\n") * 5 + "0\r\n\r\n",
        413,
    ),
    "absolute": (LAUNCH.replace("/v1", "http://other/v1") + "content-length: 2\r\n\r\n{}", 422),
    "climbing path": ("GET /dashboard/..%2f..%2fpyproject.toml HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
    "websocket": ("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 200),
    "no host": ("GET /v1/kernels HTTP/1.1\r\n\r\n", 400),
    "two hosts": ("GET /v1/kernels HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", 400),
    "upgrade with a body": (LAUNCH + "connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\n{}", 400),
    "bad deadline": (LAUNCH + "request-timeout: soon\r\ncontent-length: 2\r\n\r\n{}", 400),
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_malformed_is_refused(small: ServiceProcess, name: str) -> None:
    text, status = RAW[name]
    assert status_of(small, text.encode("latin-1")) == status
    assert small.client.get("/healthz").status_code == 200


def exchanged(service: ServiceProcess, *parts: bytes) -> bytes:
    """Send, and return all that is answered until the connection is closed."""
    with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_is_no_request_whatever_it_is_to_be_upgraded_to(small: ServiceProcess) -> None:
    inner = b"GET /v1/memory HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    head = LAUNCH + f"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: {len(inner)}\r\n\r\n"
    with socket.create_connection(small.address, timeout=LIMIT_S) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)  # so that the body comes apart from the header
        with contextlib.suppress(ConnectionError):
            connection.sendall(inner)
            answer += b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"allocated_bytes" not in answer


@pytest.mark.parametrize(
    ("request_", "given"),
    [("junk\r\n\r\n", None), (LAUNCH + "host: other\r\nx-request-id: r-1\r\n\r\n", "r-1")],
    ids=["no request", "a request with an id"],
)
def test_what_is_refused_before_it_is_read_has_the_headers_and_an_id(
    small: ServiceProcess, request_: str, given: str | None
) -> None:
    head, _, body = exchanged(small, request_.encode()).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    assert SECURITY_HEADERS.items() <= headers.items()
    assert json.loads(body)["request_id"] == headers["x-request-id"] != ""
    assert given in (None, headers["x-request-id"])


def test_the_head_of_what_never_ends_ends(small: ServiceProcess) -> None:
    asked = b"HEAD /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n"
    asked += b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    first, second = exchanged(small, asked).split(b"HTTP/1.1 200 OK")[1:]
    assert b"text/event-stream" in first
    assert b'"live":true' in second


def test_a_slow_header_is_refused(small: ServiceProcess) -> None:
    assert status_of(small, b"GET /healthz HTTP/1.1\r\nhost: loc") == 408


def test_a_slow_body_is_refused(small: ServiceProcess) -> None:
    assert status_of(small, LAUNCH.encode() + b"content-length: 100\r\n\r\n{") == 408


def test_a_body_slower_than_the_request_s_own_deadline_is_refused(small: ServiceProcess) -> None:
    text = LAUNCH + "request-timeout: 50ms\r\ncontent-length: 100\r\n\r\n{"
    assert status_of(small, text.encode()) == 408


@pytest.mark.parametrize("text", ["GET /healthz HTTP/1.1\r\nhost", LAUNCH + "content-length: 100\r\n\r\n{"])
def test_a_half_closed_connection_is_answered(small: ServiceProcess, text: str) -> None:
    assert status_of(small, text.encode(), half_close=True) == 400


def test_a_client_that_waits_to_be_invited_is_refused_without_being_so(small: ServiceProcess) -> None:
    text = LAUNCH + "content-length: 70000\r\nexpect: 100-continue\r\n\r\n"
    assert status_of(small, text.encode()) == 413


def test_who_leaves_before_pages_are_sent_is_no_error_of_the_service_s(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        for _ in range(40):
            with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(20 * b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
                connection.recv(100)  # it answers the first, and has the others before it
        assert status_of(service, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n") == 200
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
        service.reader.join(LIMIT_S)
        assert "Exception" not in service.told()


def test_no_more_connections_than_are_allowed(small: ServiceProcess) -> None:
    held = [socket.create_connection(small.address, timeout=LIMIT_S) for _ in range(50)]
    try:
        answer = exchanged(small, b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in answer
    finally:
        for connection in held:
            connection.close()
    while (status := status_of(small, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")) == 503:
        pass  # until it has noticed that they are closed
    assert status == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(["POST /v1/kernels/double/launch HTTP/1.1\r\n", "GET / HTTP/1.1\r\n", ""]),
    junk=st.binary(max_size=300),
)
def test_no_bytes_end_the_service(small: ServiceProcess, start: str, junk: bytes) -> None:
    assert status_of(small, start.encode(), junk, half_close=True) < 500


def test_a_caller_that_asks_too_often_is_told_when_to_ask_again(tmp_path: Path) -> None:
    config = "[service]\nrate_limit = 1\nrate_burst = 3\n"
    with serving(tmp_path, config=config) as service:
        answers = [service.client.get("/v1/kernels") for _ in range(6)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(int(answer.headers["retry-after"]) == 1 for answer in refused)
        assert answers[0].status_code == 200
        assert service.client.get("/healthz").status_code == 200, "probes are not limited"


def test_what_does_not_fit_waits_or_is_refused(tmp_path: Path) -> None:
    config = "[service]\nmax_requests = 1\nmax_waiting_requests = 1\n"
    body = b'{"args": {"x": {"shape": [1], "dtype": "float64"}, "turns": 1000000000000}, "grid": 1, "block": 1}'
    text = "POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    text += f"request-timeout: 20s\r\ncontent-length: {len(body)}\r\n\r\n"
    with serving(tmp_path, config=config) as service:
        first = socket.create_connection(service.address, timeout=LIMIT_S)
        first.sendall(text.encode() + body)
        refused = 0
        with first, socket.create_connection(service.address, timeout=LIMIT_S) as second:
            second.sendall(b"GET /v1/kernels HTTP/1.1\r\nhost: localhost\r\n\r\n")
            while not refused:  # once the first is in progress and the second waits
                answer = service.client.get("/v1/kernels", headers={"request-timeout": "10ms"})
                refused = answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            first.close()
            assert second.recv(100).startswith(b"HTTP/1.1 200")


def test_what_all_requests_hold_together_is_bounded(tmp_path: Path) -> None:
    output = {"args": {"x": {"shape": [200_000], "dtype": "float64"}}, "over": 1}
    small = {"args": {"x": {"shape": [50_000], "dtype": "float64"}}, "over": 1}
    with serving(tmp_path, config='[service]\nmax_request_memory = "1MiB"\n') as service:
        for _ in range(5):  # what was refused is held no more, nor what was answered
            body = exchanged(service, (LAUNCH + "content-length: 2000000\r\nexpect: 100-continue\r\n\r\n").encode())
            assert body.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in body
            large = service.client.post("/v1/kernels/bump/launch", json=output)
            assert (large.status_code, large.headers["retry-after"]) == (503, "1")
            answer = service.client.post("/v1/kernels/bump/launch", json=small)
            assert answer.json()["results"]["x"][0] == 1


def test_no_more_event_streams_than_there_may_be(tmp_path: Path) -> None:
    asked = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with serving(tmp_path) as service, contextlib.ExitStack() as held:
        for _ in range(MOST_STREAMS):
            stream = held.enter_context(socket.create_connection(service.address, timeout=LIMIT_S))
            stream.sendall(asked)
            assert stream.recv(65536).startswith(b"HTTP/1.1 200 ")
        refused = service.client.get("/v1/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        stream.close()
        while status_of(service, asked) == 503:
            pass  # until it has noticed


def test_a_connection_that_rests_too_long_is_closed_and_one_that_asks_is_not(tmp_path: Path) -> None:
    with (
        serving(tmp_path, config='[service]\nidle_timeout = "1s"\n') as service,
        socket.create_connection(service.address, timeout=LIMIT_S) as silent,
        socket.create_connection(service.address, timeout=LIMIT_S) as asking,
    ):
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            asking.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert asking.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(0.1)
        assert [asking.recv(1), silent.recv(1)] == [b"", b""], "closed once they rest"
