"""Where sockets lie: one folder a user, which nobody else may enter, and in it one socket an instance."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("AUTO_INSTANCE", "DEFAULT_INSTANCE", "Folder", "is_instance_name", "open_folder")

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
def open_folder(*, create: bool) -> Iterator[Folder]:
    """Open the folder, and close it at the end of the block.

    Args:
        create: Make it, where it is not there.

    Raises:
        FileNotFoundError: It is not there, and not to be made.
        ControlUnavailable: It belongs to another user, or others may enter it.
    """
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
        if stat.S_IMODE(about.st_mode) & 0o077:
            raise _unavailable(path, f"others may enter it: its mode is {stat.S_IMODE(about.st_mode):o}, not 700")
        yield Folder(path, fd)
    finally:
        os.close(fd)


def _unavailable(path: str, why: str) -> Exception:
    from rkruntime.errors import (
        ControlUnavailable,
    )  # here, since asking a runtime must not wait for the errors' classes

    mend = "delete it, or set XDG_RUNTIME_DIR to a folder of yours alone"
    return ControlUnavailable(f"the folder of the control sockets, {path}, cannot be used: {why}", mend)
