"""The files in docs/deploy/: written from the configuration there, and good by the judgement of those who read them."""

import math
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from follow_dockerfile import FOLLOWED, instructions

from rkruntime.config import Machine, check_config, load_config
from rkruntime.service import longest_end_s

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
WRITE = runpy.run_path(str(ROOT / "docs" / "write_deployment.py"))
CONFIG = WRITE["configuration"]()
MANIFESTS: list[dict[str, Any]] = WRITE["manifests"](CONFIG)


def test_the_files_are_written_from_the_configuration() -> None:
    for path, text in WRITE["files"]().items():
        assert path.read_text() == text, f"run python docs/write_deployment.py: {path.name}"


def test_the_configuration_works_on_a_machine_that_is_large_enough() -> None:
    loaded = load_config(DEPLOY / "rustkernel.toml", environ={})
    machine = Machine(cores=8, memory_bytes=64 * 2**30)
    assert check_config(loaded.config, machine, loaded.origins).errors == ()
    assert loaded.config.security.rbac_enabled


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_kubernetes_takes_the_manifests(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_validator_refuses_what_is_wrong() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        broken = {**MANIFESTS[1], "spec": {"replicas": "two"}}
        kubernetes_validate.validate(broken, kubernetes_validate.latest_version(), strict=True)


def test_the_pod_gives_the_drain_its_time_and_asks_where_the_service_answers() -> None:
    pod = next(each for each in MANIFESTS if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    slept = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    runtime = CONFIG.runtime
    needed = slept + runtime.drain_grace + runtime.shutdown_timeout + runtime.cleanup_timeout
    assert pod["terminationGracePeriodSeconds"] == math.ceil(slept + longest_end_s(CONFIG)) > needed
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"][0]["containerPort"] == CONFIG.service.port
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True


def kubernetes_environment(pod: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a pod gets for the Service beside it (Kubernetes, "Discovering services")."""
    (service,) = (each for each in MANIFESTS if each["kind"] == "Service")
    if not pod.get("enableServiceLinks", True):
        return {}
    name, port = service["metadata"]["name"].upper(), str(service["spec"]["ports"][0]["port"])
    return {
        f"{name}_SERVICE_HOST": "10.96.7.7",
        f"{name}_SERVICE_PORT": port,
        f"{name}_PORT": f"tcp://10.96.7.7:{port}",
    }


def test_the_pod_listens_as_configured_whatever_kubernetes_sets_in_its_environment() -> None:
    pod = next(each for each in MANIFESTS if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert kubernetes_environment({}), "the variables are those of the service's own settings"
    loaded = load_config(DEPLOY / "rustkernel.toml", environ=kubernetes_environment(pod)).config
    assert loaded.service == CONFIG.service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("rustkernel")
    text = (DEPLOY / "rustkernel.service").read_text().replace("/opt/rustkernel/bin/rustkernel", str(command))
    unit = tmp_path / "rustkernel.service"
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    told = [line for line in done.stderr.splitlines() if "rustkernel.service" in line]
    assert (done.returncode, told) == (0, []), done.stderr


def test_the_unit_gives_the_drain_its_time() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "rustkernel.service").read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) == math.ceil(longest_end_s(CONFIG))


HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint has no package for this machine")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("", ""), ""),
        (("FROM python:3.13-slim AS", "FROM python AS"), "DL3006"),
        (("COPY --from=build", "COPY --from=made"), "DL3022"),
    ],
    ids=["as it is", "any version of Python", "a stage that is not there"],
)
def test_hadolint_takes_the_dockerfile_and_would_find_what_is_wrong(change: tuple[str, str], found: str) -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace(*change)
    done = subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == bool(found), done.stdout
    assert found in done.stdout


def test_every_line_of_the_dockerfile_can_be_followed_without_a_daemon() -> None:
    told = list(instructions((DEPLOY / "Dockerfile").read_text()))
    assert {name for name, _ in told} <= FOLLOWED
    assert [rest for name, rest in told if name == "ENTRYPOINT"] == [
        '["rustkernel", "serve", "--config", "/etc/rustkernel/rustkernel.toml"]'
    ]


def test_the_image_runs_as_nobody_in_particular_and_starts_what_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    last = text.rpartition("\nFROM ")[2]
    assert 'ENTRYPOINT ["rustkernel", "serve", "--config", "/etc/rustkernel/rustkernel.toml"]' in last
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user is not None
    assert f"groupadd --gid {user[2]} " in last
    assert f"useradd --uid {user[1]} --gid {user[2]} " in last
    copied = {name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in names.split()}
    assert all((ROOT / name).exists() for name in copied), copied
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {project["project"]["readme"], "LICENSE", "pyproject.toml", *(name.split("/")[0] for name in packages)}
    assert needed <= copied, "what the package is built from"
