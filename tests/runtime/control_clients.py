"""A folder for sockets, and clients of the control socket inside the same Trio loop."""

import contextlib
import json
from pathlib import Path
from typing import Any

import trio


def path_of(folder: Path, name: str = "here") -> Path:
    return folder / "rkruntime" / f"{name}.sock"


async def connected(folder: Path, name: str = "here") -> trio.SocketStream:
    return await trio.open_unix_socket(path_of(folder, name))


async def lines_of(stream: trio.SocketStream) -> list[dict[str, Any]]:
    data = b""
    async with stream:
        try:
            async for part in stream:
                data += part
        except trio.BrokenResourceError:  # closed with our words unread
            pass
    return [json.loads(line) for line in data.splitlines()]


async def asked(folder: Path, request: bytes | dict[str, Any], name: str = "here") -> list[dict[str, Any]]:
    stream = await connected(folder, name)
    with contextlib.suppress(trio.BrokenResourceError):  # refused before it could ask
        await stream.send_all(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
    return await lines_of(stream)
