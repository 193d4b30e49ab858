"""The table of roles and permissions, looked at in full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.access import LEAST_ROLE, Permission, Role, may, role_of_user

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
