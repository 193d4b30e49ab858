"""The names in certificates, and whose they are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.access import Role, highest_role, read_role_map
from rkruntime.security import names_in
from rkruntime.security._certificate import identity_of

ROLES = read_role_map("CN=ann,O=Lab=admin; URI:spiffe://lab/cron = operator; CN=bob=viewer;")


def subject(*parts: tuple[str, str]) -> dict[str, Any]:
    return {"subject": tuple((part,) for part in parts)}


CRON = {"subjectAltName": (("URI", "spiffe://lab/cron"),)}
ANN = subject(("commonName", "ann"), ("organizationName", "Lab"))


@pytest.mark.parametrize(
    ("certificate", "names", "role"),
    [
        (None, (), None),
        ({}, (), None),
        (ANN, ("CN=ann,O=Lab",), Role.ADMIN),
        (subject(("commonName", "ann")), ("CN=ann",), None),
        (subject(("commonName", "ann,O=Lab")), (r"CN=ann\,O\=Lab",), None),
        (subject(("organizationName", "Lab"), ("commonName", "ann")), ("O=Lab,CN=ann",), None),
        (subject(("commonName", "CN=bob")), (r"CN=CN\=bob",), None),
        (subject(("commonName", "URI:spiffe://lab/cron")), ("CN=URI:spiffe://lab/cron",), None),
        (CRON, ("URI:spiffe://lab/cron",), Role.OPERATOR),
        ({"subjectAltName": (("DNS", "spiffe://lab/cron"),)}, ("DNS:spiffe://lab/cron",), None),
        ({"subjectAltName": (("othername", "x"),)}, (), None),
        (
            ANN | {"subjectAltName": (("URI", "spiffe://lab/cron"),)},
            ("CN=ann,O=Lab", "URI:spiffe://lab/cron"),
            Role.ADMIN,
        ),
    ],
)
def test_names_and_roles(certificate: dict[str, Any] | None, names: tuple[str, ...], role: Role | None) -> None:
    assert names_in(certificate) == names
    found = identity_of(names, ROLES)
    assert (found is None) == (not names)
    assert found is None or (found.role, found.how, found.name) == (role, "certificate", names[0])


@given(st.text(), st.text())
def test_no_name_looks_like_two(one: str, other: str) -> None:
    both = names_in(subject(("commonName", one), ("organizationName", other)))
    assert names_in(subject(("commonName", f"{one},O={other}"))) != both


def test_a_map_of_roles_is_read_and_the_highest_counts() -> None:
    assert dict(ROLES) == {"CN=ann,O=Lab": Role.ADMIN, "URI:spiffe://lab/cron": Role.OPERATOR, "CN=bob": Role.VIEWER}
    assert highest_role(("CN=bob", "URI:spiffe://lab/cron", "x"), ROLES) is Role.OPERATOR
    assert highest_role((), ROLES) is None
    assert dict(read_role_map(None)) == {}
