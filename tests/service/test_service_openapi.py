"""/openapi.json tells the truth: schemathesis makes requests from it, and holds the answers to it."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from service_process import LIMIT_S, ServiceProcess, serving

from rkruntime.service import ROUTES

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SETTINGS = str(Path(__file__).with_name("schemathesis.toml"))
DRAIN = "/v1/runtime/drain"


def test_schemathesis_finds_no_failure(service: ServiceProcess, tmp_path: Path) -> None:
    schemathesis(service, tmp_path, "--exclude-path", DRAIN)


def test_schemathesis_finds_no_failure_in_the_drain(tmp_path: Path) -> None:
    with serving(tmp_path, config="[runtime]\ndrain_grace = '1h'\n") as service:  # it drains for all of the test
        schemathesis(service, tmp_path, "--include-path", DRAIN)
        assert service.client.get("/v1/runtime").json()["state"] == "draining"


def schemathesis(service: ServiceProcess, folder: Path, *paths: str) -> None:
    phases = ["--phases", "coverage,fuzzing", "--max-examples", "15", "--generation-deterministic"]
    done = subprocess.run(
        [SCHEMATHESIS, "--config-file", SETTINGS, "run", f"{service.url}/openapi.json", *phases, *paths],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "0 failed" in done.stdout or "passed" in done.stdout


def test_every_route_is_described_but_those_for_browsers_and_the_description(service: ServiceProcess) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    told = {(path, method.upper()) for path, methods in paths.items() for method in methods}
    apart = {"/", "/dashboard/{name}", "/openapi.json"}
    assert told == {(route.path, route.method) for route in ROUTES if route.path not in apart}


@pytest.mark.parametrize("path", ["/v1/runtime", "/v1/actors", "/v1/memory", "/v1/kernels", "/healthz", "/readyz"])
def test_answers_are_as_described(service: ServiceProcess, path: str) -> None:
    described = service.client.get("/openapi.json").json()
    schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answer = service.client.get(path).json()
    jsonschema.validate(answer, schema | {"components": described["components"]})
