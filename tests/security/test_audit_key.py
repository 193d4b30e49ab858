"""A chain with a key: whoever lacks it can write nothing into it, neither at its end nor all of it anew."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from audit_files import chain, events, records, written

from rkruntime.config import SecurityConfig
from rkruntime.errors import AuditUnavailable, UnreadableInput
from rkruntime.security import AuditLog, read_audit_key, verify_audit
from rkruntime.security._chain import Link, line_of

KEY, OTHER = b"k" * 32, b"o" * 32


def logged(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def test_the_hash_is_the_hmac_of_the_line_without_it() -> None:
    (line,) = chain(1, key=KEY)
    told = json.loads(line)
    digest = told.pop("hash")
    plain = json.dumps(told, separators=(",", ":")).encode()
    assert digest == "hmac:" + hmac.new(KEY, plain, hashlib.sha256).hexdigest()


def test_a_chain_is_checked_with_its_key_and_with_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, key=KEY, rotate_bytes=2000) as log:
        for number in range(30):
            log.write("decision", number=number)
    files = list(tmp_path.iterdir())
    assert len(files) > 2, "it was rotated"
    verdict = verify_audit(files, key=KEY)
    assert (verdict.whole, verdict.head) == (True, log.head)
    for key, why in ((b"", "needed to check it"), (OTHER, "under this key")):
        broken = verify_audit(files, key=key).broken
        assert broken is not None
        assert why in broken.what


@pytest.mark.parametrize("key", [b"", OTHER], ids=["no key", "another key"])
@pytest.mark.parametrize("kept", [0, 3])
def test_what_was_written_anew_without_the_key_is_found(tmp_path: Path, key: bytes, kept: int) -> None:
    lines = chain(6, key=KEY)
    last = Link(kept, json.loads(lines[kept - 1])["hash"] if kept else "0" * 64)
    forged = [*lines[:kept], *chain(6 - kept, last, key)]
    broken = verify_audit([logged(tmp_path / "audit.jsonl", forged)], key=KEY).broken
    assert broken is not None
    assert broken.line == kept + 1


def test_a_log_goes_on_with_its_own_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, "one", key=KEY)
    written(path, "two", key=KEY)
    assert events(path) == ["log.opened", "one", "log.opened", "two"]
    for key in (b"", OTHER):
        with pytest.raises(AuditUnavailable, match="cannot go on"):
            AuditLog(path, key=key)
    assert len(records(path)) == 4, "nothing was added"


def test_a_log_that_was_begun_without_a_key_does_not_go_on_with_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, "one")
    with pytest.raises(AuditUnavailable, match="without the key"):
        AuditLog(path, key=KEY)


def test_a_torn_end_is_mended_under_the_key(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, "one", key=KEY)
    with path.open("ab") as file:
        file.write(line_of({"event": "two"}, Link(2, "x"), KEY)[0][:20])
    written(path, "three", key=KEY)
    assert "log.recovered" in events(path)
    assert verify_audit([path], key=KEY).whole


def test_the_configured_key_is_used(tmp_path: Path) -> None:
    key, path = tmp_path / "audit.key", tmp_path / "audit.jsonl"
    key.write_bytes(b"\n" + KEY + b"\n")
    key.chmod(0o600)
    log = AuditLog.of(SecurityConfig(audit_logging=True, audit_file=str(path), audit_key_file=str(key)))
    assert log is not None
    log.close()
    assert read_audit_key(key) == KEY
    assert verify_audit([path], key=KEY).whole


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "audit.key"
    for content, mode, why in ((KEY[1:], 0o600, "31 bytes"), (KEY, 0o604, "others"), (KEY, 0o620, "others")):
        key.write_bytes(content)
        key.chmod(mode)
        with pytest.raises(UnreadableInput, match=why):
            read_audit_key(key)
    for path, why in ((tmp_path / "absent", "cannot be read"), (tmp_path, "cannot be read|no regular file")):
        with pytest.raises(UnreadableInput, match=why):
            read_audit_key(path)
