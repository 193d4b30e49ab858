"""API keys: one scrypt a key, whatever is wrong with it; files that change while they are used."""

import base64
import hashlib
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkruntime.access import Role
from rkruntime.errors import InvalidConfiguration, UnreadableInput
from rkruntime.security import ApiKeys, Identity, Unproven, issue_key, read_keys, revoke_key
from rkruntime.security._issue import make_key
from rkruntime.security._key import NOBODYS_HASH, hash_of, id_of, matches, new_key
from rkruntime.security._keys import LOOK_EACH_S, Proven


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """Compares as the real thing does, and counts how often."""

    def __init__(self) -> None:
        self.hashes: list[str] = []

    def __call__(self, key: str, kept: str) -> bool:
        self.hashes.append(kept)
        return matches(key, kept)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "keys.json")


def test_a_hash_is_that_of_its_key_alone() -> None:
    key, other = new_key(), new_key()
    kept = hash_of(key)
    assert matches(key, kept)
    assert not matches(other, kept)
    assert not matches(key, NOBODYS_HASH)
    assert hash_of(key) != kept
    salt = bytes(range(16))
    *_, digest = hash_of(key, salt).split(":")
    peer = hashlib.scrypt(key.encode(), salt=salt, n=16384, r=8, p=1, maxmem=2**26, dklen=32)
    assert digest == base64.urlsafe_b64encode(peer).decode().rstrip("=")


@pytest.mark.parametrize("kept", ["", "scrypt:14:8:1", NOBODYS_HASH.replace(":14:", ":40:"), NOBODYS_HASH + "x"])
def test_what_is_no_hash_matches_nothing(kept: str) -> None:
    assert not matches(new_key(), kept)


@settings(max_examples=50)
@given(st.text("rk_abc27XYZ-", max_size=60))
def test_only_what_has_the_form_of_a_key_has_an_id(text: str) -> None:
    assert id_of(text) is None
    assert isinstance(ApiKeys(None).prove(text), Unproven)


def test_a_key_is_issued_proven_known_and_revoked(path: str) -> None:
    clock, check = Clock(), Counting()
    key, record = issue_key(path, "ann", Role.OPERATOR, now=clock)
    keys = ApiKeys(path, now=clock, ticks=clock, check=check)
    ann = Identity(how="key", id=record.id, name="ann", role=Role.OPERATOR)
    assert keys.known(key) is None
    assert keys.prove(key) == ann
    assert [keys.known(key) for _ in range(100)] == [ann] * 100
    assert len(check.hashes) == 1
    assert revoke_key(path, record.id, now=clock).revoked == "2027-01-15T08:00:00Z"
    clock.now += LOOK_EACH_S
    assert keys.known(key) is None
    assert keys.prove(key) == Unproven(f"the key {record.id} is revoked")


def test_a_new_key_holds_at_once(path: str) -> None:
    clock = Clock()
    issue_key(path, "ann", Role.VIEWER, now=clock)
    keys = ApiKeys(path, now=clock, ticks=clock)
    key, _ = issue_key(path, "bob", Role.VIEWER, now=clock)
    assert isinstance(keys.prove(key), Identity)


def test_every_failure_costs_one_scrypt(path: str) -> None:
    clock, check = Clock(), Counting()
    key, _ = issue_key(path, "ann", Role.VIEWER, 60.0, now=clock)
    clock.now += 60
    keys = ApiKeys(path, now=clock, ticks=clock, check=check)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for bad in (new_key(), wrong, key):
        before = len(check.hashes)
        assert isinstance(keys.prove(bad), Unproven)
        assert keys.known(bad) is None
        assert len(check.hashes) == before + 1
    costs = {kept.rsplit(":", 2)[0] for kept in check.hashes}
    assert costs == {"scrypt:14:8:1"}


def test_a_key_expires_though_it_is_known(path: str) -> None:
    clock = Clock()
    key, _ = issue_key(path, "ann", Role.VIEWER, 60.0, now=clock)
    keys = ApiKeys(path, now=clock, ticks=clock)
    assert isinstance(keys.prove(key), Identity)
    clock.now += 59.9
    assert keys.known(key) is not None
    clock.now += 0.1
    assert keys.known(key) is None


