"""Launch a kernel for a request: read, check, launch over the bridge, answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus

from rkruntime.errors import RequestRefused
from rkruntime.kernels import KernelSpec, LaunchRecord
from rkruntime.service._answers import JSON, Answer, Reply
from rkruntime.service._asked import Launch, plan, read_launch, take_memory
from rkruntime.service._idempotency import fingerprint
from rkruntime.service._incoming import Exchange
from rkruntime.service._limits import caller_of
from rkruntime.service._reading import LARGE_BYTES, form_of, read_asked
from rkruntime.service._results import results_of
from rkruntime.service._state import ServiceState
from rkruntime.service._writing import answer, answer_form, json_at_once

__all__ = ("launch",)

KEY = re.compile(r"[!-~]{1,128}")


def launch(state: ServiceState, request: Exchange) -> Awaitable[Reply]:
    """Launch one kernel; with an Idempotency-Key that was seen before, answer as then."""
    name = request.path_params["name"]
    spec = state.catalogue.spec(name)
    if not state.runtime.admits:
        state.refuse()
    headers = request.headers
    asked_in = form_of(headers.get(b"content-type"))
    form = answer_form(headers.get(b"accept"), asked_in)
    if b"idempotency-key" in headers:
        return _run_once(state, request, spec, name, asked_in, form)
    limits = state.config.service
    body = None
    if asked_in == JSON and b"content-encoding" not in headers and (request.length or 0) < LARGE_BYTES:
        body = request.read_at_once(limits.max_request_size)
    if body is None:
        return _read_and_run(state, request, spec, name, asked_in, form)
    return _run(state, request, spec, name, plan(spec, read_launch(spec, body), limits.max_response_size), form)


async def _read_and_run(
    state: ServiceState, request: Exchange, spec: KernelSpec, name: str, asked_in: str, form: str
) -> Reply:
    asked = await read_asked(spec, request, asked_in, state.config.service)
    return await _run(state, request, spec, name, asked, form)


async def _run_once(
    state: ServiceState, request: Exchange, spec: KernelSpec, name: str, asked_in: str, form: str
) -> Reply:
    key = request.header(b"idempotency-key") or ""
    if not KEY.fullmatch(key):
        raise RequestRefused(400, "the Idempotency-Key is no key", "give 1 to 128 letters, digits and signs, no spaces")
    asked = await read_asked(spec, request, asked_in, state.config.service)
    query: bytes = request.scope["query_string"]
    of = fingerprint(request.body, query.decode("latin-1"), asked_in, form)
    place = (caller_of(request.scope), name, key)
    return await state.answers.once(
        place,
        of,
        lambda: _run(state, request, spec, name, asked, form),
        partial(_wait_for_other, state, request),
    )


async def _wait_for_other(
    state: ServiceState, request: Exchange, other: asyncio.Future[Answer | None]
) -> Answer | None:
    """Wait for the answer to another request with the same key."""
    timeout_s = request.left_s
    try:
        return await state.bridge.follow(other, timeout_s, request.receive)
    except RequestRefused as error:
        if error.status != HTTPStatus.GATEWAY_TIMEOUT:
            raise
        why = (
            f"the request had {timeout_s:.3g} s; the launch that was asked for before under its Idempotency-Key goes on"
        )
        mend = "ask again with this key, or for more time with the header Request-Timeout"
        raise RequestRefused(HTTPStatus.GATEWAY_TIMEOUT, why, mend) from None


async def _run(state: ServiceState, request: Exchange, spec: KernelSpec, name: str, asked: Launch, form: str) -> Reply:
    request.hold(asked.output_bytes)
    args = take_memory(asked)
    bridge, catalogue = state.bridge, state.catalogue
    call = bridge.begin(
        catalogue.launch, (name, args, asked.how), request.left_s, request.receive, catalogue.launch_soon
    )
    try:
        record: LaunchRecord = await call.future
    finally:
        if call.outcome is None:
            bridge.withdraw(call)
    if record.kernel != name:  # its function's name, which another has too
        record = record._replace(kernel=name)
    results = results_of(spec, args, record)
    wanted = request.asked("result")
    if wanted is None and form == JSON and (small := json_at_once(results, record)) is not None:
        return small
    return await answer(form, results, record, wanted)
