"""The drain over HTTP: real processes, real signals, real load."""

import json
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from service_process import LIMIT_S, ServiceProcess, serving

LAUNCH = {"args": {"x": [1.0, 2.0], "out": {"shape": [2], "dtype": "float64"}}, "over": 2}
CLIENTS = 8
LATE = 16


class Client(threading.Thread):
    """Asks again and again, on a connection that it keeps as long as the service does, until `last` has ended."""

    def __init__(self, service: ServiceProcess, last: threading.Thread) -> None:
        super().__init__(daemon=True)
        self.last = last
        body = json.dumps(LAUNCH).encode()
        head = f"POST /v1/kernels/double/launch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.address = service.address
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        while self.last.is_alive():
            with socket.create_connection(self.address, timeout=LIMIT_S) as link, link.makefile("rb") as answers:
                self.ask_on(link, answers)

    def ask_on(self, connection: socket.socket, answers: Any) -> None:
        """Ask until the connection is to be closed."""
        while self.last.is_alive():
            try:
                connection.sendall(self.request)
                told = read_answer(answers)
            except ConnectionError:
                told = None
            if told is None:
                self.wrong.append("no answer")
                return
            status, headers, body = told
            self.statuses[status] += 1
            if status == 200 and json.loads(body)["results"] != {"out": [2.0, 4.0]}:
                self.wrong.append(body.decode())
            if status == 503 and not (headers.get("retry-after") and headers.get("connection") == "close"):
                self.wrong.append(str(headers))
            if headers.get("connection") == "close":
                return


def read_answer(answers: Any) -> tuple[int, dict[str, str], bytes] | None:
    line = answers.readline()
    if not line:
        return None
    headers = {}
    while (header := answers.readline().strip()) != b"":
        name, _, value = header.decode().partition(": ")
        headers[name] = value
    return int(line.split()[1]), headers, answers.read(int(headers["content-length"]))


def started(target: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def spin(service: ServiceProcess, turns: int, answers: list[Any]) -> None:
    args = {"x": {"shape": [1], "dtype": "float64"}, "turns": turns}
    asked = {"args": args, "grid": 1, "block": 1}
    answers.append(service.client.post("/v1/kernels/spin/launch", json=asked))


def wait_until_in_flight(service: ServiceProcess, count: int = 1) -> None:
    while service.client.get("/v1/runtime").json()["in_flight"] < count:
        pass


def test_every_request_of_a_load_is_answered_through_a_drain(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        spin(service, 10, [])
        service.client.post("/v1/kernels/double/launch", json=LAUNCH)
        long: list[Any] = []
        last = started(spin, service, 300_000_000, long)
        wait_until_in_flight(service)
        clients = [Client(service, last) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while min(client.statuses[200] for client in clients) < 5:
            pass
        service.process.send_signal(signal.SIGTERM)
        for thread in (*clients, last):
            thread.join(LIMIT_S)
        assert service.end() == 0
    statuses = sum((client.statuses for client in clients), Counter())
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert set(statuses) == {200, 503}
    assert long[0].status_code == 200, "what was in flight was answered"


class Late(Client):
    """Asks on until nobody listens any more, on a connection of its own each time."""

    def run(self) -> None:
        while True:
            try:
                with socket.create_connection(self.address, timeout=LIMIT_S) as link, link.makefile("rb") as answers:
                    link.sendall(self.request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
                    told = read_answer(answers)
            except ConnectionRefusedError:
                return
            except ConnectionError as error:
                self.wrong.append(repr(error))
                continue
            if told is None:
                self.wrong.append("closed without an answer")
            else:
                self.statuses[told[0]] += 1


def test_who_asks_to_the_very_end_is_answered_or_finds_nobody(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.client.post("/v1/kernels/double/launch", json=LAUNCH)
        clients = [Late(service, threading.current_thread()) for _ in range(LATE)]
        for client in clients:
            client.start()
        while min(client.statuses[200] for client in clients) < 5:
            pass
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
        for client in clients:
            client.join(LIMIT_S)
    assert [client.wrong for client in clients] == [[]] * LATE
    assert set(sum((client.statuses for client in clients), Counter())) == {200, 503}


def test_probes_follow_the_drain_and_what_is_new_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        long: list[Any] = []
        thread = started(spin, service, 400_000_000, long)
        wait_until_in_flight(service)
        service.client.post("/v1/runtime/drain")
        while service.client.get("/readyz").status_code == 200:
            pass
        live, ready = service.client.get("/healthz"), service.client.get("/readyz")
        assert (live.status_code, ready.status_code) == (200, 503)
        assert ready.json()["state"] == "draining"
        assert ready.headers["connection"] == "close"
        refused = service.client.post("/v1/kernels/double/launch", json=LAUNCH)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:rkruntime:error:Draining"
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        thread.join(LIMIT_S)
        assert long[0].status_code == 200
        assert service.end() == 0


def test_with_a_grace_new_launches_are_served_while_readiness_is_false(tmp_path: Path) -> None:
    with serving(tmp_path, config='[runtime]\ndrain_grace = "2s"\n') as service:
        service.client.post("/v1/kernels/double/launch", json=LAUNCH)
        service.process.send_signal(signal.SIGTERM)
        while service.client.get("/readyz").status_code == 200:
            pass
        served = service.client.post("/v1/kernels/double/launch", json=LAUNCH)
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert service.end() == 0


@pytest.mark.parametrize("how", ["deadline", "second signal"])
def test_what_is_cancelled_is_answered_with_the_reason(tmp_path: Path, how: str) -> None:
    timeout = "300ms" if how == "deadline" else "60s"
    with serving(tmp_path, config=f'[runtime]\nshutdown_timeout = "{timeout}"\n') as service:
        long: list[Any] = []
        thread = started(spin, service, 10**12, long)
        wait_until_in_flight(service)
        service.process.send_signal(signal.SIGTERM)
        if how == "second signal":
            while service.client.get("/readyz").status_code == 200:
                pass
            service.process.send_signal(signal.SIGTERM)
        thread.join(LIMIT_S)
        assert service.end() == 6
    assert long[0].status_code == 503
    assert long[0].json()["type"] == "urn:rkruntime:error:MessageCancelled"
    assert "deadline" in long[0].json()["detail"]


def test_event_streams_are_ended(tmp_path: Path) -> None:
    with serving(tmp_path) as service, service.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        service.process.send_signal(signal.SIGTERM)
        for _ in lines:
            pass
        assert service.end() == 0


def test_a_client_that_leaves_and_a_deadline_that_comes_cancel_the_launch(service: ServiceProcess) -> None:
    args = {"x": {"shape": [1], "dtype": "float64"}, "turns": 10**12}
    body = json.dumps({"args": args, "grid": 1, "block": 1}).encode()
    head = f"POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
        connection.sendall(head.encode() + body)
        wait_until_in_flight(service)
    while service.client.get("/v1/runtime").json()["in_flight"]:
        pass
    headers = {"request-timeout": "200ms", "content-type": "application/json"}
    late = service.client.post("/v1/kernels/spin/launch", content=body, headers=headers)
    assert late.status_code == 504
    while service.client.get("/v1/runtime").json()["in_flight"]:
        pass


def test_a_client_that_leaves_several_requests_cancels_the_launch_among_them(service: ServiceProcess) -> None:
    args = {"x": {"shape": [1], "dtype": "float64"}, "turns": 10**15}
    body = json.dumps({"args": args, "grid": 1, "block": 1}).encode()
    head = f"POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
        connection.sendall(head.encode() + body + b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        wait_until_in_flight(service)
    while service.client.get("/v1/runtime").json()["in_flight"]:
        pass