def test_a_role_that_changes_holds_at_once_and_a_hash_that_changes_ends_what_was_proven(path: str) -> None:
    clock = Clock()
    key, _ = issue_key(path, "ann", Role.VIEWER, now=clock)
    keys = ApiKeys(path, now=clock, ticks=clock)
    keys.prove(key)
    told = json.loads(Path(path).read_text())
    told["keys"][0]["role"] = "admin"
    Path(path).write_text(json.dumps(told))
    clock.now += LOOK_EACH_S
    known = keys.known(key)
    assert known is not None
    assert known.role is Role.ADMIN
    told["keys"][0]["hash"] = hash_of(new_key())
    Path(path).write_text(json.dumps(told))
    clock.now += LOOK_EACH_S
    assert keys.known(key) is None


@pytest.mark.parametrize("spoil", ["gone", "broken", "open to others"])
def test_a_file_that_cannot_be_read_any_more_opens_no_door(spoil: str, path: str) -> None:
    clock = Clock()
    key, _ = issue_key(path, "ann", Role.ADMIN, now=clock)
    changes: list[str] = []
    keys = ApiKeys(path, now=clock, ticks=clock, on_change=changes.append)
    assert isinstance(keys.prove(key), Identity)
    good = Path(path).read_text()
    if spoil == "gone":
        os.unlink(path)
    elif spoil == "broken":
        Path(path).write_text(good[:-10])
    else:
        os.chmod(path, 0o644)
    clock.now += LOOK_EACH_S
    assert keys.known(key) is None
    assert isinstance(keys.prove(key), Unproven)
    Path(path).write_text(good)
    os.chmod(path, 0o600)
    clock.now += LOOK_EACH_S
    assert isinstance(keys.prove(key), Identity)
    assert len(changes) == 2
    assert changes[0].startswith("none holds")


def test_the_configured_key_is_an_admins_and_stays_with_a_broken_file(path: str) -> None:
    key, record = make_key("me", Role.ADMIN, now_s=0.0)
    keys = ApiKeys(None, f"{record.id}:{record.hash}")
    found = keys.prove(key)
    assert isinstance(found, Identity)
    assert found.role is Role.ADMIN
    assert isinstance(keys.prove(new_key()), Unproven)


def test_the_file_is_its_owners_alone_and_holds_no_key(path: str) -> None:
    old = os.umask(0)
    try:
        key, record = issue_key(path, "ann", Role.VIEWER)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert key not in Path(path).read_text()
    assert key.split("_", 2)[2] not in Path(path).read_text()
    assert record.hash not in repr(record)
    assert os.listdir(os.path.dirname(path)) == ["keys.json"]


def test_a_file_that_is_written_again_keeps_its_owner_and_group(path: str) -> None:
    _, record = issue_key(path, "ann", Role.VIEWER)
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        os.chown(path, 10001, 10002)
    before = os.stat(path)
    revoke_key(path, record.id)
    after = os.stat(path)
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino


def test_writers_at_once_lose_nothing(path: str) -> None:
    made: list[str] = []

    def make() -> None:
        made.extend([issue_key(path, "ann", Role.VIEWER)[1].id for _ in range(4)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(record.id for record in read_keys(path)) == sorted(made)
    assert len(made) == 16


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"keys": [{}]}', '{"keys": 3}', '{"keys": [{"id": "a", "role": "king"}]}', "[" * 10**5]
)
def test_what_is_no_file_of_keys_is_refused_without_telling_its_content(content: str, path: str) -> None:
    Path(path).write_text(content)
    os.chmod(path, 0o600)
    with pytest.raises(UnreadableInput) as caught:
        ApiKeys(path)
    assert caught.value.why == "it is no file of API keys"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o601])
def test_a_file_that_others_reach_is_refused(mode: int, path: str) -> None:
    issue_key(path, "ann", Role.VIEWER)
    os.chmod(path, mode)
    with pytest.raises(UnreadableInput, match="others may"):
        ApiKeys(path)


def test_names_and_times_are_checked(path: str) -> None:
    for name in ("", "a\nb", "x" * 101):
        with pytest.raises(InvalidConfiguration):
            issue_key(path, name, Role.VIEWER)
    for lasts_s in (0.0, -1.0, float("nan"), 1e12):
        with pytest.raises(InvalidConfiguration):
            issue_key(path, "ann", Role.VIEWER, lasts_s)
    with pytest.raises(UnreadableInput):
        revoke_key(path, "abcdefgh")


def test_what_was_proven_is_bounded_and_the_oldest_goes() -> None:
    proven = Proven(most=3)
    for number in range(5):
        proven.put(f"key {number}", (str(number),))
        assert proven.get("key 0") == (("0",) if number < 3 else None) or number >= 3
    assert len(proven) == 3
    assert [proven.get(f"key {number}") is not None for number in range(5)].count(True) == 3
