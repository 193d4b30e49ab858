"""Roles at the control socket: every command and role, decided by the user that the system names, in real processes."""

import grp
import json
import os
import pwd
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from control_clients import path_of

from rkruntime.access import LEAST_ROLE, Role
from rkruntime.config import RuntimeConfig
from rkruntime.control import claim, names_of_user
from rkruntime.control._people import group_number
from rkruntime.control._place import closed_way
from rkruntime.errors import ControlUnavailable
from rkruntime.runtime import ControlRequest, State, open_runtime
from rkruntime.runtime._askers import MOST_WAITING, PERMISSIONS, Asker, Askers, why_refused
from rkruntime.testing import FakeDevice, RecordingHook

LIMIT_S = 120
MAY = {None: set(), Role.VIEWER: {"status"}, Role.OPERATOR: {"status"}, Role.ADMIN: {"status", "drain"}}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def users_with_own_group() -> list[pwd.struct_passwd]:
    """Users of this system besides root, each alone in a group of its own name's number."""
    groups = {group.gr_gid: group for group in grp.getgrall()}
    told = [user for user in pwd.getpwall() if user.pw_uid and user.pw_gid in groups]
    return list({(user.pw_uid, user.pw_gid): user for user in told if user.pw_gid}.values())


ANN, BOB, EVE = users_with_own_group()[:3]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user may pass through."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o711)
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made)


def config(role_map: str | None, **more: Any) -> RuntimeConfig:
    return RuntimeConfig(worker_threads=1, socket_role_map=role_map, **more)


ASK = """\
import json, os, socket, sys
name, groups, path, request = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
connection = socket.socket(socket.AF_UNIX)
number, main = (int(part) for part in name.split(":"))
os.setgroups(groups)
os.setgid(main)
os.setuid(number)
try:
    connection.connect(path)
except PermissionError:
    sys.exit("no permission")
try:
    connection.sendall(json.dumps({"request": request}).encode() + b"\\n")
except BrokenPipeError:
    pass  # refused before it could ask
sys.stdout.write(connection.makefile().readline())
"""


async def ask_as(user: pwd.struct_passwd, folder: Path, request: str, *, groups: tuple[int, ...] = ()) -> Any:
    """Ask in a process of a user, with these groups besides its own; what it prints first, or None if kept away."""
    words = [f"{user.pw_uid}:{user.pw_gid}", json.dumps(groups), str(path_of(folder)), request]
    with trio.fail_after(LIMIT_S):
        done = await trio.run_process(
            [sys.executable, "-S", "-c", ASK, *words], capture_stdout=True, capture_stderr=True, check=False
        )
    if done.stderr == b"no permission\n":
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("request_name", PERMISSIONS)
def test_every_command_and_role(request_name: str, role: Role | None) -> None:
    asker = Asker(process=1, user=1001, name="ann", role=role)
    refused = why_refused(asker, request_name)
    assert (refused is None) == (request_name in MAY[role])
    if refused is not None:
        why, mend = refused
        assert "ann" in why
        assert f'"user:ann={LEAST_ROLE[PERMISSIONS[request_name]]}"' in mend


@as_root
@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("request_name", PERMISSIONS)
async def test_every_command_and_role_in_a_process_of_that_user(
    folder: Path, request_name: str, role: Role | None
) -> None:
    hook = RecordingHook()
    roles = f"user:{BOB.pw_name}=admin" + (f"; user:{ANN.pw_name}={role}" if role else "")
    with trio.CancelScope() as scope:
        async with open_runtime(config(roles), device=FakeDevice(), instance="here", hooks=[hook]) as runtime:
            with trio.CancelScope(shield=True):  # a drain cancels this block
                told = await ask_as(ANN, folder, request_name)
            allowed = request_name in MAY[role]
            assert (runtime.state is State.RUNNING) == (not allowed or request_name != "drain")
            scope.cancel()
    assert told["kind"] == ({"status": "status", "drain": "progress"}[request_name] if allowed else "refused")
    (decided,) = hook.of(ControlRequest)
    kept = attrs.asdict(decided, filter=lambda field, _: field.name not in ("process", "why"))
    expected = {"user": ANN.pw_uid, "name": ANN.pw_name, "role": role, "allowed": allowed}
    assert kept == expected | {"request": request_name if role else "connect"}
    assert decided.why == ("" if allowed else told["error"])
    if role and not allowed:
        assert f"{request_name} takes the role admin" in told["error"]


