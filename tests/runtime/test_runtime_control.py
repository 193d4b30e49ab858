"""The control socket of a running runtime: real sockets, virtual time."""

import fcntl
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from control_clients import asked, connected, lines_of, path_of
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock
from virtual_runtime import Worker, running

from rkruntime import blocking
from rkruntime.access import LEAST_ROLE, Role
from rkruntime.actors import Restart
from rkruntime.config import RuntimeConfig
from rkruntime.control import encode, is_instance_name, read_request, running_instances
from rkruntime.errors import CanaryFailed, ControlUnavailable, InstanceTaken, InvalidConfiguration, RestartLimit
from rkruntime.runtime import Actor, ControlRequest, Runtime, RuntimeBuilder, State, open_runtime
from rkruntime.runtime._askers import PERMISSIONS
from rkruntime.runtime._control import ASK_S, CLAIM_S, CLIENTS, FAREWELL_S, READ_S
from rkruntime.testing import FakeDevice, RecordingHook


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


async def test_status_tells_state_actors_memory_and_health(autojump_clock: MockClock, folder: Path) -> None:
    async with running(instance="here") as runtime:
        ref = await runtime.spawn(Worker, name="busy", concurrency=1)
        for _ in range(3):
            await ref.tell(Worker.work, 5.0)
        await trio.sleep(1.0)
        (told,) = await asked(folder, {"request": "status"})
    assert (told["kind"], told["instance"], told["pid"], told["state"]) == ("status", "here", os.getpid(), "running")
    assert told["for_s"] == 1.0
    assert (told["in_flight"], told["actors"]["live"]) == (3, 1)
    assert told["actors"]["listed"][0]["name"] == "busy"
    assert (told["actors"]["listed"][0]["in_flight"], told["actors"]["listed"][0]["waiting"]) == (3, 2)
    assert told["memory"]["pressure"] == "normal"
    assert told["memory"]["device"]["limit_bytes"] == RuntimeConfig().memory.max_gpu_memory
    assert told["health"]["ready"]


async def test_without_an_instance_there_is_no_socket(autojump_clock: MockClock, folder: Path) -> None:
    async with running() as runtime:
        assert runtime.instance is None
        assert os.listdir(folder) == []


async def test_the_socket_is_the_users_alone_and_goes(autojump_clock: MockClock, folder: Path) -> None:
    old = os.umask(0)
    try:
        async with running(instance="here"):
            assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o600
            assert stat.S_IMODE(path_of(folder).parent.stat().st_mode) == 0o700
            assert running_instances() == ["here"]
    finally:
        os.umask(old)
    assert not path_of(folder).exists()
    assert running_instances() == []


async def test_a_drain_is_followed_to_its_report(autojump_clock: MockClock, folder: Path) -> None:
    with trio.CancelScope():
        async with running(instance="here") as runtime:
            ref = await runtime.spawn(Worker, name="busy", concurrency=2)
            await ref.tell(Worker.work, 0.5)
            await ref.tell(Worker.work, 100.0)
            *progress, last = await asked(folder, {"request": "drain", "timeout_s": 1.0})
            assert not path_of(folder).exists()  # a report comes when the name is free again
            await trio.sleep_forever()
    assert runtime.state is State.STOPPED
    assert runtime.report is not None
    assert last["kind"] == "report"
    assert last["failure"] is None
    assert (last["report"]["completed"], last["report"]["cancelled"], last["losses"]) == (1, 1, 1)
    assert last["text"] == str(runtime.report)
    assert {line["kind"] for line in progress} == {"progress"}
    counts = [line["in_flight"] for line in progress]
    assert counts[0] == 2
    assert 1 in counts
    assert counts == sorted(counts, reverse=True)


async def test_a_drain_does_not_need_its_follower(autojump_clock: MockClock, folder: Path) -> None:
    async with running(instance="here") as runtime:
        await (await runtime.spawn(Worker)).tell(Worker.work, 3.0)
        stream = await connected(folder)
        await stream.send_all(encode({"request": "drain"}))
        await stream.receive_some(1)
        await stream.aclose()
        await trio.sleep_forever()
    assert runtime.report is not None
    assert runtime.report.completed == 1


