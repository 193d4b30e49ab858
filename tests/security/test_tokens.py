"""Bearer tokens: what holds, what does not, and keys that are rotated."""

import hashlib
import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from issuer import AUDIENCE, ISSUER, PRIVATE, claims, jwk, jwks, jwks_of, public_pem, signed, unsigned, write

from rkruntime.access import Role, read_role_map
from rkruntime.errors import InvalidConfiguration, UnreadableInput
from rkruntime.security import Identity, Unproven
from rkruntime.security._jwks import AGAIN_S, MOST_STALE_S, JwksSource, fetch, read_jwks
from rkruntime.security._tokens import Tokens

ROLES = read_role_map("gpu-viewers=viewer; gpu-users=operator; gpu-admins=admin; a=b=viewer")
URL = "https://issuer.example.org/jwks"


class Clock:
    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s


class Remote:
    """A URL that answers with what it is told to, or not at all."""

    def __init__(self, data: bytes) -> None:
        self.data: bytes | None = data
        self.reads = 0

    def __call__(self, url: str) -> bytes:
        assert url == URL
        self.reads += 1
        if self.data is None:
            raise OSError("unreachable")
        return self.data


def tokens(source: JwksSource, **more: Any) -> Tokens:
    options = {"issuer": ISSUER, "audience": AUDIENCE, "leeway_s": 30.0, "claim": "roles", "roles": ROLES}
    return Tokens(source, **(options | more))


@pytest.fixture
def source(tmp_path: Path) -> JwksSource:
    (tmp_path / "jwks.json").write_bytes(jwks())
    return JwksSource(str(tmp_path / "jwks.json"), 300.0)


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_every_algorithm_holds(algorithm: str, source: JwksSource) -> None:
    checked = tokens(source)
    token = signed(algorithm)
    ann = Identity(how="token", id="ann", name="ann", role=Role.OPERATOR)
    assert checked.known(token) is None
    assert checked.prove(token) == ann
    assert checked.known(token) == ann
    assert checked.prove(signed(algorithm, None)) == ann  # no key id, and one key of that algorithm


def hs256_with(key: bytes, header: dict[str, Any]) -> str:
    """What a careless verifier takes: the public key, which everybody has, as the secret of an HMAC."""
    head = ".".join(unsigned(header, roles=["gpu-admins"]).split(".")[:2])
    digest = hmac.new(key, head.encode(), hashlib.sha256).digest()
    return head + "." + urlsafe_b64encode(digest).decode().rstrip("=")