@as_root
async def test_groups_are_those_that_the_system_lists_and_not_those_that_a_process_has(folder: Path) -> None:
    roles = f"group:{BOB.pw_gid}=viewer; group:{grp.getgrgid(ANN.pw_gid).gr_name}=operator"
    async with open_runtime(config(roles), device=FakeDevice(), instance="here"):
        assert (await ask_as(BOB, folder, "status"))["kind"] == "status"
        assert (await ask_as(ANN, folder, "status"))["kind"] == "status"
        told = await ask_as(EVE, folder, "status", groups=(BOB.pw_gid, ANN.pw_gid))
        assert f"user {EVE.pw_name} has no role here" in told["error"]


@as_root
async def test_only_the_group_may_connect(folder: Path) -> None:
    group = grp.getgrgid(BOB.pw_gid).gr_name
    roles = f"user:{ANN.pw_name}=admin; user:{BOB.pw_uid}=viewer"
    async with open_runtime(config(roles, socket_group=group), device=FakeDevice(), instance="here"):
        about = path_of(folder).stat()
        assert (stat.S_IMODE(about.st_mode), about.st_gid) == (0o660, BOB.pw_gid)
        assert await ask_as(ANN, folder, "status") is None
        assert (await ask_as(ANN, folder, "status", groups=(BOB.pw_gid,)))["kind"] == "status"
        assert (await ask_as(BOB, folder, "status"))["kind"] == "status"


AS_USER = """\
import os, sys
import rkruntime.cli.__main__, rkruntime.cli._status, rkruntime.cli._runtime, rkruntime.cli._exit, rkruntime.errors
from rkruntime.control import converse
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
sys.argv[:] = ["rustkernel", *sys.argv[3:]]
rkruntime.cli.__main__.main()
"""


UNCOVERED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
"""Without what has a child's coverage written to a folder in which another user cannot write."""


async def command_as(user: pwd.struct_passwd, *words: str) -> tuple[int, str]:
    """Run the command as a user, from modules that were loaded before; its exit status and what it says on stderr."""
    who = [str(user.pw_uid), str(user.pw_gid)]
    with trio.fail_after(LIMIT_S):
        done = await trio.run_process(
            [sys.executable, "-c", AS_USER, *who, *words],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=UNCOVERED | {"NO_COLOR": "1"},
        )
    return done.returncode, done.stderr.decode()


@as_root
async def test_the_command_says_which_role_is_missing_and_how_to_get_it(folder: Path) -> None:
    where = ("--folder", str(folder / "rkruntime"), "--instance", "here")
    roles = f"user:{ANN.pw_name}=viewer"
    async with open_runtime(config(roles), device=FakeDevice(), instance="here") as runtime:
        assert await command_as(ANN, "runtime", "status", *where) == (0, "")
        assert (await command_as(ANN, "runtime", "status", "--folder", str(folder / "rkruntime")))[0] == 3
        status, said = await command_as(ANN, "runtime", "drain", *where)
        assert status == 1
        assert f"drain takes the role admin, and user {ANN.pw_name} has the role viewer" in said
        assert f'runtime.socket_role_map say "user:{ANN.pw_name}=admin"' in said
        status, said = await command_as(BOB, "runtime", "status", *where)
        assert status == 1
        assert f"user {BOB.pw_name} has no role here" in said
        assert runtime.state is State.RUNNING
    async with open_runtime(config(None), device=FakeDevice(), instance="here"):
        os.chmod(folder / "rkruntime", 0o700)
        status, said = await command_as(ANN, "runtime", "status", *where)
        assert status == 1
        assert "does not let this user connect" in said
        assert "runtime.socket_role_map" in said


SERVE = """\
import os, sys
import trio
import rkruntime.control._claim
from rkruntime.config import RuntimeConfig
from rkruntime.runtime import open_runtime
from rkruntime.testing import FakeDevice

async def main(instance):
    config = RuntimeConfig(worker_threads=1, socket_role_map=sys.argv[3])
    async with open_runtime(config, device=FakeDevice(), instance=instance, handle_signals=True):
        if instance:
            print("ready", flush=True)
            await trio.sleep_forever()

trio.run(main, None)  # so that all is loaded which that user may not be able to read
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
trio.run(main, "here")
"""


