"""Launch a kernel for a request: read, check, launch over the bridge, answer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from rkruntime.errors import RequestRefused
from rkruntime.service._answers import JSON, json_response
from rkruntime.service._asked import plan, read_launch, take_memory
from rkruntime.service._bodies import read_body
from rkruntime.service._results import launch_answer, results_of
from rkruntime.service._state import ServiceState

__all__ = ("launch",)


async def launch(state: ServiceState, request: Request) -> Response:
    """Launch one kernel."""
    name = request.path_params["name"]
    spec = state.catalogue.spec(name)
    state.check_admission()
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON:
        raise RequestRefused(415, f"a body of type {kind!r} is not read here", f"send {JSON}")
    limits = state.config.service
    body = await read_body(request, limits.max_request_size)
    asked = plan(spec, read_launch(spec, body), limits.max_request_size)
    args = take_memory(asked)
    record = await state.bridge.call(state.catalogue.launch, name, args, asked.how, timeout_s=limits.request_timeout)
    return json_response(launch_answer(results_of(spec, args, record), record))
