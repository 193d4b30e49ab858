"""The audit log on real files: torn ends, rotation, several processes, a full disk, kill -9."""

import hashlib
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import attrs
import pytest
from audit_files import chain, events, records, written

from rkruntime.config import SecurityConfig
from rkruntime.errors import AuditUnavailable, UnreadableInput
from rkruntime.security import AuditLog, verify_audit

LIMIT_S = 60  # against hanging; nothing is measured


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def all_files(path: Path) -> list[Path]:
    return [file for file in path.parent.glob(f"{path.name}*") if ".torn-" not in file.name]


def test_records_are_chained_through_closing_and_opening(path: Path) -> None:
    written(path, "a", "b")
    log = written(path, "c", fsync="always")
    assert events(path) == ["log.opened", "a", "b", "log.opened", "c"]
    assert verify_audit([path]).head == log.head
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(AuditUnavailable):
        log.write("late")
    log.close()


def test_a_record_says_when_and_what_and_no_secret(path: Path) -> None:
    with AuditLog(path, now=lambda: 1777885953.25) as log:
        log.write("decision", who={"name": "ann", "password": "hunter2"}, path="/v1", status=200, odd=Path("x"))
    told = records(path)[1]
    assert told["at"] == "2026-05-04T09:12:33.250000Z"
    assert (told["who"], told["status"], told["odd"]) == ({"name": "ann", "password": "(hidden)"}, 200, "x")
    assert verify_audit([path]).whole


def test_a_record_of_any_length_leaves_a_chain(path: Path) -> None:
    written(path, "x" * 2**21, "after")
    assert records(path)[1]["cut"] > 2**21
    assert verify_audit([path]).whole


def test_a_configuration_opens_a_log_or_none(path: Path) -> None:
    config = SecurityConfig(audit_file=str(path), audit_fsync="always")
    assert AuditLog.of(config) is None
    log = AuditLog.of(attrs.evolve(config, audit_logging=True))
    assert log is not None
    assert log.writes_through
    log.close()


@pytest.mark.parametrize(("fsync", "counts"), [("always", [2, 2, 2]), ("interval", [0, 1, 1]), ("never", [0, 0, 0])])
def test_when_records_are_forced_to_the_disk(
    fsync: str, counts: list[int], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AuditLog(path, fsync=fsync).close()  # what making the file takes is not counted
    forced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (forced.append(fd), real(fd))[1])
    found = []
    with AuditLog(path, fsync=fsync) as log:
        log.write("decision")
        found.append(len(forced))
        log.sync()
        found.append(len(forced))
        log.sync()
        found.append(len(forced))
    assert found == counts


def test_a_torn_end_is_set_aside_wherever_it_was_torn(path: Path) -> None:
    lines = chain(2)
    for size in (*range(1, 40), *range(40, len(lines[1]), 17), len(lines[1]) - 1):
        path.write_bytes(lines[0] + lines[1][:size])
        found = verify_audit([path]).broken
        assert found is not None
        assert found.torn
        written(path, "after")
        assert events(path) == ["decision", "log.recovered", "log.opened", "after"]
        told = records(path)[1]
        aside = path.with_name(told["aside"])
        assert aside.read_bytes() == lines[1][:size]
        assert (told["bytes"], told["sha256"]) == (size, hashlib.sha256(lines[1][:size]).hexdigest())
        assert verify_audit([path]).whole
        aside.unlink()


def test_a_log_that_is_torn_from_the_first_record_on(path: Path) -> None:
    path.write_bytes(b"\0" * 100)
    written(path, "after")
    assert events(path) == ["log.recovered", "log.opened", "after"]
    assert verify_audit([path]).whole


def test_nothing_is_added_to_a_damaged_end(path: Path) -> None:
    path.write_bytes(chain(1)[0].replace(b"decision", b"derision"))
    with pytest.raises(AuditUnavailable, match="damaged"):
        AuditLog(path)
    with AuditLog(path.with_name("other")) as log:
        with open(log.path, "ab") as file:
            file.write(b"{}\n")
        for _ in range(2):
            with pytest.raises(AuditUnavailable, match="damaged"):
                log.write("decision")


@pytest.mark.parametrize("bad", ["nowhere/audit.jsonl", "folder", "link", "pipe"])
def test_a_log_is_a_regular_file(bad: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableInput):
        AuditLog(tmp_path / bad)


