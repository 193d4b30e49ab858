"""From attrs types to JSON Schema 2020-12, as OpenAPI 3.1 takes it. Pure."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

__all__ = ("schema_of",)

ARGUMENT = re.compile(r"^\s{8}(\w+): (.+)$", re.MULTILINE)
PLAIN: Mapping[Any, Mapping[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}


def schema_of(kind: Any, components: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; attrs classes go to `components`, by name, and are referred to.

    Raises:
        TypeError: There is no schema for such a type.
    """
    if kind is Any:
        return {}
    if kind in PLAIN:
        return dict(PLAIN[kind])
    if attrs.has(kind):
        _add(kind, components)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each, components) for each in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1], components)}
    if origin is not None and issubclass(origin, Sequence):
        return {"type": "array", "items": schema_of(inner[0], components)}
    raise TypeError(f"{kind} has no schema")


def _add(kind: type[attrs.AttrsInstance], components: dict[str, Any]) -> None:
    if kind.__name__ in components:
        return
    components[kind.__name__] = {}  # so that a type may name itself
    told = dict(ARGUMENT.findall(kind.__doc__ or ""))
    hints = get_type_hints(kind)
    properties = {
        field.name: schema_of(hints[field.name], components)
        | ({"description": told[field.name]} if field.name in told else {})
        for field in attrs.fields(kind)
    }
    components[kind.__name__] = {
        "type": "object",
        "description": (kind.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING],
        "additionalProperties": False,
    }
