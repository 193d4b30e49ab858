"""The service's audit log and its secrets, in a process of its own."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from service_process import COMMAND, LIMIT_S, ServiceProcess, serving

from rkruntime.access import Role
from rkruntime.security import issue_key, verify_audit

CONFIG = """
log_format = "json"

[security]
rbac_enabled = true
api_keys_file = "keys.json"
audit_logging = true
audit_file = "audit.jsonl"
audit_fsync = "always"
"""
PLANTED = "rk_planted2_" + "S" * 43


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def admin(folder: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {issue_key(str(folder / 'keys.json'), 'root', Role.ADMIN)[0]}"}


def control(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    return subprocess.run(
        [COMMAND, "runtime", *words], env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def test_acts_have_their_outcome_and_the_control_socket_is_on_record_too(tmp_path: Path) -> None:
    headers = admin(tmp_path)
    with serving(tmp_path, config=CONFIG.replace('log_format = "json"', "")) as service:
        assert control(tmp_path, "status").returncode == 0
        assert service.client.post("/v1/runtime/drain", headers=headers).status_code == 202
        assert service.end() == 0
    told = records(tmp_path)
    # An idle runtime may have drained before the answer that says so has been sent.
    told.sort(key=lambda line: line["event"] == "drained")
    assert [line["event"] for line in told] == ["log.opened", "control", "decision", "act", "drained"]
    assert (told[1]["request"], told[1]["user"], told[1]["allowed"]) == ("status", os.geteuid(), True)
    assert told[1]["role"] == "admin"
    assert (told[3]["permission"], told[3]["status"], told[3]["name"]) == ("drain", 202, "root")
    assert verify_audit([tmp_path / "audit.jsonl"]).whole


def test_a_drain_over_the_control_socket_has_its_outcome_on_record(tmp_path: Path) -> None:
    admin(tmp_path)
    with serving(tmp_path, config=CONFIG.replace('log_format = "json"', "")) as service:
        assert control(tmp_path, "drain").returncode == 0
        assert service.end() == 0
    told = records(tmp_path)
    assert [line["event"] for line in told] == ["log.opened", "control", "drained"]
    assert (told[1]["request"], told[1]["role"], told[1]["allowed"]) == ("drain", "admin", True)
    outcome = {name: told[2][name] for name in ("completed", "cancelled", "failed", "abandoned")}
    assert outcome == {"completed": 0, "cancelled": 0, "failed": 0, "abandoned": 0}
    assert told[2]["duration_s"] > 0
    assert verify_audit([tmp_path / "audit.jsonl"]).whole


def test_what_cannot_be_put_on_record_is_not_done(tmp_path: Path) -> None:
    headers = admin(tmp_path)
    with serving(tmp_path, config=CONFIG.replace('log_format = "json"', "")) as service:
        assert service.client.get("/v1/kernels", headers=headers).status_code == 200
        with open(tmp_path / "audit.jsonl", "ab") as file:
            file.write(b"{}\n")
        for _ in range(2):
            answer = service.client.post("/v1/runtime/drain", headers=headers)
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:rkruntime:error:AuditUnavailable"
        assert service.client.get("/healthz").status_code == 200
        (tmp_path / "audit.jsonl").rename(tmp_path / "damaged.jsonl")
        assert service.client.get("/v1/kernels", headers=headers).status_code == 200
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
    assert not verify_audit([tmp_path / "damaged.jsonl"]).whole


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_planted_secret_comes_out(form: str, tmp_path: Path) -> None:
    headers = admin(tmp_path)
    key = headers["authorization"].split()[1]
    config = f'[runtime]\nlog_level = "debug"\nlog_format = "{form}"\n' + CONFIG.replace('log_format = "json"', "")
    planted = {"x-api-key": PLANTED, "cookie": f"session={PLANTED}", "x-request-id": "of-the-test"}
    with serving(tmp_path, config=config) as service:
        answers = [
            service.client.get(f"/v1/kernels/{PLANTED}", headers=headers | planted),
            service.client.post(f"/v1/kernels/{PLANTED}/launch", headers=headers | planted, json={"args": {}}),
            service.client.get("/v1/kernels", headers=planted | {"authorization": f"Bearer {PLANTED}"}),
            service.client.post("/v1/kernels/bump/launch", headers=headers, json={"args": {"x": PLANTED}, "over": 1}),
            service.client.post("/v1/kernels/bump/launch", headers=headers, json={"args": {PLANTED: [1]}, "over": 1}),
            service.client.get(f"/{PLANTED}", headers=headers),
        ]
        assert [answer.status_code // 100 for answer in answers] == [4] * 6
        told = "".join(answer.text + str(answer.headers) for answer in answers) + drained(service)
    told += (tmp_path / "audit.jsonl").read_text()
    assert "of-the-test" in told
    for secret in (PLANTED, key, key.split("_", 2)[2]):
        assert secret not in told


def drained(service: ServiceProcess) -> str:
    service.process.send_signal(signal.SIGTERM)
    service.end()
    return service.told()
