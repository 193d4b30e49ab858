"""How a server stops listening without a reset for whoever it is already connected to.

The system connects callers by itself and keeps them until they are taken; closing the listening socket resets those
who wait then. Between a last look at who waits and the closing there is always a moment in which one more may come. So
first the system is told to overlook whoever begins to connect: a filter on the listening socket drops the segments
that open connections (SYN), and lets through those of connections that are being made. They are tried again after a
second by the callers' systems, and then find nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

__all__ = ("LATEST_S", "hear_out", "take_all")

HEARD_OUT_S = 0.05
"""Seconds that a connection gets, once nobody is listened to any more, to be made and to ask what it was made for."""
LATEST_S = 1.0
"""Seconds that one gets which has asked for nothing yet: whoever made it may wait for a processor."""
SO_ATTACH_FILTER = 26  # of asm-generic/socket.h; Python's module has no name for it
FLAGS_AT = 13
SYN, SYN_OR_ACK = 0x02, 0x12
OPENS_NOTHING = (  # classic BPF, which is given segments from the TCP header on: code, jump if true and if not, operand
    (0x30, 0, 0, FLAGS_AT),  # load the byte of the flags
    (0x54, 0, 0, SYN_OR_ACK),
    (0x15, 0, 1, SYN),  # go on where SYN alone is set; else skip one
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it whole
)
BACKLOG_AT_LAST = 0
"""Connections that the system makes ahead where it has no such filter: one, as it counts."""


async def take_all(sockets: Sequence[socket.socket]) -> None:
    """Let the loop take whoever the system has connected, or is about to; nobody else comes then."""
    waiting = select.poll()
    for listening in sockets:
        _overlook_new(listening)
        waiting.register(listening, select.POLLIN)
    begun_s = time.monotonic()
    await asyncio.sleep(HEARD_OUT_S)  # connections half made become whole
    while waiting.poll(0) and time.monotonic() < begun_s + LATEST_S:  # noqa: ASYNC110  # no event tells that none waits
        await asyncio.sleep(0)


async def hear_out(silent: Callable[[], bool]) -> None:
    """Wait for what connections were made for.

    Args:
        silent: Whether there is one that has asked for nothing yet.
    """
    begun_s = time.monotonic()
    await asyncio.sleep(HEARD_OUT_S)
    while silent() and time.monotonic() < begun_s + LATEST_S:  # noqa: ASYNC110  # connections tell nobody
        await asyncio.sleep(HEARD_OUT_S / 10)


def _overlook_new(listening: socket.socket) -> None:
    program = b"".join(struct.pack("HBBI", *step) for step in OPENS_NOTHING)
    kept = ctypes.create_string_buffer(program, len(program))
    told = struct.pack("HP", len(OPENS_NOTHING), ctypes.addressof(kept))
    with contextlib.suppress(OSError):  # as where a sandbox allows no filters
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, told)
        return
    listening.listen(BACKLOG_AT_LAST)