async def test_a_follower_that_reads_nothing_holds_the_end_for_a_moment_at_most(
    autojump_clock: MockClock, folder: Path
) -> None:
    async with trio.open_nursery() as nursery:
        runtime = Runtime(RuntimeConfig(worker_threads=1), device=FakeDevice(), instance="here")
        await nursery.start(runtime.run)
        stream = await connected(folder)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 1)
        await stream.send_all(encode({"request": "drain"}))
        began_s = trio.current_time()
        await runtime.wait_for(State.STOPPED)
    assert trio.current_time() - began_s <= FAREWELL_S + 0.5
    await stream.aclose()


async def test_a_follower_hears_how_a_cancelled_runtime_ended(autojump_clock: MockClock, folder: Path) -> None:
    last = {}

    async def follow(stream: trio.SocketStream) -> None:
        nonlocal last
        await stream.send_all(encode({"request": "drain", "timeout_s": 50}))
        *_, last = await lines_of(stream)

    async with trio.open_nursery() as nursery:
        with pytest.raises(KeyError):
            async with running(instance="here") as runtime:
                await (await runtime.spawn(Worker)).tell(Worker.work, 100.0)
                nursery.start_soon(follow, await connected(folder))
                await trio.sleep(1.0)
                raise KeyError("the caller's")
    assert last["kind"] == "report"
    assert last["report"]["cancelled"] == 1
    assert last["failure"] is None  # the runtime itself was cancelled, and drained


class CrashesLate(Actor):
    async def work(self) -> None:
        await trio.sleep(2.0)
        raise ValueError("on purpose")


async def test_a_runtime_that_fails_while_it_drains_says_why(autojump_clock: MockClock, folder: Path) -> None:
    told: list[dict[str, object]] = []

    async def follow(stream: trio.SocketStream) -> None:
        await stream.send_all(encode({"request": "drain", "timeout_s": 50}))
        told.extend(await lines_of(stream))

    async with trio.open_nursery() as nursery:
        with pytest.raises(RestartLimit):
            async with running(instance="here") as runtime:
                ref = await runtime.spawn(CrashesLate, restart=Restart(max_restarts=0, within=60))
                await ref.tell(CrashesLate.work)
                nursery.start_soon(follow, await connected(folder))
                await trio.sleep_forever()
    assert told[-1]["kind"] == "report"
    assert str(told[-1]["failure"]).startswith("RestartLimit: ")


@pytest.mark.parametrize(
    "request_line",
    [
        b"\n",
        b"{}\n",
        b"[1]\n",
        b"hello\n",
        b"\xff\xfe\n",
        b'{"request": "stop"}\n',
        b'{"request": "status", "timeout_s": 1}\n',
        b'{"request": "drain", "timeout_s": "1"}\n',
        b'{"request": "drain", "timeout_s": true}\n',
        b'{"request": "drain", "timeout_s": -1}\n',
        b'{"request": "drain", "timeout_s": NaN}\n',
        b'{"request": "drain", "timeout_s": Infinity}\n',
        b"[" * 4000 + b"\n",
        b"x" * 4096,
    ],
)
async def test_what_is_no_request_is_refused(autojump_clock: MockClock, folder: Path, request_line: bytes) -> None:
    async with running(instance="here") as runtime:
        (told,) = await asked(folder, request_line)
        assert told["kind"] == "refused"
        assert runtime.state is State.RUNNING
        (told,) = await asked(folder, {"request": "status"})
        assert told["kind"] == "status"


async def test_silent_clients_are_let_go_and_only_so_many_are_served(autojump_clock: MockClock, folder: Path) -> None:
    async with running(instance="here"):
        silent = [await connected(folder) for _ in range(CLIENTS)]
        await trio.testing.wait_all_tasks_blocked()
        (told,) = await asked(folder, {"request": "status"})
        assert told["kind"] == "refused"
        began_s = trio.current_time()
        assert [await lines_of(stream) for stream in silent] == [[]] * CLIENTS
        assert trio.current_time() - began_s == ASK_S
        (told,) = await asked(folder, {"request": "status"})
        assert told["kind"] == "status"


