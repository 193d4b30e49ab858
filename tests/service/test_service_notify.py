"""What systemd is told, at a real socket of ours."""

import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_process import LIMIT_S, serving

from rkruntime.service._notify import Notifier


class Listening:
    """Takes what comes at once, as systemd does: the system holds ten messages and no more."""

    def __init__(self, bound: socket.socket) -> None:
        self.told: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._take, args=(bound,), daemon=True)
        self.thread.start()

    def _take(self, bound: socket.socket) -> None:
        while (message := bound.recv(4096)) != b"end":
            self.told.put(dict(line.split("=", 1) for line in message.decode().splitlines()))

    def read(self) -> dict[str, str]:
        return self.told.get(timeout=LIMIT_S)


@contextmanager
def listening_at(address: str) -> Iterator[Listening]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(address)
        listening = Listening(bound)
        yield listening
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"end", address)
        listening.thread.join(LIMIT_S)  # before its socket is closed under it


def test_a_service_tells_that_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000"}
    with listening_at(address) as systemd, serving(tmp_path, **environment) as service:
        while "READY" not in (told := systemd.read()):
            assert told == {"WATCHDOG": "1"}
        assert told["READY"] == "1"
        assert "serving" in told["STATUS"]
        assert systemd.read() == {"WATCHDOG": "1"}
        service.process.send_signal(signal.SIGTERM)
        while "STOPPING" not in (told := systemd.read()):
            assert told == {"WATCHDOG": "1"}
        assert told["STOPPING"] == "1"
        assert int(told["EXTEND_TIMEOUT_USEC"]) > 30e6, "at least the drain's own time"
        assert service.end() == 0


def test_an_abstract_socket_is_reached_too() -> None:
    with listening_at(f"\0rk-notify-{os.getpid()}") as systemd:
        Notifier({"NOTIFY_SOCKET": f"@rk-notify-{os.getpid()}"}).ready("here")
        assert systemd.read() == {"READY": "1", "STATUS": "here"}


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_whom_it_names(environ: dict[str, str], watchdog_s: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/nowhere", **environ}).watchdog_s == watchdog_s


def test_without_systemd_nothing_is_told_and_a_socket_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Notifier({}).ready("here")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("here")
