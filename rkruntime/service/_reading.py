"""From a request's body to a launch: one reader for each form that is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, TypeAlias

from rkruntime.config import ServiceConfig
from rkruntime.errors import ArgumentMismatch, RequestRefused
from rkruntime.kernels import KernelSpec
from rkruntime.service._answers import JSON
from rkruntime.service._arrow import ARROW, arrow_is_here, read_arrow
from rkruntime.service._asked import Launch, plan, read_launch
from rkruntime.service._incoming import Exchange
from rkruntime.service._multipart import MULTIPART, Part, read_parts
from rkruntime.service._npy import NPY, check_length, read_npy, read_npy_header

__all__ = ("FORMS", "form_of", "off_loop", "read_asked")

LARGE_BYTES = 128 * 1024
"""Bytes from which on decoding and encoding go to a thread, so that other requests do not wait for it."""
LAUNCH_PART = "launch"
Reader: TypeAlias = Callable[[KernelSpec, Exchange, ServiceConfig], Awaitable[Launch]]


async def off_loop(size: int, function: Callable[..., Any], *args: Any) -> Any:
    """Run a decoder or an encoder: here where it has little to do, else on a thread."""
    return function(*args) if size < LARGE_BYTES else await asyncio.to_thread(function, *args)


@lru_cache(maxsize=64)
def form_of(content_type: bytes | None) -> str:
    """Return the media type of a body that can be read, from its header Content-Type; JSON where it has none.

    Raises:
        RequestRefused: It cannot be (415).
    """
    kind = (content_type or JSON.encode()).decode("latin-1").partition(";")[0].strip().lower()
    if kind == ARROW and not arrow_is_here():
        raise RequestRefused(
            415, "Arrow is not read here: pyarrow is not installed", f"send {JSON}, {NPY} or {MULTIPART}"
        )
    if kind not in FORMS:
        raise RequestRefused(415, f"a body of type {kind!r} is not read", f"send {', '.join(FORMS)}")
    return kind


async def read_asked(spec: KernelSpec, request: Exchange, form: str, limits: ServiceConfig) -> Launch:
    """Read what a request asks for in a form, checked against the kernel.

    Raises:
        RequestRefused: Its body is too large, too slow, or not what its type says.
        ArgumentMismatch: An argument that the kernel cannot take.
    """
    if b"content-encoding" in request.headers and request.headers[b"content-encoding"].lower() != b"identity":
        raise RequestRefused(415, "compressed bodies are not read", "send it as it is")
    return plan(spec, await FORMS[form](spec, request, limits), limits.max_response_size)


async def _read_json(spec: KernelSpec, request: Exchange, limits: ServiceConfig) -> Launch:
    body = await request.read(limits.max_request_size)
    launch: Launch = await off_loop(len(body), read_launch, spec, body)
    return launch


async def _read_npy(spec: KernelSpec, request: Exchange, limits: ServiceConfig) -> Launch:
    """Read one array; the other arguments are in the query, as `launch`."""
    launch = read_launch(spec, request.asked("launch") or "")
    name = _argument_name(spec, launch, request.asked("argument"))

    most = limits.max_request_size + limits.max_response_size

    def check(beginning: bytearray) -> None:
        header = read_npy_header(beginning, "the body")
        check_length(header, int(request.header(b"content-length") or header.length), "the body")
        plan(spec, Launch(launch.args | {name: header.array}, launch.how), most)

    body = await request.read(limits.max_request_size, check)
    return Launch(launch.args | {name: read_npy(body, "the body")}, launch.how)


async def _read_multipart(spec: KernelSpec, request: Exchange, limits: ServiceConfig) -> Launch:
    body = await request.read(limits.max_request_size)
    parts: list[Part] = await off_loop(len(body), read_parts, body, request.header(b"content-type") or "")
    told = next((bytes(part.data) for part in parts if part.name == LAUNCH_PART), b"")
    launch = read_launch(spec, told)
    arrays = {part.name: _part_array(spec, part) for part in parts if part.name != LAUNCH_PART}
    return Launch(launch.args | arrays, launch.how)


async def _read_arrow(spec: KernelSpec, request: Exchange, limits: ServiceConfig) -> Launch:
    body = await request.read(limits.max_request_size)
    told, arrays = await off_loop(len(body), read_arrow, body, partial(_check_name, spec))
    launch = read_launch(spec, request.asked("launch") or told)
    return Launch(launch.args | arrays, launch.how)


FORMS: Mapping[str, Reader] = MappingProxyType(
    {JSON: _read_json, NPY: _read_npy, MULTIPART: _read_multipart, ARROW: _read_arrow}
)
"""Media type -> its reader."""


def _part_array(spec: KernelSpec, part: Part) -> Any:
    _check_name(spec, part.name)
    if part.kind not in ("", NPY, "application/octet-stream"):
        raise RequestRefused(415, f"the part {part.name!r} is {part.kind}", f"send arrays as {NPY}")
    return read_npy(part.data, f"the part {part.name!r}")


def _argument_name(spec: KernelSpec, launch: Launch, asked: str | None) -> str:
    """Return which argument the body is: the one that is asked for, or the only one that is missing."""
    if asked is not None:
        _check_name(spec, asked)
        return asked
    missing = [name for name in spec.parameters if name not in launch.args]
    if len(missing) != 1:
        why = f"it may be {' or '.join(missing)}" if missing else "no argument is missing"
        raise RequestRefused(422, f"which argument is the body? {why}", "name it in the query: ?argument=NAME")
    return missing[0]


def _check_name(spec: KernelSpec, name: str) -> None:
    if name not in spec.parameters:
        raise ArgumentMismatch(spec.name, name[:80], "an array for it", spec.signature, "name one of its arguments")
