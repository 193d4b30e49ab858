"""Take a name: bind its socket, unless a live runtime listens there already.

A socket is live as long as someone listens, and the system ends that with the process. Whoever binds or deletes holds
the folder's lock, so that of two starters who find the same stale socket neither deletes what the other has just bound.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from rkruntime.control._client import listener
from rkruntime.control._people import group_number
from rkruntime.control._place import AUTO_INSTANCE, DEFAULT_INSTANCE, Folder, is_instance_name, open_folder
from rkruntime.errors import ControlUnavailable, InstanceTaken, InvalidConfiguration

__all__ = ("Claim", "claim")

LOCK = "lock"
BACKLOG = 32


class Claim:
    """A name that is taken: its socket listens.

    Args:
        name: The instance's name.
        path: The socket's path, for people.
        socket: It listens, and does not block.
    """

    def __init__(self, name: str, path: str, listening: socket.socket) -> None:
        self.name = name
        self.path = path
        self.socket = listening
        self._withdrawn = False

    def withdraw(self) -> None:
        """Delete the socket, while it still listens and so is nobody else's: from now on the name is free."""
        if self._withdrawn:
            return
        self._withdrawn = True
        with contextlib.suppress(OSError, ControlUnavailable), open_folder(create=False) as folder:
            folder.remove(self.name)

    def release(self) -> None:
        """Withdraw, and listen no more."""
        self.withdraw()
        self.socket.close()


def claim(name: str, *, shared: bool = False, group: str | None = None) -> Claim:
    """Take a name, and listen.

    Args:
        name: The instance's name; `auto` for `default` or, where that is taken, `pid-` with this process's number.
        shared: Let other users connect: what they may do is decided when they do.
        group: Of those, let the members of this group alone; its name or number.

    Raises:
        InvalidConfiguration: That is no name.
        InstanceTaken: A live runtime has it.
        ControlUnavailable: There is no place for sockets here, or the group cannot be given one.
        BlockingIOError: Another process is taking a name this instant; try again.
    """
    if not is_instance_name(name):
        allowed = "letters, digits, '.', '_' and '-', beginning with a letter or digit, 64 at most"
        raise InvalidConfiguration("instance", name, allowed)
    with open_folder(create=True) as folder, _locked(folder):
        _sweep(folder)
        claimed = _bind_named(folder, name)
        if shared:
            try:
                _share(folder, claimed, group)
            except BaseException:
                folder.remove(claimed.name)
                claimed.socket.close()
                raise
        return claimed


def _bind_named(folder: Folder, name: str) -> Claim:
    if name != AUTO_INSTANCE:
        return _bind(folder, name)
    try:
        return _bind(folder, DEFAULT_INSTANCE)
    except InstanceTaken:
        return _bind_free(folder, f"pid-{os.getpid()}")


def _share(folder: Folder, claimed: Claim, group: str | None) -> None:
    """Let others come to a socket: through the folder, which they can neither list nor write, and to it alone."""
    mend = "give runtime.socket_group a group that this user is in, or leave it out"
    number = -1 if group is None else group_number(group)
    if number is None:
        raise ControlUnavailable(f"the control socket cannot be shared: there is no group {group!r} here", mend)
    try:
        folder.share(claimed.name, number)
    except OSError as error:
        what = f"the control socket {claimed.path} cannot be given to the group {group!r}: {error.strerror or error}"
        raise ControlUnavailable(what, mend) from error


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600, dir_fd=folder.fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def _sweep(folder: Folder) -> None:
    """Delete the sockets where nobody listens any more."""
    for name in folder.names():
        if listener(folder, name) is None:
            with contextlib.suppress(FileNotFoundError):
                folder.remove(name)


def _bind_free(folder: Folder, stem: str) -> Claim:
    """Take the first free of `stem`, `stem-2`, ...: one process may run several."""
    number = 1
    while True:
        try:
            return _bind(folder, stem if number == 1 else f"{stem}-{number}")
        except InstanceTaken:
            number += 1


def _bind(folder: Folder, name: str) -> Claim:
    process = listener(folder, name)
    if process is not None:
        raise InstanceTaken(name, process)
    listening = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listening.fileno(), 0o600)  # before the name is there, and with no umask that threads share
        listening.bind(folder.address(name))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        what = f"the control socket of {name!r} cannot be made in {folder.path}: {error.strerror or error}"
        raise ControlUnavailable(what, "set XDG_RUNTIME_DIR to a folder that may be written to") from error
    return Claim(name, f"{folder.path}/{name}.sock", listening)
