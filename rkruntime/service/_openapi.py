"""The service's description, OpenAPI 3.1, from the table of routes and the types that they name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import rkruntime
from rkruntime.service._answers import JSON, Answer, as_json
from rkruntime.service._incoming import Exchange
from rkruntime.service._multipart import MULTIPART
from rkruntime.service._npy import NPY
from rkruntime.service._problems import PROBLEM_JSON, Problem
from rkruntime.service._schema import schema_of
from rkruntime.service._state import ServiceState

if TYPE_CHECKING:
    from rkruntime.service._routes import RouteSpec

__all__ = ("describe", "openapi")

NAME = {"type": "string", "minLength": 1}
BINARY = {"type": "string", "format": "binary"}
REFUSALS = {
    "400": "The request cannot be read.",
    "401": "Nobody known asks.",
    "403": "Who asks may not do this, or a foreign page asks.",
    "404": "There is no such thing.",
    "406": "No form that is accepted can hold the results.",
    "408": "The request did not come in time.",
    "413": "The body, or what is asked for, is too large.",
    "415": "A body of this type is not read.",
    "422": "What is asked for cannot be done; the problem says why and how to mend it.",
    "429": "Too many requests; Retry-After says when to ask again.",
    "500": "The service failed.",
    "503": "Busy, or draining; Retry-After says when to ask again.",
    "504": "The deadline came, and the launch was cancelled.",
}
HEADERS = (
    (
        "Request-Timeout",
        "Seconds, or text such as 250ms, after which the launch is cancelled.",
        r"^[1-9][0-9]{1,5}(ms|s)?$",
    ),
    (
        "Idempotency-Key",
        "The same key with the same launch is answered once, and then with that answer.",
        "^[!-~]{1,128}$",
    ),
)
EVENT_STREAM = "text/event-stream"
EVENT = {
    "description": "One event of the stream.",
    "type": "object",
    "properties": {
        "event": {"const": "snapshot"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
"""Each event as an object of its fields, as OpenAPI 3.2 has it; 3.1 says nothing of streams."""
QUERY = (
    ("result", "The one result to answer with."),
    ("argument", "Where the body is one array: the argument that it is."),
    ("launch", "Where the body is arrays: the launch in JSON, with all else."),
)


async def openapi(state: ServiceState, _: Exchange) -> Answer:
    """Answer with the description."""
    return Answer(state.description())


def describe(routes: tuple[RouteSpec, ...]) -> bytes:
    """Write the description of routes."""
    components: dict[str, Any] = {}
    schema_of(Problem, components)
    paths: dict[str, Any] = {}
    for route in routes:
        if route.answers is not None:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    return as_json(
        {
            "openapi": "3.1.0",
            "info": {"title": "rkruntime", "version": rkruntime.__version__, "summary": "Kernels over HTTP."},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{}, {"bearer": []}],
        }
    )


def _operation(route: RouteSpec, components: dict[str, Any]) -> dict[str, Any]:
    launches = route.path.endswith("/launch")
    names = re.findall(r"{(\w+)}", route.path)
    told: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ],
        "responses": {str(route.status): _answer(route, components, launches)}
        | {status: _problem(why) for status, why in REFUSALS.items()},
    }
    if route.also is not None:
        told["responses"][str(route.also)] = _answer(route, components, launches)
    if launches:
        told["parameters"] += [_parameter(name, "query", why, {"type": "string"}) for name, why in QUERY]
        told["parameters"] += [
            _parameter(name, "header", why, {"type": "string", "pattern": form}) for name, why, form in HEADERS
        ]
    if route.asks is not None:
        content: dict[str, Any] = {JSON: {"schema": schema_of(route.asks, components)}}
        if launches:
            content |= {
                NPY: {"schema": BINARY},
                MULTIPART: {"schema": {"type": "object", "additionalProperties": BINARY}},
            }
        told["requestBody"] = {"required": launches, "content": content}
    return told


def _operation_id(route: RouteSpec) -> str:
    words = re.findall(r"\w+", route.path.removeprefix("/v1"))
    return "_".join([route.method.lower(), *words])


def _answer(route: RouteSpec, components: dict[str, Any], launches: bool) -> dict[str, Any]:
    schema = {"type": "string"} if route.answers is str else schema_of(route.answers, components)
    content: dict[str, Any] = {route.kind: {"schema": EVENT if route.kind == EVENT_STREAM else schema}}
    if launches:
        content |= {NPY: {"schema": BINARY}, MULTIPART: {"schema": {"type": "string"}}}
    return {"description": route.summary, "content": content}


def _problem(why: str) -> dict[str, Any]:
    return {"description": why, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _parameter(name: str, place: str, why: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": why, "schema": schema}
