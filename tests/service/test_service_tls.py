"""TLS and mutual TLS, with certificates made here, over real sockets to a real process."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from service_process import COMMAND, KERNELS, LIMIT_S

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
from authority import Authority

from rkruntime.access import Role
from rkruntime.config import SecurityConfig
from rkruntime.errors import UnreadableInput
from rkruntime.security import ServerTls, issue_key

ROLES = "CN=ann,O=Lab=admin; URI:spiffe://lab/cron=operator"


@contextmanager
def serving_tls(folder: Path, config: str) -> Iterator[tuple[str, int]]:
    """Serve with TLS, and leave no process behind."""
    (folder / "kernels").mkdir(exist_ok=True)
    (folder / "kernels" / "served.py").write_text(KERNELS)
    (folder / "service.toml").write_text(config)
    command = [COMMAND, "serve", "--config", "service.toml", "--kernels", "kernels", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(
        command, cwd=folder, env=os.environ | {"XDG_RUNTIME_DIR": str(folder)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            seen = ""
            for line in process.stderr:
                seen += line
                if found := re.search(r"^serving .* at https://127\.0\.0\.1:(\d+)", line):
                    yield "127.0.0.1", int(found[1])
                    return
            raise AssertionError(f"it did not come to serve:\n{seen}")
        finally:
            process.kill()


def client_context(authority: Authority, certificate: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if certificate is not None:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.server()
    made.issue("ann", ("CN", "ann"), ("O", "Lab"))
    made.issue("bob", ("CN", "bob"), ("O", "Lab"))
    made.issue("cron", ("CN", "cron"), names=[x509.UniformResourceIdentifier("spiffe://lab/cron")])
    made.issue("old", ("CN", "ann"), ("O", "Lab"), days=-1)
    made.issue("servers", ("CN", "ann"), ("O", "Lab"), client=False)
    stranger = Authority(made.folder, "stranger")
    stranger.issue("stranger-ann", ("CN", "ann"), ("O", "Lab"))
    return made


def settings(*more: str) -> str:
    lines = ['tls_certificate = "server.pem"', 'tls_key = "server.key"', "rbac_enabled = true", *more]
    return "[security]\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def mutual(authority: Authority) -> Iterator[str]:
    config = settings('tls_client_ca = "authority.pem"', f'tls_role_map = "{ROLES}"')
    config += 'audit_logging = true\naudit_file = "audit.jsonl"\n'
    with serving_tls(authority.folder, config) as (host, port):
        yield f"https://{host}:{port}"


@pytest.mark.parametrize(
    ("who", "statuses"),
    [("ann", (200, 404, 422)), ("cron", (200, 404, 403)), ("bob", (403, 403, 403))],
)
def test_a_certificate_is_an_identity_with_a_role(
    who: str, statuses: tuple[int, ...], mutual: str, authority: Authority
) -> None:
    verify = client_context(authority, authority.folder / f"{who}.pem")
    with httpx.Client(base_url=mutual, verify=verify, timeout=LIMIT_S) as client:
        read = client.get("/v1/kernels")
        launch = client.post("/v1/kernels/nothing/launch", json={})
        drain = client.post("/v1/runtime/drain", json={"nothing": 1})
        wrong = client.get("/v1/kernels", headers={"authorization": "Bearer nonsense"})
        foreign = client.post("/v1/runtime/drain", json={}, headers={"origin": "https://evil.example.org"})
    assert (read.status_code, launch.status_code, drain.status_code) == statuses
    assert foreign.status_code == 403, "a browser sends its certificate for any page, and so the page is looked at"
    assert wrong.status_code == 401, "a wrong key is refused, whatever certificate comes with it"
    assert read.headers["strict-transport-security"]
    lines = [json.loads(line) for line in (authority.folder / "audit.jsonl").read_text().splitlines()]
    assert any(str(line.get("who")).startswith(f"certificate:CN={who}") for line in lines)


@pytest.mark.parametrize("who", [None, "stranger-ann", "old", "servers"])
def test_who_has_no_good_certificate_gets_no_connection(who: str | None, mutual: str, authority: Authority) -> None:
    verify = client_context(authority, None if who is None else authority.folder / f"{who}.pem")
    with (
        httpx.Client(base_url=mutual, verify=verify, timeout=LIMIT_S) as client,
        pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)),
    ):
        client.get("/healthz")


@pytest.mark.parametrize(
    ("version", "shaken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_are_not_spoken(version: ssl.TLSVersion, shaken: bool, mutual: str, authority: Authority) -> None:
    context = client_context(authority, authority.folder / "ann.pem")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is the server that refuses
    context.minimum_version = context.maximum_version = version
    host, port = mutual.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as plain:
        if shaken:
            with context.wrap_socket(plain, server_hostname=host) as spoken:
                assert spoken.version() == version.name.replace("_", ".")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname=host)


def test_in_clear_nothing_is_answered(mutual: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(mutual.replace("https", "http") + "/healthz", timeout=LIMIT_S)


def test_optional_certificates_leave_keys_and_probes(authority: Authority) -> None:
    key, _ = issue_key(str(authority.folder / "keys.json"), "jobs", Role.VIEWER)
    more = ('tls_client_ca = "authority.pem"', 'tls_client_certificates = "optional"', 'api_keys_file = "keys.json"')
    with serving_tls(authority.folder, settings(*more, f'tls_role_map = "{ROLES}"')) as (host, port):
        verify = client_context(authority)
        with httpx.Client(base_url=f"https://{host}:{port}", verify=verify, timeout=LIMIT_S) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/kernels").status_code == 401
            assert client.get("/v1/kernels", headers={"authorization": f"Bearer {key}"}).status_code == 200
        authority.server("next")
        for suffix in ("key", "pem"):  # as a certificate is renewed: the service takes the new one for new connections
            (authority.folder / f"next.{suffix}").replace(authority.folder / f"server.{suffix}")
        limit = time.monotonic() + LIMIT_S
        while b"next" not in served_certificate(host, port, verify):
            assert time.monotonic() < limit
            time.sleep(0.2)


def served_certificate(host: str, port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((host, port), timeout=LIMIT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as spoken,
    ):
        return spoken.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize(
    "bad", ["no certificate", "no key", "key of another", "open key", "no authority", "key for an authority"]
)
def test_files_that_do_not_do_are_told_at_the_start(bad: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server()
    authority.issue("ann", ("CN", "ann"))
    given = {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_ca": "authority.pem"}
    if bad == "open key":
        (tmp_path / "server.key").chmod(0o640 | 0o004)
    changes = {
        "no certificate": {"tls_certificate": "none"},
        "no key": {"tls_key": "none"},
        "key of another": {"tls_key": "ann.key"},
        "no authority": {"tls_client_ca": "none"},
        "key for an authority": {"tls_client_ca": "ann.key"},
    }
    paths = {name: str(tmp_path / file) for name, file in (given | changes.get(bad, {})).items()}
    with pytest.raises(UnreadableInput):
        ServerTls(SecurityConfig(**paths))


@pytest.mark.parametrize("bad", ["another's", "none", "gone"])
def test_a_new_certificate_that_does_not_do_leaves_the_old_one(bad: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.server()
    tls = ServerTls(SecurityConfig(tls_certificate=str(pem), tls_key=str(pem.with_suffix(".key"))))
    if bad == "gone":
        pem.unlink()
    else:
        pem.write_bytes(authority.server("other").read_bytes() if bad == "another's" else b"none")
    tls.look()
    assert b"server" in shaken(tls.context, client_context(authority))
    authority.server("next").replace(pem)
    (tmp_path / "next.key").replace(tmp_path / "server.key")
    tls.look()
    assert b"next" in shaken(tls.context, client_context(authority))


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Shake hands over a pair of sockets, and return the server's certificate."""
    one, other = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(one, server_side=True) as spoken:
            spoken.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(other, server_hostname="127.0.0.1") as spoken:
        certificate = spoken.getpeercert(binary_form=True)
        spoken.sendall(b"x")
    thread.join(LIMIT_S)
    return certificate or b""


def test_without_a_certificate_there_is_no_tls() -> None:
    assert ServerTls.of(SecurityConfig()) is None