def replaced(token: str, **changed: Any) -> str:
    """A token with other claims, and the signature that it had."""
    head, _, signature = token.split(".")
    body = urlsafe_b64encode(json.dumps(claims(**changed)).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


def now() -> int:
    return int(time.time())


BAD: dict[str, Callable[[], str]] = {
    "algorithm none": lambda: unsigned({"alg": "none"}),
    "algorithm None": lambda: unsigned({"alg": "None", "kid": "RS256"}),
    "no algorithm": lambda: unsigned({"kid": "RS256"}),
    "a list for an algorithm": lambda: unsigned({"alg": ["RS256"], "kid": "RS256"}),
    "HS256 with the public key": lambda: hs256_with(public_pem("RS256"), {"alg": "HS256", "kid": "RS256"}),
    "HS256 with the JWK": lambda: hs256_with(jwks("RS256"), {"alg": "HS256", "kid": "RS256"}),
    "RS256 that is an HMAC": lambda: hs256_with(public_pem("RS256"), {"alg": "RS256", "kid": "RS256"}),
    "another algorithm than the key's": lambda: signed("ES256", "RS256"),
    "RS512 with the key of RS256": lambda: signed_as("RS512", "RS256"),
    "PS256 with the key of RS256": lambda: signed_as("PS256", "RS256"),
    "another's key": lambda: signed("RS256", key=rsa.generate_private_key(65537, 2048)),
    "an unknown key": lambda: signed("RS256", "unknown"),
    "a key id that is none": lambda: unsigned({"alg": "RS256", "kid": {"a": 1}}),
    "a key in the header": lambda: unsigned({"alg": "RS256", "jwk": jwk(PRIVATE["RS256"], "RS256", "x")}),
    "an extension": lambda: unsigned({"alg": "RS256", "kid": "RS256", "crit": ["exp"]}),
    "other claims": lambda: replaced(signed(), roles=["gpu-admins"]),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "expired": lambda: signed(exp=now() - 31),
    "too early": lambda: signed(nbf=now() + 600),
    "issued in the future": lambda: signed(iat=now() + 600),
    "another issuer": lambda: signed(iss="https://evil.example.org"),
    "an issuer that begins alike": lambda: signed(iss=ISSUER + ".evil.example.org"),
    "another audience": lambda: signed(aud="another"),
    "no expiry": lambda: signed(exp=None),
    "no issuer": lambda: signed(iss=None),
    "no audience": lambda: signed(aud=None),
    "no subject": lambda: signed(sub=None),
    "an empty subject": lambda: signed(sub=""),
    "a subject of two lines": lambda: signed(sub="ann\nroot"),
    "an expiry that is text": lambda: signed_raw(exp="never"),
    "an expiry beyond all time": lambda: signed_raw(exp=10**400),
    "too long": lambda: signed(more="x" * 10_000),
    "no token": lambda: "hello",
    "empty parts": lambda: "..",
    "an array": lambda: "W10.W10.W10",
    "nothing": lambda: "",
}


def signed_as(algorithm: str, kid: str) -> str:
    import jwt

    return jwt.encode(claims(), PRIVATE["RS256"], algorithm, {"kid": kid})


def signed_raw(**changed: Any) -> str:
    import jwt

    return jwt.api_jws.encode(json.dumps(claims(**changed)).encode(), PRIVATE["RS256"], "RS256", {"kid": "RS256"})


@pytest.mark.parametrize("bad", BAD)
def test_what_does_not_hold(bad: str, source: JwksSource) -> None:
    checked = tokens(source)
    token = BAD[bad]()
    assert isinstance(checked.prove(token), Unproven)
    assert checked.known(token) is None


def test_leeway_is_for_clocks_that_differ(source: JwksSource) -> None:
    for changed in ({"exp": now() - 300}, {"nbf": now() + 300}, {"iat": now() + 300}):
        assert isinstance(tokens(source, leeway_s=3600.0).prove(signed(**changed)), Identity)
        assert isinstance(tokens(source, leeway_s=0.0).prove(signed(**changed)), Unproven)


def test_a_known_token_expires(source: JwksSource) -> None:
    clock = Clock()
    clock.s = time.time()
    checked = tokens(source, now=clock)
    token = signed(exp=int(clock.s) + 60)
    assert isinstance(checked.prove(token), Identity)
    clock.s += 60 + 29
    assert checked.known(token) is not None
    clock.s += 2
    assert checked.known(token) is None


@pytest.mark.parametrize(
    ("claim", "told", "role"),
    [
        ("roles", {"roles": ["others", "gpu-viewers", "gpu-admins"]}, Role.ADMIN),
        ("roles", {"roles": "gpu-users"}, Role.OPERATOR),
        ("scope", {"scope": "openid gpu-viewers"}, Role.VIEWER),
        ("realm_access.roles", {"realm_access": {"roles": ["gpu-viewers"]}}, Role.VIEWER),
        ("https://example.org/roles", {"https://example.org/roles": ["gpu-viewers"]}, Role.VIEWER),
        ("roles", {"roles": ["a=b"]}, Role.VIEWER),
        ("roles", {"roles": ["admin"]}, None),
        ("roles", {"roles": ["GPU-ADMINS", " gpu-admins"]}, None),
        ("roles", {"roles": [["gpu-admins"], {"gpu-admins": 1}, 3]}, None),
        ("roles", {"roles": {"gpu-admins": True}}, None),
        ("realm_access.roles", {"realm_access": ["gpu-admins"]}, None),
        ("roles", {"roles": None}, None),
    ],
)
def test_roles_come_from_the_claim_by_the_map_alone(
    claim: str, told: dict[str, Any], role: Role | None, source: JwksSource
) -> None:
    found = tokens(source, claim=claim).prove(signed(**told))
    assert isinstance(found, Identity)
    assert found.role is role


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_no_text_makes_it_raise(text: str) -> None:
    source = JwksSource(URL, 300.0, read=Remote(jwks("ES256")))
    assert isinstance(tokens(source).prove(text), Unproven)
    assert isinstance(tokens(source).prove(f"{text}.{text}.{text}"), Unproven)


def test_keys_of_other_kinds_and_uses_are_left_out() -> None:
    good = jwk(PRIVATE["RS256"], "RS256", "good")
    told = {
        "good": good,
        "short": jwk(rsa.generate_private_key(65537, 1024), "RS256", "short"),
        "curve": jwk(ec.generate_private_key(ec.SECP384R1()), "ES256", "curve"),
        "secret": {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        "enc": good | {"kid": "enc", "use": "enc"},
        "sign": good | {"kid": "sign", "key_ops": ["sign"]},
        "other": good | {"kid": "other", "alg": "RS512"},
        "private": good | {"kid": "private", "d": "AQAB"},
        "broken": {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        "number": good | {"kid": 3},
    }
    assert set(read_jwks(jwks_of(**told))) == {("good", "RS256")}
    for bad in (b"", b"[]", b"{}", b'{"keys": 3}', b"\xff"):
        with pytest.raises(ValueError):
            read_jwks(bad)
    assert read_jwks(b'{"keys": [3, null]}') == {}


JSON = st.none() | st.booleans() | st.integers() | st.text("aA0-_=", max_size=4) | st.lists(st.integers(), max_size=2)
FIELDS = ("kid", "use", "alg", "key_ops", "n", "e", "x", "y", "crv", "d")
KINDS = st.sampled_from(["RSA", "EC", "OKP", "oct", "", None, 3])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*PRIVATE]), st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["P-256"])), KINDS)
def test_no_key_keeps_the_others_out(algorithm: str, changed: dict[str, Any], kind: object) -> None:
    good = jwk(PRIVATE["RS256"], "RS256", "good")
    for bad in (jwk(PRIVATE[algorithm], algorithm, "bad") | changed, changed | {"kty": kind}):
        assert ("good", "RS256") in read_jwks(jwks_of(bad=bad, good=good))


