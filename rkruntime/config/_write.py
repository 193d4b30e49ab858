"""Write a file so that it is there whole or not at all, and nothing is overwritten unasked."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from rkruntime.errors import UnreadableInput

__all__ = ("write_file",)

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without hard links say."""


def write_file(path: str | os.PathLike[str], text: str, *, force: bool = False) -> None:
    """Write a text file.

    Args:
        path: The file.
        text: What it is to hold.
        force: Replace a file that is there.

    Raises:
        UnreadableInput: It is there already, or it cannot be written.
    """
    target = Path(path).expanduser()
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(beside, target)
        else:
            _put_in_place(beside, target)
    except FileExistsError:
        raise UnreadableInput(str(path), "it is there already", "give another name, or --force to replace it") from None
    except OSError as error:
        mend = "give a file in a folder that is there and may be written to"
        raise UnreadableInput(str(path), f"it cannot be written: {error.strerror}", mend) from error
    finally:
        beside.unlink(missing_ok=True)


def _put_in_place(beside: Path, target: Path) -> None:
    """Give a whole file its name, unless that name is there, even if it came this instant."""
    try:
        os.link(beside, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(beside, target)
