"""Where sockets lie: one folder a user, which nobody else may list or write, and in it one socket an instance."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("AUTO_INSTANCE", "DEFAULT_INSTANCE", "Folder", "closed_way", "is_instance_name", "open_folder")

AUTO_INSTANCE = "auto"
"""Asks for the default name or, where that is taken, one of its own."""
DEFAULT_INSTANCE = "default"
SUFFIX = ".sock"
LONGEST_ADDRESS = 107  # what the kernel's sockaddr_un holds, less its zero
LONGEST_NAME = 64
_OTHERS = {ord(sign): None for sign in "._-"}
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def is_instance_name(name: str) -> bool:
    """Whether a text may name an instance: letters, digits, `.`, `_`, `-`; the first a letter or digit; 64 at most."""
    return 0 < len(name) <= LONGEST_NAME and name[0] in _LETTERS and _LETTERS.issuperset(name.translate(_OTHERS))


class Folder:
    """The folder of this user's sockets, held open.

    Args:
        path: Where it is.
        fd: Its descriptor.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def address(self, name: str) -> str:
        """Return what to bind or connect to: the socket's path, or a short way there where that is too long."""
        path = f"{self.path}/{name}{SUFFIX}"
        return path if len(os.fsencode(path)) <= LONGEST_ADDRESS else f"/proc/self/fd/{self.fd}/{name}{SUFFIX}"

    def names(self) -> list[str]:
        """Return the instances that have a socket, listening or stale, in order."""
        found = [name.removesuffix(SUFFIX) for name in os.listdir(self.fd) if name.endswith(SUFFIX)]
        return sorted(filter(is_instance_name, found))

    def share(self, name: str, group: int) -> None:
        """Let a group connect to the socket of an instance, or everybody for -1; none of them lists the folder."""
        if group != -1:
            os.chown(name + SUFFIX, -1, group, dir_fd=self.fd, follow_symlinks=False)
        os.chmod(name + SUFFIX, 0o666 if group == -1 else 0o660, dir_fd=self.fd)
        os.fchmod(self.fd, 0o711)

    def remove(self, name: str) -> None:
        """Delete the socket of an instance."""
        os.unlink(name + SUFFIX, dir_fd=self.fd)


def place() -> str:
    """Return the folder: `$XDG_RUNTIME_DIR/rkruntime` where that is this user's, else one in the temporary folder."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(given) and os.path.isdir(given) and os.stat(given).st_uid == os.geteuid():
        return os.path.join(given, "rkruntime")
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f"rkruntime-{os.geteuid()}")


@contextmanager
def open_folder(*, create: bool, given: str | None = None) -> Iterator[Folder]:
    """Open the folder, and close it at the end of the block.

    Args:
        create: Make it, where it is not there.
        given: Open this one, of whoever shares sockets there, to connect and no more.

    Raises:
        FileNotFoundError: It is not there, and not to be made.
        ControlUnavailable: It belongs to another user, or others may enter it.
    """
    if given is not None:
        with _given_folder(given) as folder:
            yield folder
        return
    path = place()
    try:
        if create and not os.path.lexists(path):
            os.makedirs(path, mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if create:
            raise _unavailable(path, "it cannot be made") from None
        raise
    except OSError as error:
        raise _unavailable(path, f"it cannot be opened: {error.strerror}") from error
    try:
        about = os.fstat(fd)
        if about.st_uid != os.geteuid():
            raise _unavailable(path, f"it belongs to user {about.st_uid}, and this is {os.geteuid()}")
        if stat.S_IMODE(about.st_mode) & 0o066:
            raise _unavailable(path, f"others may enter it: its mode is {stat.S_IMODE(about.st_mode):o}, not 700")
        yield Folder(path, fd)
    finally:
        os.close(fd)


@contextmanager
def _given_folder(path: str) -> Iterator[Folder]:
    """Open a folder that may not be listed."""
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unavailable(path, f"it cannot be opened: {error.strerror}") from error
    try:
        yield Folder(path, fd)
    finally:
        os.close(fd)


def closed_way(path: str) -> str | None:
    """Return the folder above `path` that keeps other users away from it, if one does."""
    while (above := os.path.dirname(path)) != path:
        path = above
        if not stat.S_IMODE(os.stat(path).st_mode) & 0o011:
            return path
    return None


def _unavailable(path: str, why: str) -> Exception:
    from rkruntime.errors import (
        ControlUnavailable,
    )  # here, since asking a runtime must not wait for the errors' classes

    mend = "delete it, or set XDG_RUNTIME_DIR to a folder of yours alone"
    return ControlUnavailable(f"the folder of the control sockets, {path}, cannot be used: {why}", mend)
