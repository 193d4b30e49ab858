"""Ask a running runtime: one request, and its answers line by line."""

from __future__ import annotations

import contextlib
import json
import os
from _socket import AF_UNIX, SOCK_STREAM, socket  # what `socket` is made of: its enums take a third of a status's time
from collections.abc import Iterator

from rkruntime.control._place import Folder, open_folder
from rkruntime.control._wire import Line, encode, peer

__all__ = ("converse", "listener", "running_instances")

LONGEST_ANSWER = 2**24
"""Bytes of a line of an answer, at most."""
CHUNK_BYTES = 2**16


def converse(name: str, request: Line, *, patience_s: float, folder: str | None = None) -> Iterator[Line]:
    """Send a request and yield the answers until the runtime closes.

    Args:
        name: The instance.
        request: What to ask.
        patience_s: Seconds that a line may take to come.
        folder: Where its socket is, for a runtime of another user.

    Raises:
        InstanceNotRunning: Nobody listens there.
        ControlUnavailable: This user may not ask; the runtime refuses, does not answer in time, or answers with what is
            no answer.
    """
    with contextlib.closing(_connect(name, patience_s, folder)) as connection:
        try:
            with contextlib.suppress(BrokenPipeError):  # refused already: the answer says why
                connection.sendall(encode(request))
            for line in _lines(connection):
                yield _read(name, line)
        except TimeoutError:
            mend = "it is stopped or very busy: look at its log, or end it with SIGTERM"
            raise _unavailable(f"the runtime {name!r} did not answer within {patience_s:g} s", mend) from None
        except OSError as error:
            mend = "it has ended: look at its log"
            raise _unavailable(f"the runtime {name!r} hung up: {error.strerror}", mend) from error


def _lines(connection: socket) -> Iterator[bytes]:
    data = b""
    while len(data) < LONGEST_ANSWER and (more := connection.recv(CHUNK_BYTES)):
        *lines, data = (data + more).split(b"\n")
        yield from lines
    if data:
        yield data


def running_instances() -> list[str]:
    """Return the names of this user's runtimes that listen, in order."""
    try:
        with open_folder(create=False) as folder:
            return [name for name in folder.names() if listener(folder, name) is not None]
    except FileNotFoundError:
        return []


def listener(folder: Folder, name: str) -> int | None:
    """Return the process that listens, 0 where it cannot be told, or None where nobody does."""
    with contextlib.closing(socket(AF_UNIX, SOCK_STREAM)) as probe:
        probe.setblocking(False)
        try:
            probe.connect(folder.address(name))
            return peer(probe)[0]
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError:  # its queue is full: someone listens, and is busy
            return 0


def _connect(name: str, patience_s: float, given: str | None) -> socket:
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(patience_s)
    try:
        with open_folder(create=False, given=given) as folder:
            connection.connect(folder.address(name))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        from rkruntime.errors import InstanceNotRunning  # here, since asking must not wait for the errors' classes

        raise InstanceNotRunning(name, () if given else tuple(running_instances())) from None
    except PermissionError as error:
        connection.close()
        mend = "ask as its own user, or let its configuration give you a role: runtime.socket_role_map and socket_group"
        raise _unavailable(f"the runtime {name!r} does not let this user connect", mend) from error
    except OSError as error:
        connection.close()
        why = os.strerror(error.errno) if error.errno else "it takes no connection"
        raise _unavailable(f"the runtime {name!r} cannot be reached: {why}", "ask again") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _read(name: str, data: bytes) -> Line:
    try:
        line = json.loads(data)
        kind = line["kind"]
    except (ValueError, TypeError, KeyError):
        mend = "it is of another version than this command: use the command beside it"
        raise _unavailable(f"the runtime {name!r} gave an answer that is none", mend) from None
    if kind == "refused":
        raise _unavailable(f"the runtime {name!r} refused: {line.get('error')}", str(line.get("mend")))
    told: Line = line
    return told


def _unavailable(what: str, mend: str) -> Exception:
    from rkruntime.errors import ControlUnavailable

    return ControlUnavailable(what, mend)
