"""The service as a process: it starts, tells where it is, and drains on signals and requests."""

import signal
from pathlib import Path

import pytest
from service_process import ServiceProcess, serving


def test_probes_and_catalogue(service: ServiceProcess) -> None:
    client = service.client
    assert client.get("/healthz").json()["live"] is True
    assert client.get("/readyz").json()["ready"] is True
    names = [kernel["name"] for kernel in client.get("/v1/kernels").json()["kernels"]]
    assert {"double", "bump", "saxpy"} <= set(names)
    assert client.get("/v1/kernels/double").json()["parameters"] == ["x", "out"]
    assert client.get("/v1/kernels/dubble").status_code == 404
    assert "double" in client.get("/v1/kernels/dubble").json()["mend"]
    assert client.get("/v1/runtime").json()["state"] == "running"


def test_what_is_not_there_is_a_problem_too(service: ServiceProcess) -> None:
    for path, method, status in (("/nothing", "GET", 404), ("/healthz", "DELETE", 405)):
        answer = service.client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_good_request_id_is_kept_and_a_bad_one_replaced(service: ServiceProcess) -> None:
    kept = service.client.get("/healthz", headers={"x-request-id": "abc-123"})
    replaced = service.client.get("/healthz", headers={"x-request-id": "abc 123"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert replaced.headers["x-request-id"] not in ("", "abc 123")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "request"])
def test_a_drain_ends_it_with_status_0(tmp_path: Path, how: str) -> None:
    with serving(tmp_path) as service:
        if how == "request":
            assert service.client.post("/v1/runtime/drain").status_code == 202
        else:
            service.process.send_signal(signal.Signals[how])
        assert service.end() == 0


def test_a_taken_port_is_one_line_and_status_1(service: ServiceProcess, tmp_path: Path) -> None:
    import subprocess

    from service_process import COMMAND, LIMIT_S

    port = str(service.address[1])
    done = subprocess.run(
        [COMMAND, "serve", "--port", port], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
