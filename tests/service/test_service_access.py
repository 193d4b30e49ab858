"""Every endpoint for every role, and for everybody who has none: a table, over a real socket."""

import json
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from service_process import LIMIT_S, ServiceProcess, serving

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
from issuer import AUDIENCE, ISSUER, jwks, signed, write

from rkruntime.access import Permission, Role
from rkruntime.security import SECURITY_HEADERS, issue_key, revoke_key, verify_audit
from rkruntime.service import ROUTES, RouteSpec

CONFIG = f"""
[security]
rbac_enabled = true
api_keys_file = "keys.json"
oidc_jwks = "jwks.json"
oidc_issuer = "{ISSUER}"
oidc_audience = "{AUDIENCE}"
oidc_role_map = "gpu-viewers=viewer; gpu-users=operator; gpu-admins=admin"
oidc_leeway = "0s"
audit_logging = true
audit_file = "audit.jsonl"
"""
MAY = {  # written out, and not read from the table that the service reads
    None: (None, "read", "launch", "drain", "admin"),
    "viewer": (None, "read"),
    "operator": (None, "read", "launch"),
    "admin": (None, "read", "launch", "drain", "admin"),
}
NOBODY = ("nobody", "wrong key", "unknown key", "revoked key", "expired key", "expired token", "early token", "basic")
KNOWN = {
    "viewer key": "viewer",
    "operator key": "operator",
    "admin key": "admin",
    "viewer token": "viewer",
    "operator token": "operator",
    "admin token": "admin",
}
ALL = (*NOBODY, *KNOWN, "token without a role")


class Secured:
    """A service that demands roles, and what each identity shows it."""

    def __init__(self, service: ServiceProcess, folder: Path, headers: dict[str, dict[str, str]]) -> None:
        self.service = service
        self.folder = folder
        self.headers = headers

    def ask(self, route: RouteSpec, who: str, **more: str) -> tuple[int, httpx.Headers, bytes]:
        """Ask so that nothing happens where it is let: a kernel that is not there, a drain that is not understood."""
        path = route.path.replace("{name}", "nothing")
        content = b'{"nothing": 1}' if route.method == "POST" else None
        headers = {"content-type": "application/json"} | self.headers[who] | more
        with self.service.client.stream(route.method, path, headers=headers, content=content) as answer:
            streams = answer.headers.get("content-type", "").startswith("text/event-stream")
            return answer.status_code, answer.headers, b"" if streams else answer.read()

    def records(self, event: str) -> list[dict[str, object]]:
        lines = (json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines())
        return [line for line in lines if line["event"] == event]


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("access")
    path = str(folder / "keys.json")
    headers: dict[str, dict[str, str]] = {"nobody": {}, "basic": {"authorization": "Basic YW5uOnNlY3JldA=="}}
    for role in Role:
        key, _ = issue_key(path, f"{role} of the test", role)
        headers[f"{role} key"] = bearer(key)
    headers["wrong key"] = bearer(key[:-4] + ("AAAA" if key[-4:] != "AAAA" else "BBBB"))
    headers["unknown key"] = bearer("rk_abcdefgh_" + "A" * 43)
    revoked, record = issue_key(path, "revoked", Role.ADMIN)
    revoke_key(path, record.id)
    headers["revoked key"] = bearer(revoked)
    headers["expired key"] = bearer(issue_key(path, "old", Role.ADMIN, 60.0, now=lambda: time.time() - 3600)[0])
    write(folder / "jwks.json", jwks())
    for role, group in (("viewer", "gpu-viewers"), ("operator", "gpu-users"), ("admin", "gpu-admins")):
        headers[f"{role} token"] = bearer(signed("ES256", roles=[group], exp=int(time.time()) + 3600))
    now = int(time.time())
    headers["expired token"] = bearer(signed(roles=["gpu-admins"], exp=now - 1))
    headers["early token"] = bearer(signed(roles=["gpu-admins"], nbf=now + 3600, exp=now + 7200))
    headers["token without a role"] = bearer(signed(roles=["others"], exp=now + 3600))
    with serving(folder, config=CONFIG) as service:
        for who in ALL[len(NOBODY) :]:  # who is known once need not wait for what others on this address get wrong
            status = service.client.get("/v1/kernels", headers=headers[who]).status_code
            assert status == (200 if who in KNOWN else 403)
        yield Secured(service, folder, headers)