async def test_a_client_that_does_not_read_is_let_go(
    autojump_clock: MockClock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rkruntime.runtime._control.snapshot", lambda runtime: {"much": "x" * 2**22})
    async with running(instance="here"), await connected(folder) as stream:
        await stream.send_all(encode({"request": "status"}))
        await trio.sleep(READ_S + 1)
        data = b""
        async for part in stream:
            data += part
        assert 0 < len(data) < 2**22


async def test_a_fault_in_answering_does_not_end_the_runtime(
    autojump_clock: MockClock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rkruntime.runtime._control.snapshot", lambda runtime: 1 / 0)
    async with running(instance="here") as runtime:
        assert await asked(folder, {"request": "status"}) == []
        assert runtime.state is State.RUNNING


async def test_a_name_is_taken_once_and_auto_finds_another(autojump_clock: MockClock, folder: Path) -> None:
    async with running(instance="auto") as first, running(instance="auto") as second, running(instance="auto") as third:
        assert (first.instance, second.instance) == ("default", f"pid-{os.getpid()}")
        assert third.instance == f"pid-{os.getpid()}-2"
        with pytest.raises(InstanceTaken) as raised:
            async with running(instance="default"):
                raise AssertionError
        assert (raised.value.name, raised.value.process) == ("default", os.getpid())
        (told,) = await asked(folder, {"request": "status"}, "default")
        assert told["state"] == "running"


async def test_a_runtime_that_does_not_start_frees_its_name(autojump_clock: MockClock, folder: Path) -> None:
    class Wrong(FakeDevice):
        async def wait(self, event: object) -> None:
            raise CanaryFailed("fake", "1", "2")

    with pytest.raises(CanaryFailed):
        async with running(Wrong(), instance="here"):
            raise AssertionError
    assert not path_of(folder).exists()


async def test_a_runtime_that_is_cancelled_as_it_starts_ends_and_frees_its_name(folder: Path) -> None:
    runtime = Runtime(RuntimeConfig(worker_threads=1), device=FakeDevice(), instance="here")
    with trio.CancelScope() as scope:
        scope.cancel()
        await runtime.run()
    assert scope.cancelled_caught
    assert runtime.state in (State.STOPPED, State.FAILED)
    assert not path_of(folder).exists()


@pytest.mark.parametrize("name", ["", ".", "../up", "a/b", "a b", "-x", "x" * 65, "ä"])
async def test_names_stay_in_their_folder(autojump_clock: MockClock, folder: Path, name: str) -> None:
    with pytest.raises(InvalidConfiguration):
        async with running(instance=name):
            raise AssertionError


async def test_auto_goes_on_without_a_socket_where_there_is_no_place(
    autojump_clock: MockClock, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "rkruntime").mkdir(mode=0o755)
    (folder / "rkruntime").chmod(0o755)
    async with running(instance="auto") as runtime:
        assert runtime.instance is None
    assert "others may enter it" in caplog.text


async def test_a_lock_that_is_held_is_waited_for_but_not_for_long(autojump_clock: MockClock, folder: Path) -> None:
    async with running(instance="here"):
        pass
    fd = os.open(folder / "rkruntime" / "lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        began_s = trio.current_time()
        with pytest.raises(ControlUnavailable):
            async with running(instance="here"):
                raise AssertionError
        assert trio.current_time() - began_s == CLAIM_S
        async with trio.open_nursery() as nursery:
            runtime = Runtime(RuntimeConfig(worker_threads=1), device=FakeDevice(), instance="here")
            nursery.start_soon(runtime.run)
            await trio.sleep(CLAIM_S / 2)
            assert runtime.state is State.STARTING
            fcntl.flock(fd, fcntl.LOCK_UN)
            await runtime.wait_for(State.RUNNING)
            await runtime.shutdown()
    finally:
        os.close(fd)


async def test_the_builder_takes_an_instance(autojump_clock: MockClock, folder: Path) -> None:
    runtime = RuntimeBuilder().preset("testing").with_device(FakeDevice()).with_instance("here").build()
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)
        assert running_instances() == ["here"]
        await runtime.shutdown()


def test_the_blocking_front_takes_an_instance(folder: Path) -> None:
    with blocking.open_runtime(RuntimeConfig(device="cpu", worker_threads=1), instance="here") as runtime:
        assert running_instances() == [runtime.instance]
    assert running_instances() == []


async def test_a_deep_folder_is_no_hindrance(autojump_clock: MockClock, folder: Path, monkeypatch: object) -> None:
    deep = folder / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))  # type: ignore[attr-defined]
    async with running(instance="here"):
        assert running_instances() == ["here"]
        assert path_of(deep).exists()
    assert not path_of(deep).exists()


