"""Read a request's body: never more than is allowed, and never for longer."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from rkruntime.errors import RequestRefused

__all__ = ("read_body",)


async def read_body(request: Request, most_bytes: int) -> bytearray:
    """Return the body.

    Raises:
        RequestRefused: It is larger than `most_bytes` (413); where its length is told, before it is read.
        ClientDisconnect: The client left before it had sent it.
    """
    told = request.headers.get("content-length")
    if told is not None and int(told) > most_bytes:
        raise _too_large(int(told), most_bytes)
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise _too_large(len(body), most_bytes)
        if not message.get("more_body", False):
            return body


def _too_large(size: int, most: int) -> RequestRefused:
    return RequestRefused(
        413,
        f"the body has {size:,} bytes, and {most:,} are allowed",
        "send less at once, or raise service.max_request_size",
    )