def expected(who: str, permission: Permission | None) -> set[int] | None:
    """The statuses of a refusal; None where the request is let in."""
    if permission is None:
        return None
    if who in NOBODY:
        return {401, 429}  # 429 once too many have been wrong
    return None if permission in MAY[KNOWN.get(who)] and who in KNOWN else {403}


@pytest.mark.parametrize("who", ALL)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_endpoint_for_everyone(route: RouteSpec, who: str, secured: Secured) -> None:
    status, headers, body = secured.ask(route, who)
    refusal = expected(who, route.permission)
    if refusal is None:
        assert status not in (401, 403, 429), body
    else:
        assert status in refusal
        assert headers["content-type"] == "application/problem+json"
        assert ("www-authenticate" in headers) == (status == 401)
        assert ("retry-after" in headers) == (status == 429)


def test_head_takes_what_get_takes(secured: Secured) -> None:
    for path, status in (("/v1/kernels", 403), ("/v1/runtime", 403), ("/healthz", 200), ("/v1/runtime/drain", 405)):
        headers = secured.headers["token without a role"]
        assert secured.service.client.head(path, headers=headers).status_code == status


def test_the_table_has_all_permissions_and_endpoints() -> None:
    assert {route.permission for route in ROUTES} >= {None, Permission.READ, Permission.LAUNCH, Permission.DRAIN}
    assert len(ROUTES) >= 10
    assert set(MAY) == {None, *Role}


@pytest.fixture
def patient(secured: Secured) -> Secured:
    """The service after it has forgotten the failures so far."""
    read = next(route for route in ROUTES if route.path == "/v1/kernels")
    until = time.monotonic() + LIMIT_S
    while secured.ask(read, "unknown key")[0] == 429:
        assert time.monotonic() < until
    return secured


def test_refusals_do_not_tell_why(patient: Secured) -> None:
    read = next(route for route in ROUTES if route.path == "/v1/kernels")
    told = set()
    for who in NOBODY:
        while (answer := patient.ask(read, who))[0] == 429:
            time.sleep(0.2)  # a real service on a real clock: what it forgets takes time
        problem = json.loads(answer[2])
        problem.pop("request_id")
        headers = {name: value for name, value in answer[1].items() if name not in ("date", "x-request-id")}
        told.add(json.dumps([answer[0], problem, headers], sort_keys=True))
    assert len(told) == 1


def test_every_decision_is_on_record_with_its_reason(patient: Secured) -> None:
    read = next(route for route in ROUTES if route.path == "/v1/runtime")
    before = len(patient.records("decision"))
    for who in ("viewer key", "token without a role", "nobody"):
        patient.ask(read, who, **{"x-request-id": f"id-of-{who.replace(' ', '-')}"})
    records = patient.records("decision")[before:]
    told = [(one["request_id"], one["allowed"], one["role"], one["path"], one["permission"]) for one in records]
    assert told == [
        ("id-of-viewer-key", True, "viewer", "/v1/runtime", "read"),
        ("id-of-token-without-a-role", False, None, "/v1/runtime", "read"),
        ("id-of-nobody", False, None, "/v1/runtime", "read"),
    ]
    assert records[1]["who"] == "token:ann"
    assert records[2]["why"] == "nothing was shown"
    assert verify_audit([patient.folder / "audit.jsonl"]).whole


