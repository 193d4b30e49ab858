"""`rustkernel keys`, as users run it."""

import json
from pathlib import Path

import pytest
from command_line import rustkernel

from rkruntime.access import Role
from rkruntime.config import SecurityConfig
from rkruntime.security import ApiKeys, Identity, read_keys, verify_audit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    audit = 'audit_logging = true\naudit_file = "audit.jsonl"\n'
    (tmp_path / "c.toml").write_text(f'[security]\nrbac_enabled = true\napi_keys_file = "keys.json"\n{audit}')
    return tmp_path


def test_keys_are_created_listed_and_revoked_on_record(folder: Path) -> None:
    words = ("--config", "c.toml")
    done = rustkernel(folder, "keys", "create", "--role", "operator", "--name", "jobs", "--expires", "90d", *words)
    assert done.returncode == 0, done.stderr
    key = done.stdout.strip()
    assert key not in done.stderr
    (record,) = read_keys(str(folder / "keys.json"))
    assert (record.name, record.role) == ("jobs", Role.OPERATOR)
    assert isinstance(ApiKeys(str(folder / "keys.json")).prove(key), Identity)
    told = json.loads(rustkernel(folder, "keys", "list", "--json", *words).stdout)["keys"]
    assert [(row["id"], row["state"]) for row in told] == [(record.id, "valid")]
    assert "hash" not in told[0]
    listed = rustkernel(folder, "keys", "list", *words).stdout.splitlines()
    assert listed[1].split()[:3] == [record.id, "operator", "valid"]
    assert rustkernel(folder, "keys", "revoke", record.id, *words).returncode == 0
    assert rustkernel(folder, "keys", "revoke", record.id, *words).returncode == 1
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    acts = [(line["event"], line["key"]["id"]) for line in lines if "key" in line]
    assert acts == [("key.created", record.id), ("key.revoked", record.id)]
    assert verify_audit([folder / "audit.jsonl"]).whole
    secret = key.split("_", 2)[2]
    assert all(secret not in file.read_text() for file in folder.iterdir())


def test_a_hash_for_the_configuration_opens_what_the_printed_key_asks_for(folder: Path) -> None:
    done = rustkernel(folder, "keys", "create", "--role", "admin", "--name", "me", "--print-hash", "--json")
    told = json.loads(done.stdout)
    config = SecurityConfig(admin_key_hash=told["admin_key_hash"])
    found = ApiKeys(None, config.admin_key_hash).prove(told["key"])
    assert isinstance(found, Identity)
    assert found.role is Role.ADMIN
    assert not (folder / "keys.json").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("create", "--role", "king", "--name", "x", "--file", "k"), 2),
        (("create", "--role", "viewer", "--name", "x"), 2),
        (("create", "--role", "viewer", "--name", "x", "--print-hash"), 2),
        (("create", "--role", "viewer", "--name", "x", "--file", "k", "--expires", "soon"), 2),
        (("create", "--role", "viewer", "--name", "x", "--file", "nowhere/k"), 1),
        (("create", "--role", "viewer", "--name", "", "--file", "k"), 4),
        (("list", "--file", "none"), 1),
        (("revoke", "abcdefgh", "--file", "none"), 1),
    ],
)
def test_what_cannot_be_done_is_told(words: tuple[str, ...], status: int, folder: Path) -> None:
    done = rustkernel(folder, "keys", *words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
