"""What the Trace Event Format demands of the events that are written here, and what Perfetto needs to nest slices."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema

Event = dict[str, Any]

COMMON = {
    "pid": {"type": "integer"},
    "tid": {"type": "integer"},
    "ts": {"type": "number"},
    "name": {"type": "string", "minLength": 1},
    "cat": {"type": "string"},
    "args": {"type": "object"},
}
REQUIRED = ["ph", "pid", "tid", "ts", "name"]


def event(phase: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    named = {"ph": {"const": phase}} | COMMON | properties
    return {"type": "object", "properties": named, "required": [*REQUIRED, *required], "additionalProperties": False}


META = {"process_name": "string", "thread_name": "string", "process_sort_index": "integer"}

SCHEMA = {
    "type": "array",
    "items": {
        "oneOf": [
            event("X", ("dur",), dur={"type": "number", "minimum": 0}),
            event("i", ("s",), s={"enum": ["g", "p", "t"]}),
            event("C", ("args",), args={"type": "object", "additionalProperties": {"type": "number"}}),
            event("M", ("args",), name={"enum": list(META)}),
        ]
    },
}
"""Complete, instant, counter and metadata events; a counter's arguments are numbers, its series."""


def load(path: Path) -> list[Event]:
    """Read a trace, and check it against the format: whole JSON, known events, slices that nest, tracks with names."""
    events: list[Event] = json.loads(path.read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(events)
    check_nesting(events)
    named = {(one["pid"], one["tid"]) for one in events if one["name"] == "thread_name"}
    assert {(one["pid"], one["tid"]) for one in events if one["ph"] in "Xi"} <= named, "every track has a name"
    return events


def check_nesting(events: list[Event]) -> None:
    by_track = defaultdict(list)
    for one in events:
        if one["ph"] == "X":
            by_track[one["pid"], one["tid"]].append((round(one["ts"] * 1000), -round(one["dur"] * 1000), one["name"]))
    for track, slices in by_track.items():
        ends: list[int] = []
        for began, less_length, name in sorted(slices):
            ended = began - less_length
            while ends and ends[-1] <= began:
                ends.pop()
            assert not ends or ended <= ends[-1], f"{name} at {began} ns reaches beyond what it began in, on {track}"
            ends.append(ended)


def tracks(events: list[Event]) -> set[tuple[str, str]]:
    """The tracks by group and name."""
    groups = {one["pid"]: one["args"]["name"] for one in events if one["name"] == "process_name"}
    return {(groups[one["pid"]], one["args"]["name"]) for one in events if one["name"] == "thread_name"}


def slices(events: list[Event], group: str, track: str) -> list[Event]:
    """The slices of a track, in order."""
    pid = next(one["pid"] for one in events if one["name"] == "process_name" and one["args"]["name"] == group)
    tid = next(
        one["tid"]
        for one in events
        if one["name"] == "thread_name" and one["pid"] == pid and one["args"]["name"] == track
    )
    found = [one for one in events if one["ph"] == "X" and (one["pid"], one["tid"]) == (pid, tid)]
    return sorted(found, key=lambda one: (one["ts"], -one["dur"]))
