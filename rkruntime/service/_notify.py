"""Tell systemd how the service fares: ready, stopping, alive (sd_notify(3); nothing where systemd does not ask)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from rkruntime.log import get_logger

__all__ = ("Notifier",)

PATIENCE_S = 1.0
"""Seconds for which a message that must not be lost waits, where systemd is busy."""


class Notifier:
    """Sends to the socket that NOTIFY_SOCKET names.

    Args:
        environ: The environment; without NOTIFY_SOCKET in it, nothing is told.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environ) if self._address else None
        """Seconds within which `alive` is to come; None where nobody watches."""

    def ready(self, status: str) -> None:
        """Say that requests are served."""
        self._tell(PATIENCE_S, READY="1", STATUS=status)

    def stopping(self, status: str, within_s: float) -> None:
        """Say that it ends, and how long that may take."""
        self._tell(PATIENCE_S, STOPPING="1", STATUS=status, EXTEND_TIMEOUT_USEC=str(int(within_s * 1e6)))

    def alive(self) -> None:
        """Keep the watchdog quiet."""
        if self.watchdog_s is not None:
            self._tell(0.0, WATCHDOG="1")

    def _tell(self, patience_s: float, **fields: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        lines = "\n".join(f"{name}={value}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
                sending.settimeout(patience_s)
                sending.sendto(lines.encode(), address)
        except OSError as error:  # the service serves on: who started it may be gone
            get_logger("rkruntime.service").warning("systemd was not told", fields=lines, error=str(error))


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6