@as_root
def test_a_runtime_of_another_user_has_that_user_and_root_for_admins(folder: Path) -> None:
    os.chown(folder, ANN.pw_uid, ANN.pw_gid)
    command = [sys.executable, "-c", SERVE, str(ANN.pw_uid), str(ANN.pw_gid), f"user:{BOB.pw_name}=viewer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert path_of(folder).stat().st_uid == ANN.pw_uid
            assert trio.run(ask_as, EVE, folder, "status")["kind"] == "refused"
            assert trio.run(ask_as, BOB, folder, "status")["kind"] == "status"
            assert trio.run(ask_as, BOB, folder, "drain")["kind"] == "refused"
            assert trio.run(ask_as, pwd.getpwuid(0), folder, "status")["kind"] == "status"
            assert trio.run(ask_as, ANN, folder, "drain")["kind"] == "progress"
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()


def test_names_are_what_the_system_says() -> None:
    for user in pwd.getpwall():
        by_id = [
            subprocess.run(["id", how, str(user.pw_name)], capture_output=True, text=True, check=True).stdout.split()
            for how in ("-G", "-Gn")
        ]
        told = {f"group:{name}" for names in by_id for name in names}
        names = names_of_user(user.pw_uid)
        if pwd.getpwuid(user.pw_uid).pw_name == user.pw_name:
            assert set(names) == told | {f"user:{user.pw_uid}", f"user:{user.pw_name}"}


async def test_users_whom_the_system_does_not_know_go_by_their_number() -> None:
    unknown = max(user.pw_uid for user in pwd.getpwall() if user.pw_uid < 2**31) + 7_000_001
    assert names_of_user(unknown) == (f"user:{unknown}",)
    askers = Askers(f"user:{unknown}=operator; user:x{unknown}=admin")
    assert await askers.of(5, unknown) == Asker(process=5, user=unknown, role=Role.OPERATOR)
    assert await askers.of(5, unknown + 1) == Asker(process=5, user=unknown + 1)


async def test_who_has_several_roles_has_the_highest_and_the_own_user_is_admin_whatever_the_map_says() -> None:
    askers = Askers(f"user:{ANN.pw_name}=viewer; group:{ANN.pw_gid}=operator; user:{os.geteuid()}=viewer")
    if ANN.pw_uid != os.geteuid():
        assert await askers.of(5, ANN.pw_uid) == Asker(process=5, user=ANN.pw_uid, name=ANN.pw_name, role=Role.OPERATOR)
    for own in (0, os.geteuid()):
        assert await askers.of(5, own) == Asker(process=5, user=own, role=Role.ADMIN)


async def test_whoever_waits_to_be_looked_up_keeps_no_one_else_away() -> None:
    askers = Askers("user:1=viewer")
    askers.waiting = MOST_WAITING
    assert await askers.of(5, 2**30) is None
    assert await askers.of(5, 0) == Asker(process=5, user=0, role=Role.ADMIN)


def test_a_socket_that_is_not_shared_is_as_closed_as_ever_after_one_that_was(folder: Path) -> None:
    shared, alone = claim("shared", shared=True), claim("alone")
    modes = [stat.S_IMODE(path_of(folder, name).stat().st_mode) for name in ("shared", "alone")]
    assert modes == [0o666, 0o600]
    assert stat.S_IMODE((folder / "rkruntime").stat().st_mode) == 0o711
    shared.release()
    alone.release()


def test_a_group_that_cannot_have_the_socket_is_told_and_leaves_none(folder: Path) -> None:
    with pytest.raises(ControlUnavailable, match="no group 'no-such-group'"):
        claim("here", shared=True, group="no-such-group")
    assert not path_of(folder).exists()
    claim("here").release()
    assert group_number("12") == 12
    assert group_number(grp.getgrgid(0).gr_name) == 0


def test_a_folder_on_the_way_that_is_closed_is_found(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    (folder / "closed" / "rkruntime").mkdir()
    assert closed_way(str(folder / "closed" / "rkruntime" / "here.sock")) == str(folder / "closed")
    assert closed_way(str(folder / "here.sock")) is None
