"""Launch a kernel for a request: read, check, launch over the bridge, answer."""

from __future__ import annotations

from starlette.types import ASGIApp

from rkruntime.service._answers import JSON
from rkruntime.service._asked import output_bytes, take_memory
from rkruntime.service._incoming import Exchange
from rkruntime.service._reading import form_of, read_asked
from rkruntime.service._results import results_of
from rkruntime.service._state import ServiceState
from rkruntime.service._writing import answer, answer_form

__all__ = ("launch",)


async def launch(state: ServiceState, request: Exchange) -> ASGIApp:
    """Launch one kernel."""
    name = request.path_params["name"]
    spec = state.catalogue.spec(name)
    state.check_admission()
    asked_in = form_of(request.header(b"content-type") or JSON)
    form = answer_form(request.header(b"accept"), asked_in)
    asked = await read_asked(spec, request, asked_in, state.config.service)
    request.held.take(output_bytes(asked))
    args = take_memory(asked)
    record = await state.bridge.call(
        state.catalogue.launch, name, args, asked.how, timeout_s=request.left_s, receive=request.incoming
    )
    return await answer(form, results_of(spec, args, record), record, request.asked("result"))
