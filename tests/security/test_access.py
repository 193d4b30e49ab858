"""The table of roles and permissions, looked at in full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.access import LEAST_ROLE, Permission, Role, highest_role, may, read_role_map, role_of_user
from rkruntime.errors import Forbidden

ALLOWED = {
    None: set(),
    Role.VIEWER: {"read"},
    Role.OPERATOR: {"read", "launch"},
    Role.ADMIN: {"read", "launch", "drain", "admin"},
}


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("permission", Permission)
def test_every_role_and_permission(role: Role | None, permission: Permission) -> None:
    assert may(role, permission) == (permission in ALLOWED[role])


def test_every_permission_is_in_the_table() -> None:
    assert set(LEAST_ROLE) == set(Permission)


@given(st.sampled_from(Role), st.text())
def test_what_is_not_in_the_table_is_nobodys(role: Role, permission: str) -> None:
    assert may(role, permission) == (permission in ALLOWED[role])


def test_the_own_user_and_root_are_admins_of_the_control_socket_and_others_nothing() -> None:
    assert [role_of_user(user, 1000) for user in (1000, 0, 1001, 65534, -1)] == [Role.ADMIN, Role.ADMIN] + [None] * 3


NAMES = st.sampled_from(["user:ann", "user:1001", "group:lab", "group:2000", "user:bob"])


@given(st.integers(1, 5000), st.sets(NAMES), st.dictionaries(NAMES, st.sampled_from(Role)))
def test_others_have_the_highest_role_that_the_map_gives_one_of_their_names(
    user: int, names: set[str], roles: dict[str, Role]
) -> None:
    order = [None, *Role]
    told = role_of_user(user, 0, names, roles)
    assert order.index(told) == max([order.index(roles[name]) for name in names & set(roles)], default=0)
    assert highest_role(names, roles) is told
    assert role_of_user(user, user, names, roles) is Role.ADMIN


def test_a_map_of_roles_is_read_whole() -> None:
    told = read_role_map("user:ann=admin; group:a b=viewer ;user:1001 = operator;")
    assert dict(told) == {"user:ann": Role.ADMIN, "group:a b": Role.VIEWER, "user:1001": Role.OPERATOR}


def test_who_may_not_is_told_the_permission_by_its_name() -> None:
    for permission in Permission:
        told = str(Forbidden("vic", permission, "it takes the role admin"))
        assert f"'vic' lacks the permission '{permission.value}'" in told
        assert "<" not in told
