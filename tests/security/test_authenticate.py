"""Who asks: which way in counts, and what none of them opens."""

from pathlib import Path

import attrs
import pytest
from issuer import AUDIENCE, ISSUER, jwks, signed

from rkruntime.access import Role
from rkruntime.config import SecurityConfig
from rkruntime.errors import InvalidConfiguration, UnreadableInput
from rkruntime.security import ANYONE, Authenticator, Identity, Unproven, issue_key

ANN = ("CN=ann,O=Lab",)


@pytest.fixture
def config(tmp_path: Path) -> SecurityConfig:
    (tmp_path / "jwks.json").write_bytes(jwks())
    issue_key(str(tmp_path / "keys.json"), "first", Role.VIEWER)
    return SecurityConfig(
        rbac_enabled=True,
        api_keys_file=str(tmp_path / "keys.json"),
        oidc_jwks=str(tmp_path / "jwks.json"),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_role_map="gpu-users=operator",
        tls_role_map="CN=ann,O=Lab=admin",
    )


def test_without_roles_anyone_is_let_in_whatever_they_show() -> None:
    who = Authenticator(SecurityConfig())
    for bearer in (None, "nonsense", "rk_abcdefgh_" + "A" * 43):
        assert who.known(bearer, ()) is ANYONE
    assert ANYONE.label == "anyone"


def test_every_way_in(config: SecurityConfig) -> None:
    assert config.api_keys_file is not None
    who = Authenticator(config)
    key, record = issue_key(config.api_keys_file, "jobs", Role.OPERATOR)
    token = signed()
    for bearer, label in ((key, f"key:{record.id}"), (token, "token:ann")):
        assert who.known(bearer, ()) is None
        found = who.prove(bearer)
        assert isinstance(found, Identity)
        assert (found.label, found.role) == (label, Role.OPERATOR)
        assert who.known(bearer, ()) == found
    certified = who.known(None, ANN)
    assert isinstance(certified, Identity)
    assert (certified.label, certified.role) == ("certificate:CN=ann,O=Lab", Role.ADMIN)
    who.look()


def test_a_certificate_does_not_make_up_for_a_wrong_bearer(config: SecurityConfig) -> None:
    who = Authenticator(config)
    assert who.known("nonsense", ANN) is None
    assert isinstance(who.prove("nonsense"), Unproven)
    assert isinstance(who.known(None, ()), Unproven)
    stranger = who.known(None, ("CN=bob",))
    assert isinstance(stranger, Identity)
    assert stranger.role is None


def test_what_is_not_configured_opens_nothing(config: SecurityConfig) -> None:
    keys_alone = attrs.evolve(config, oidc_jwks=None)
    who = Authenticator(keys_alone)
    assert who.known(signed(), ()) is None
    assert isinstance(who.prove(signed()), Unproven)
    who.look()
    nothing = Authenticator(SecurityConfig(rbac_enabled=True))
    assert isinstance(nothing.prove("rk_abcdefgh_" + "A" * 43), Unproven)


@pytest.mark.parametrize("missing", ["oidc_issuer", "oidc_audience"])
def test_tokens_of_any_issuer_or_for_any_audience_are_not_checked_at_all(missing: str, config: SecurityConfig) -> None:
    with pytest.raises(InvalidConfiguration):
        Authenticator(attrs.evolve(config, **{missing: None}))


@pytest.mark.parametrize("missing", ["api_keys_file", "oidc_jwks"])
def test_files_must_be_there_at_the_start(missing: str, config: SecurityConfig) -> None:
    with pytest.raises(UnreadableInput):
        Authenticator(attrs.evolve(config, **{missing: "/nowhere/at-all"}))
