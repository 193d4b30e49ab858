"""Write the unit and the manifests in docs/deploy/ from the configuration there: `python docs/write_deployment.py`.

How long a drain may take decides how long systemd and Kubernetes have to wait, so these numbers are written once.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rkruntime.config import ProductionConfig, load_config
from rkruntime.service import longest_end_s

FOLDER = Path(__file__).with_name("deploy")
PROPAGATION_S = 5
"""Seconds for which a pod goes on as before while Kubernetes takes it out of its services."""
STARTS_IN_S = 120
UNIT = """\
# Written by docs/write_deployment.py. Copy to /etc/systemd/system/, with rustkernel.toml in /etc/rustkernel/.
[Unit]
Description=Kernels over HTTP (rustkernel serve)
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart=/opt/rustkernel/bin/rustkernel serve --config /etc/rustkernel/rustkernel.toml
Restart=on-failure
# 6 says that a drain had to cancel work: it has ended as it was told to.
SuccessExitStatus=6
TimeoutStartSec={start}
TimeoutStopSec={stop}
WatchdogSec=30
KillSignal=SIGTERM
DynamicUser=yes
StateDirectory=rustkernel
RuntimeDirectory=rustkernel
CacheDirectory=rustkernel
Environment=XDG_RUNTIME_DIR=/run/rustkernel
Environment=RKRUNTIME_CACHE_DIR=/var/cache/rustkernel NUMBA_CACHE_DIR=/var/cache/rustkernel
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX

[Install]
WantedBy=multi-user.target
"""


class Plain(yaml.SafeDumper):
    """Writes what is there twice twice, and text of several lines as it stands."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # yaml's form
        """Take nothing for an alias."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Plain.add_representer(str, _text)


def configuration() -> ProductionConfig:
    """Load what the service is deployed with."""
    return load_config(FOLDER / "rustkernel.toml", environ={}).config


def unit(config: ProductionConfig) -> str:
    """Write the unit."""
    return UNIT.format(start=STARTS_IN_S, stop=math.ceil(longest_end_s(config)))


def manifests(config: ProductionConfig) -> list[dict[str, Any]]:
    """Make the manifests."""
    labels = {"app": "rustkernel"}
    named = {"metadata": {"name": "rustkernel", "labels": labels}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        **named,
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(config)},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        **named,
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
    text = {"data": {"rustkernel.toml": (FOLDER / "rustkernel.toml").read_text()}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", **named, **text}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        **named,
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }
    return [settings, deployment, service, budget]


def _pod(config: ProductionConfig) -> dict[str, Any]:
    places = {"tmp": "/tmp", "state": "/var/lib/rustkernel"}
    given: Mapping[str, tuple[str, dict[str, Any]]] = {
        "config": ("/etc/rustkernel", {"configMap": {"name": "rustkernel"}}),
        # A file of keys that everybody may read is refused; the group is fsGroup below.
        "keys": ("/etc/rustkernel/keys", {"secret": {"secretName": "rustkernel-keys", "defaultMode": 0o440}}),
    }
    container = {
        "name": "rustkernel",
        "image": "rustkernel:latest",
        "ports": [{"name": "http", "containerPort": config.service.port}],
        "startupProbe": _probe("/readyz", every_s=2, failures=STARTS_IN_S // 2),
        "livenessProbe": _probe("/healthz", every_s=10, failures=3),
        "readinessProbe": _probe("/readyz", every_s=2, failures=1),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PROPAGATION_S)]}}},
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in places.items()]
        + [{"name": name, "mountPath": path, "readOnly": True} for name, (path, _) in given.items()],
    }
    return {
        "terminationGracePeriodSeconds": math.ceil(PROPAGATION_S + longest_end_s(config)),
        "automountServiceAccountToken": False,
        # Else Kubernetes sets RUSTKERNEL_SERVICE_HOST and RUSTKERNEL_SERVICE_PORT to the Service's, which would win
        # over the configuration: the pod would try to listen at an address that is not its own.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {}} for name in places]
        + [{"name": name, **source} for name, (_, source) in given.items()],
    }


def _probe(path: str, *, every_s: int, failures: int) -> dict[str, Any]:
    asked = {"httpGet": {"path": path, "port": "http"}}
    return asked | {"periodSeconds": every_s, "timeoutSeconds": 5, "failureThreshold": failures}


def files() -> dict[Path, str]:
    """Write every file, by its path."""
    config = configuration()
    told = "# Written by docs/write_deployment.py from rustkernel.toml.\n"
    return {
        FOLDER / "rustkernel.service": unit(config),
        FOLDER / "kubernetes.yaml": told + yaml.dump_all(manifests(config), Dumper=Plain, sort_keys=False, width=110),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
