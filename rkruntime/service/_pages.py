"""What the service tells of its kernels and its runtime, and the drain."""

from __future__ import annotations

from typing import Any

import attrs
import orjson

from rkruntime.errors import RequestRefused
from rkruntime.kernels import KernelSpec
from rkruntime.runtime import snapshot
from rkruntime.service._answers import Answer, json_response
from rkruntime.service._incoming import Exchange
from rkruntime.service._outside import told_outside
from rkruntime.service._state import ServiceState
from rkruntime.service._types import ActorPage, Actors, Memory, MemoryClass, MemoryOwner

__all__ = ("actors", "drain", "kernel", "kernels", "memory", "runtime")

LONGEST_DRAIN_BODY = 4096


async def kernels(state: ServiceState, _: Exchange) -> Answer:
    """List the kernels."""
    told = [
        {"name": name, "signature": spec.signature, "summary": _doc(spec).partition("\n")[0]}
        for name, spec in state.catalogue.specs.items()
    ]
    return json_response({"kernels": told})


async def kernel(state: ServiceState, request: Exchange) -> Answer:
    """Say what one kernel takes."""
    name = request.path_params["name"]
    spec = state.catalogue.spec(name)
    return json_response(
        {
            "name": name,
            "signature": spec.signature,
            "summary": _doc(spec).partition("\n")[0],
            "documentation": _doc(spec),
            "parameters": spec.parameters,
            "optional": list(spec.parameters[len(spec.parameters) - len(spec.defaults) :]) if spec.defaults else [],
            "declared": [[str(slot) for slot in slots] for slots in spec.declared],
        }
    )


async def actors(state: ServiceState, _: Exchange) -> Answer:
    """List the live actors."""
    return json_response(await state.bridge.call(_actors, state))


async def memory(state: ServiceState, _: Exchange) -> Answer:
    """Say where the memory is."""
    return json_response(await state.bridge.call(_memory, state))


async def runtime(state: ServiceState, _: Exchange) -> Answer:
    """Say what the runtime does."""
    return json_response(told_outside(await state.bridge.call(_snapshot, state)))


async def drain(state: ServiceState, request: Exchange) -> Answer:
    """Begin the drain and answer at once; /v1/runtime and /v1/events follow it."""
    body = await request.read(LONGEST_DRAIN_BODY)
    timeout_s = _timeout(body)
    await state.bridge.call(_drain, state, timeout_s)
    return json_response({"state": state.runtime.state.value, "timeout_s": timeout_s}, 202)


async def _actors(state: ServiceState) -> Actors:
    return Actors(
        actors=[
            ActorPage(
                name=info.name,
                kind=info.kind.__name__,
                state=info.state,
                in_flight=info.in_flight,
                waiting=info.mailbox_depth,
                messages=info.messages,
                restarts=info.restarts,
                memory_bytes=info.memory_bytes,
                last_error=told_outside(info.last_error),
            )
            for info in state.runtime.actors
        ]
    )


async def _memory(state: ServiceState) -> Memory:
    stats = state.runtime.memory.stats()
    return Memory(
        pressure=str(stats.level),
        limit_bytes=stats.limit_bytes,
        reserved_bytes=stats.reserved_bytes,
        allocated_bytes=stats.allocated_bytes,
        requested_bytes=stats.requested_bytes,
        cached_bytes=stats.cached_bytes,
        peak_bytes=stats.peak_bytes,
        buffers=stats.live_buffers,
        classes=[MemoryClass(**attrs.asdict(row)) for row in stats.classes],
        owners=[MemoryOwner(**attrs.asdict(row)) for row in stats.owners],
    )


async def _snapshot(state: ServiceState) -> dict[str, Any]:
    return snapshot(state.runtime)


async def _drain(state: ServiceState, timeout_s: float | None) -> None:
    state.runtime.request_shutdown(timeout_s)


def _timeout(body: bytearray) -> float | None:
    if not body:
        return None
    try:
        told = orjson.loads(body)
        timeout_s = told.get("timeout_s")
    except (orjson.JSONDecodeError, AttributeError):
        raise _no_drain("the body is no JSON object") from None
    if told.keys() - {"timeout_s"}:
        raise _no_drain("the body holds more than timeout_s")
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 <= timeout_s <= 1e9:
        raise _no_drain("its timeout_s is no number of seconds")
    return float(timeout_s)


def _no_drain(why: str) -> RequestRefused:
    return RequestRefused(422, f"the drain was not understood: {why}", 'send nothing, or {"timeout_s": 30}')


def _doc(spec: KernelSpec) -> str:
    return (spec.function.__doc__ or "").strip()