def test_no_credential_is_in_the_audit_log_or_the_log(secured: Secured) -> None:
    read = next(route for route in ROUTES if route.path == "/v1/kernels")
    for who in ALL:
        secured.ask(read, who)
    told = (secured.folder / "audit.jsonl").read_text() + secured.service.told()
    for headers in secured.headers.values():
        for value in headers.values():
            assert value.split()[-1] not in told


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/kernels", "/nothing", "/v1/runtime/drain"])
def test_every_answer_has_the_headers(path: str, secured: Secured) -> None:
    headers = secured.service.client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        if name != "content-security-policy":
            assert headers.get_list(name) == [value]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert ("script-src 'self'" in policy) == (path == "/")
    assert "set-cookie" not in headers
    assert not any(name.startswith("access-control-") for name in headers)
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("headers", "let"),
    [
        ({"origin": "https://evil.example.org"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"host": "evil.example.org"}, False),
        ({"origin": "http://{host}"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"host": "localhost:1"}, True),
        ({}, True),
    ],
)
def test_a_foreign_page_moves_nothing(headers: dict[str, str], let: bool, secured: Secured) -> None:
    host = "{}:{}".format(*secured.service.address)
    drain = next(route for route in ROUTES if route.permission is Permission.DRAIN)
    status, *_ = secured.ask(drain, "admin key", **{name: value.format(host=host) for name, value in headers.items()})
    assert (status == 422) == let
    assert (status == 403) != let


def until(status: int, shown: str, secured: Secured) -> None:
    """Ask until it is known: what changed is read again each second, and failures before may have this address wait."""
    limit = time.monotonic() + LIMIT_S
    while secured.service.client.get("/v1/kernels", headers=bearer(shown)).status_code != status:
        assert time.monotonic() < limit
        time.sleep(0.2)


def test_a_new_key_and_a_new_signing_key_hold_and_a_revoked_one_does_not(secured: Secured) -> None:
    path = str(secured.folder / "keys.json")
    key, record = issue_key(path, "late", Role.VIEWER)

    until(200, key, secured)
    revoke_key(path, record.id)
    until(401, key, secured)
    write(secured.folder / "jwks.json", jwks("ES256"))
    old = signed("EdDSA", exp=int(time.time()) + 3600)
    until(401, old, secured)
    write(secured.folder / "jwks.json", jwks())
    until(200, old, secured)


def test_an_event_stream_ends_with_the_key_that_opened_it(secured: Secured) -> None:
    key, record = issue_key(str(secured.folder / "keys.json"), "listener", Role.VIEWER)
    until(200, key, secured)
    with httpx.stream("GET", f"{secured.service.url}/v1/events", headers=bearer(key), timeout=LIMIT_S) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        revoke_key(str(secured.folder / "keys.json"), record.id)
        limit = time.monotonic() + LIMIT_S
        for _ in lines:
            assert time.monotonic() < limit, "it went on without its key"
    until(401, key, secured)


def test_rates_and_idempotency_keys_are_each_identitys_own(tmp_path: Path) -> None:
    ann, bob = (bearer(issue_key(str(tmp_path / "keys.json"), name, Role.OPERATOR)[0]) for name in ("ann", "bob"))
    config = '[security]\nrbac_enabled = true\napi_keys_file = "keys.json"\n[service]\nrate_limit = 1\nrate_burst = 5\n'
    key = {"idempotency-key": "the-same"}
    with serving(tmp_path, config=config) as service:

        def launch(who: dict[str, str], value: float) -> httpx.Response:
            asked = {"args": {"x": [value]}, "over": 1}
            return service.client.post("/v1/kernels/bump/launch", json=asked, headers=who | key)

        assert [launch(who, value).json()["results"]["x"] for who, value in ((ann, 1.0), (bob, 5.0))] == [[2.0], [6.0]]
        while (refused := service.client.get("/v1/kernels", headers=ann)).status_code == 200:
            pass
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert service.client.get("/v1/kernels", headers=bob).status_code == 200


def test_the_page_has_every_endpoint_with_its_permission() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    script = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "write_security.py"))
    assert script["written"](page) == page, "run docs/write_security.py"
    assert page.count("| `GET /v1/") > 3
    for permission in Permission:
        cells = ["yes" if permission in MAY[role.value] else "no" for role in Role]
        assert f"| `{permission}` | {' | '.join(cells)} |" in page