def test_rotation_carries_the_chain_over(path: Path) -> None:
    log = written(path, *("decision" for _ in range(40)), rotate_bytes=2000)
    files = all_files(path)
    assert len(files) > 3
    assert events(path)[0] == "log.rotated"
    verdict = verify_audit(files)
    assert verdict.whole
    assert verdict.head == log.head
    assert verdict.files[-1] == str(path)
    assert all(file.stat().st_size < 2600 for file in files)
    rest = [file for file in files if str(file) != verdict.files[1]]
    assert not verify_audit(rest).whole


def test_a_rotation_that_a_crash_cut_short_is_done_again(path: Path) -> None:
    written(path, *("decision" for _ in range(20)))
    (path.parent / "audit.jsonl.new").write_bytes(b"half a")
    os.link(path, f"{path}.{21:012d}")
    written(path, "after", rotate_bytes=2000)
    files = [file for file in all_files(path) if not file.name.endswith(".new")]
    assert verify_audit(files).whole
    assert len(files) == 2


def test_a_log_that_was_moved_away_goes_on_with_its_chain(path: Path) -> None:
    old = path.with_name("old")
    with AuditLog(path) as log:
        log.write("before")
        path.rename(old)
        log.write("after")
    assert verify_audit([old, path]).whole
    assert events(path) == ["after"]


def test_threads_and_logs_on_one_file_add_to_one_chain(path: Path) -> None:
    def add(log: AuditLog) -> None:
        for number in range(50):
            log.write("decision", number=number)

    with AuditLog(path, rotate_bytes=8000) as one, AuditLog(path, rotate_bytes=8000) as two:
        threads = [threading.Thread(target=add, args=(log,)) for log in (one, two, one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
        one.sync()
    verdict = verify_audit(all_files(path))
    assert verdict.whole
    assert verdict.records == 202 + len(verdict.files) - 1


WRITER = """
import os, random, signal, sys
from rkruntime.security import AuditLog
real, chance = os.write, random.Random(sys.argv[3])
def in_pieces(fd, data):  # as a file system that does not write a line at once, and a crash that comes between
    die_at = chance.randrange(100 * len(data))
    for at in range(0, len(data), 11):
        if at <= die_at < at + 11:
            os.kill(os.getpid(), signal.SIGKILL)
        real(fd, data[at:at + 11])
    return len(data)
log = AuditLog(sys.argv[1], fsync="never", rotate_bytes=6000)
if sys.argv[2] == "in mid-record":
    os.write = in_pieces
while True:
    seq = log.write("decision", path="/v1/kernels/saxpy/launch", who="ann").seq
    real(1, b"%d\\n" % seq)
"""


@pytest.mark.parametrize("when", ["in mid-record", "from outside"])
def test_a_killed_writer_leaves_a_chain_that_goes_on(when: str, path: Path) -> None:
    chance = random.Random(when)
    acknowledged = 0
    for turn in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path), when, str(turn)], stdout=-1) as writer:
            assert writer.stdout is not None
            if when == "from outside":
                for _ in range(chance.randint(1, 120)):
                    acknowledged = int(writer.stdout.readline())
                os.kill(writer.pid, signal.SIGKILL)
            rest = writer.stdout.read().splitlines(keepends=True)
            acknowledged = max([acknowledged, *(int(line) for line in rest if line.endswith(b"\n"))])
        assert writer.returncode == -signal.SIGKILL
        written(path, "after the crash")
        files = [file for file in all_files(path) if not file.name.endswith(".new")]
        verdict = verify_audit(files)
        assert verdict.whole, verdict
        assert verdict.records >= acknowledged + 2
    torn = [record for file in files for record in records(file) if record["event"] == "log.recovered"]
    assert len(torn) == len(list(path.parent.glob("*.torn-*")))
    assert when == "from outside" or len(torn) >= 4  # the others came before the first byte


FILLER = """
import resource, sys
from rkruntime.errors import AuditUnavailable
from rkruntime.security import AuditLog
log = AuditLog(sys.argv[1])
size = __import__("os").stat(sys.argv[1]).st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    log.write("decision", text="x" * 1000)
except AuditUnavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write("after")
log.close()
"""


def test_a_full_disk_takes_a_record_whole_or_not_at_all(path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here, and so cannot be limited in the test")
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert "cannot be written" in done.stdout
    assert events(path) == ["log.opened", "after"]
    assert verify_audit([path]).whole