ASK_AS_ANOTHER = """\
import os, socket, sys
connection = socket.socket(socket.AF_UNIX)
os.setuid(65534)
try:
    connection.connect(sys.argv[1])
except PermissionError:
    sys.exit("no permission")
try:
    connection.sendall(b'{"request": "drain"}\\n')
except BrokenPipeError:
    pass  # refused before it could ask
sys.stdout.write(connection.makefile().readline())
"""


@pytest.fixture
def open_to_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user may enter, as no runtime would make one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        monkeypatch.setenv("XDG_RUNTIME_DIR", made)
        yield Path(made)


def let_all_in(folder: Path) -> None:
    folder.chmod(0o755)
    path_of(folder).parent.chmod(0o755)
    path_of(folder).chmod(0o666)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
async def test_another_user_is_refused_even_where_the_folder_is_open(open_to_all: Path) -> None:
    config = RuntimeConfig(worker_threads=1)
    async with open_runtime(config, device=FakeDevice(), instance="here") as runtime:
        let_all_in(open_to_all)
        ask = [sys.executable, "-S", "-c", ASK_AS_ANOTHER, str(path_of(open_to_all))]
        with trio.fail_after(60):
            done = await trio.run_process(ask, capture_stdout=True, capture_stderr=True, check=False)
        assert b"belongs to another user" in done.stdout, done.stderr
        assert runtime.state is State.RUNNING


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
async def test_another_user_cannot_come_near_the_socket_as_a_runtime_makes_it(open_to_all: Path) -> None:
    config = RuntimeConfig(worker_threads=1)
    async with open_runtime(config, device=FakeDevice(), instance="here"):
        os.chmod(open_to_all, 0o755)
        for folder_mode in (0o700, 0o755):  # the socket's own mode keeps them out too
            os.chmod(path_of(open_to_all).parent, folder_mode)
            ask = [sys.executable, "-S", "-c", ASK_AS_ANOTHER, str(path_of(open_to_all))]
            with trio.fail_after(60):
                done = await trio.run_process(ask, capture_stdout=True, capture_stderr=True, check=False)
            assert (done.returncode, done.stderr) == (1, b"no permission\n")


async def test_what_is_asked_is_on_record(autojump_clock: MockClock, folder: Path) -> None:
    hook = RecordingHook()
    with trio.CancelScope():
        async with open_runtime(device=FakeDevice(), instance="here", hooks=[hook]):
            await asked(folder, {"request": "status"})
            await asked(folder, {"request": "drain"})
            await trio.sleep_forever()
    me = {"user": os.geteuid(), "process": os.getpid(), "allowed": True, "role": Role.ADMIN}
    assert hook.of(ControlRequest) == [ControlRequest(request=name, **me) for name in ("status", "drain")]


def test_every_request_has_its_permission() -> None:
    for request, needed in PERMISSIONS.items():
        assert isinstance(read_request(encode({"request": request})), tuple)
        assert needed in LEAST_ROLE


@given(st.binary(max_size=200) | st.dictionaries(st.text(), st.integers() | st.text() | st.none()).map(encode))
def test_reading_a_request_never_raises(data: bytes) -> None:
    read = read_request(data)
    assert isinstance(read, str | tuple)


@given(st.floats(0, 1e9) | st.integers(0, 10**9) | st.none())
def test_a_drain_request_is_read_as_it_was_written(timeout_s: float | None) -> None:
    line = {"request": "drain"} | ({} if timeout_s is None else {"timeout_s": timeout_s})
    assert read_request(encode(line)) == ("drain", timeout_s)


@given(st.text("aZ0._-/ \n\0é", max_size=70))
def test_names_are_what_their_rule_says(name: str) -> None:
    assert is_instance_name(name) == bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name))
