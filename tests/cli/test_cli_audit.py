"""`rustkernel audit verify`, as users run it."""

import json
from pathlib import Path

import pytest
from command_line import rustkernel

from rkruntime.security import AuditLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with AuditLog(tmp_path / "audit.jsonl", rotate_bytes=1000) as log:
        for number in range(10):
            log.write("decision", number=number)
    return tmp_path / "audit.jsonl"


def test_a_whole_chain_is_told_with_its_head(path: Path) -> None:
    files = sorted(file.name for file in path.parent.iterdir())
    assert len(files) > 2
    done = rustkernel(path.parent, "audit", "verify", *files)
    last = json.loads(path.read_text().splitlines()[-1])
    assert (done.returncode, done.stderr) == (0, "")
    assert last["hash"] in done.stdout
    told = json.loads(rustkernel(path.parent, "audit", "verify", "--json", "--head", last["hash"], *files).stdout)
    assert told["whole"]
    assert told["head"] == {"seq": last["seq"], "hash": last["hash"]}


@pytest.mark.parametrize(("words", "status"), [((), 7), (("--partial",), 0), (("--partial", "--head", "0" * 64), 7)])
def test_the_newest_file_alone_is_part_of_a_chain(words: tuple[str, ...], status: int, path: Path) -> None:
    assert rustkernel(path.parent, "audit", "verify", *words, path.name).returncode == status


def test_the_first_bad_line_is_named(path: Path) -> None:
    first = sorted(path.parent.iterdir())[1]
    lines = first.read_text().splitlines(keepends=True)
    first.write_text("".join([lines[0], lines[1].replace("decision", "derision"), *lines[2:]]))
    done = rustkernel(path.parent, "audit", "verify", first.name)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith(f"{first.name}:2: record 2: ")
    told = json.loads(rustkernel(path.parent, "audit", "verify", "--json", first.name).stdout)
    assert (told["whole"], told["path"], told["broken"]["line"], told["broken"]["seq"]) == (False, first.name, 2, 2)


def test_a_torn_line_is_told_from_others(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])
    done = rustkernel(path.parent, "audit", "verify", *sorted(file.name for file in path.parent.iterdir()))
    assert done.returncode == 7
    assert "the next start sets it aside" in done.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert rustkernel(tmp_path, "audit", "verify", "none.jsonl").returncode == 1
    assert rustkernel(tmp_path, "audit", "verify").returncode == 2


def test_a_chain_with_a_key_is_checked_with_it(tmp_path: Path) -> None:
    key = tmp_path / "audit.key"
    key.write_text("k" * 32)
    key.chmod(0o600)
    with AuditLog(tmp_path / "audit.jsonl", key=b"k" * 32) as log:
        log.write("decision")
    done = rustkernel(tmp_path, "audit", "verify", "--key", key.name, "audit.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert log.head.hash in done.stdout
    without = rustkernel(tmp_path, "audit", "verify", "audit.jsonl")
    assert without.returncode == 7
    assert "written with a key" in without.stderr
    absent = rustkernel(tmp_path, "audit", "verify", "--key", "absent", "audit.jsonl")
    assert absent.returncode not in (0, 7)
    assert "openssl rand" in absent.stderr, "it says how to make one"