def test_an_unknown_key_is_looked_for_at_most_so_often() -> None:
    clock, remote = Clock(), Remote(jwks("RS256"))
    checked = tokens(JwksSource(URL, 300.0, ticks=clock, read=remote))
    clock.s += AGAIN_S
    for _ in range(50):
        assert isinstance(checked.prove(signed("ES256", "unknown")), Unproven)
    assert remote.reads == 2
    remote.data = jwks()
    assert isinstance(checked.prove(signed("ES256")), Unproven)
    clock.s += AGAIN_S
    assert isinstance(checked.prove(signed("ES256")), Identity)
    assert remote.reads == 3


def test_a_key_that_is_withdrawn_ends_what_it_has_proven() -> None:
    clock, remote = Clock(), Remote(jwks())
    source = JwksSource(URL, 300.0, ticks=clock, read=remote)
    checked = tokens(source)
    token = signed("ES256")
    assert isinstance(checked.prove(token), Identity)
    remote.data = jwks("RS256")
    clock.s += 299
    source.look()
    assert isinstance(checked.known(token), Identity)
    clock.s += 1
    source.look()
    assert checked.known(token) is None
    assert isinstance(checked.prove(token), Unproven)
    assert remote.reads == 2


def test_keys_that_cannot_be_read_again_hold_for_a_day_and_are_tried_often() -> None:
    clock, remote = Clock(), Remote(jwks())
    source = JwksSource(URL, 300.0, ticks=clock, read=remote)
    checked = tokens(source)
    remote.data = None
    began, reads = clock.s, remote.reads
    while clock.s - began < MOST_STALE_S - 1:
        clock.s += 100
        source.look()
        assert source.keys or clock.s - began >= MOST_STALE_S
    assert remote.reads - reads > 800
    clock.s += 101
    source.look()
    assert isinstance(checked.prove(signed()), Unproven)
    remote.data = jwks()
    clock.s += AGAIN_S
    source.look()
    assert isinstance(checked.prove(signed()), Identity)


def test_a_url_that_is_not_there_at_the_start_is_tried_again() -> None:
    clock, remote = Clock(), Remote(b"")
    remote.data = None
    source = JwksSource(URL, 300.0, ticks=clock, read=remote)
    assert isinstance(tokens(source).prove(signed()), Unproven)
    remote.data = jwks()
    clock.s += AGAIN_S
    assert isinstance(tokens(source).prove(signed()), Identity)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    write(path, jwks("RS256"))
    source = JwksSource(str(path), 300.0)
    checked = tokens(source)
    assert isinstance(checked.prove(signed("ES256")), Unproven)
    write(path, jwks("ES256"))
    assert isinstance(checked.prove(signed("ES256")), Identity)  # an unknown key looks at once
    generation = source.generation
    source.look()
    assert source.generation == generation
    write(path, b"broken")
    source.look()
    assert isinstance(checked.prove(signed("ES256")), Identity)


@pytest.mark.parametrize("place", ["http://issuer.example.org/jwks", "ftp://issuer.example.org/jwks", "file:///jwks"])
def test_keys_come_by_https_or_from_a_file(place: str) -> None:
    with pytest.raises(InvalidConfiguration):
        JwksSource(place, 300.0)


def test_a_file_must_be_there_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        JwksSource(str(tmp_path / "none.json"), 300.0)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/jwks")
            self.end_headers()
            return
        data = {"/jwks": jwks(), "/huge": b"x" * (2**20 + 1)}.get(self.path)
        self.send_response(404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join(30)


def test_keys_are_read_over_a_real_socket(server: str) -> None:
    assert isinstance(tokens(JwksSource(f"{server}/jwks", 300.0)).prove(signed()), Identity)
    for path, status in (("moved", "302"), ("nothing", "404")):
        with pytest.raises(HTTPError, match=status) as refused:
            fetch(f"{server}/{path}")
        assert refused.value.closed
    with pytest.raises(ValueError, match="longer"):
        fetch(f"{server}/huge")
