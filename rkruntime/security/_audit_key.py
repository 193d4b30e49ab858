"""The secret key of an audit chain: without it nobody can write a record that holds, or the chain anew."""

from __future__ import annotations

import os
import stat

from rkruntime.errors import UnreadableInput

__all__ = ("read_audit_key",)

FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""The service's group may read a key, as it may read that of TLS."""
SHORTEST, LONGEST = 32, 4096
MEND = "make one with: (umask 077; openssl rand -hex 32 > audit.key)"


def read_audit_key(path: str | os.PathLike[str]) -> bytes:
    """Read a key: what the file holds, without white space at its ends, 32 bytes at least.

    Raises:
        UnreadableInput: It is not there, is no regular file, others may read or change it, or it is too short.
    """
    told = os.path.expanduser(path)
    try:
        with open(os.open(told, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise UnreadableInput(told, "the audit log's key is no regular file", MEND)
            if about.st_mode & FOR_OTHERS:
                why = f"others may read or change the audit log's key: its mode is {stat.S_IMODE(about.st_mode):o}"
                raise UnreadableInput(told, why, f"chmod 600 {told}")
            key = file.read(LONGEST).strip()
    except OSError as error:
        raise UnreadableInput(told, f"the audit log's key cannot be read: {error.strerror}", MEND) from error
    if len(key) < SHORTEST:
        raise UnreadableInput(told, f"the audit log's key has {len(key)} bytes, and {SHORTEST} are needed", MEND)
    return key
