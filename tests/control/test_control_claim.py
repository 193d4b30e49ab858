"""Names and sockets, without a runtime: taken once, swept when stale, never outside a folder of one's own."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rkruntime.control import claim, converse, encode, running_instances
from rkruntime.control._claim import LOCK
from rkruntime.errors import ControlUnavailable, InstanceNotRunning, InstanceTaken

LIMIT_S = 60
STARTERS = 6

CLAIM = """\
import sys
from rkruntime.control import claim
from rkruntime.errors import InstanceTaken
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        taken = claim("here")
    except BlockingIOError:
        continue
    except InstanceTaken:
        print("taken", flush=True)
    else:
        print("mine", flush=True)
    break
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "rkruntime"


@contextmanager
def starters(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that claim one name when they are told to, and hold it until they are told again."""
    command = [sys.executable, "-c", CLAIM]
    started = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(count)]
    try:
        for each in started:
            assert said(each) == "ready"
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate(timeout=LIMIT_S)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_of_starters_that_race_for_a_stale_socket_one_gets_it(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "here.sock"))
    with starters(STARTERS) as racing:
        for each in racing:
            tell(each)
        assert sorted(map(said, racing)) == ["mine", *["taken"] * (STARTERS - 1)]
        assert running_instances() == ["here"]
        with pytest.raises(InstanceTaken):
            claim("here")


def test_the_name_of_a_killed_process_is_free_and_its_socket_is_swept(folder: Path) -> None:
    with starters(1) as (one,):
        tell(one)
        assert said(one) == "mine"
        one.send_signal(signal.SIGKILL)
        one.wait(LIMIT_S)
        assert (folder / "here.sock").exists()
        assert running_instances() == []
        other = claim("other")
        assert not (folder / "here.sock").exists()
        other.release()


def test_a_stopped_process_keeps_its_name(folder: Path) -> None:
    with starters(1) as (one,):
        tell(one)
        assert said(one) == "mine"
        one.send_signal(signal.SIGSTOP)
        with pytest.raises(InstanceTaken) as raised:
            claim("here")
        assert raised.value.process == one.pid
        with pytest.raises(ControlUnavailable, match="did not answer"):
            list(converse("here", {"request": "status"}, patience_s=0.05))
        one.send_signal(signal.SIGCONT)


def test_release_deletes_once_and_never_anothers(folder: Path) -> None:
    mine = claim("here")
    mine.withdraw()
    again = claim("here")
    mine.release()
    assert (folder / "here.sock").exists()
    again.release()
    again.release()
    assert sorted(os.listdir(folder)) == [LOCK]


def test_the_lock_is_held_by_one_at_a_time(folder: Path) -> None:
    import fcntl

    claim("here").release()
    with open(folder / LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            claim("here")


@pytest.mark.parametrize("umask", [0, 0o777])
def test_modes_do_not_depend_on_the_umask(folder: Path, umask: int) -> None:
    folder.mkdir(mode=0o700)
    before = os.umask(umask)
    try:
        taken = claim("here")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "here.sock").stat().st_mode) & ~0o600 == 0
    taken.release()


def test_the_fallback_is_a_folder_of_the_users_in_the_temporary_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for unusable in ("", "relative", str(tmp_path / "gone")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        taken = claim("here")
        assert taken.path == str(tmp_path / f"rkruntime-{os.geteuid()}" / "here.sock")
        assert stat.S_IMODE(Path(taken.path).parent.stat().st_mode) == 0o700
        taken.release()


def make_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def make_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


@pytest.mark.parametrize("make", [make_link, make_open, lambda folder: folder.write_text("")])
def test_a_folder_that_may_be_anothers_is_not_used(folder: Path, make: Callable[[Path], object]) -> None:
    make(folder)
    with pytest.raises(ControlUnavailable):
        claim("here")
    with pytest.raises(ControlUnavailable):
        list(converse("here", {"request": "status"}, patience_s=1))


def test_a_runtime_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InstanceNotRunning) as raised:
        list(converse("here", {"request": "status"}, patience_s=1))
    assert raised.value.running == ()
    others = [claim("b"), claim("a")]
    with pytest.raises(InstanceNotRunning) as raised:
        list(converse("here", {"request": "status"}, patience_s=1))
    assert raised.value.running == ("a", "b")
    for each in others:
        each.release()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"hello\n", "an answer that is none"),
        (b"[1]\n", "an answer that is none"),
        (b"{}\n", "an answer that is none"),
        (encode({"kind": "refused", "error": "no", "mend": "try"}), "refused: no"),
    ],
)
def test_answers_that_are_none_are_told(answer: bytes, says: str) -> None:
    taken = claim("here")
    taken.socket.setblocking(True)

    def serve() -> None:
        connection, _ = taken.socket.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    with pytest.raises(ControlUnavailable, match=says):
        list(converse("here", {"request": "status"}, patience_s=LIMIT_S))
    server.join(LIMIT_S)
    taken.release()
