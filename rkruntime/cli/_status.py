"""`rustkernel runtime status`: what a running instance is doing.

It is asked often, by people and by probes, so nothing is imported here that takes time: no click, Trio or attrs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rkruntime.control import converse, is_instance_name
from rkruntime.control._place import DEFAULT_INSTANCE
from rkruntime.units import format_bytes, format_seconds

__all__ = ("PATIENCE_S", "answer_at_once", "status_text", "write_status")

PATIENCE_S = 5.0
"""Seconds that a runtime may take to answer."""
MOST_ACTORS = 10
"""Actors that are shown to people; `--json` has more."""


def answer_at_once(words: Sequence[str]) -> int | None:
    """Answer `runtime status`, and return the exit status; None for words that are click's to read.

    Args:
        words: What follows `runtime status` on the command line.
    """
    read = _read_words(words)
    if read is None:
        return None
    try:
        return write_status(*read)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush fails too
        return 1
    except Exception as error:
        from rkruntime.cli._exit import fail  # here, since an answer must not wait for the errors' classes

        return fail(error)


def write_status(instance: str, as_json: bool, folder: str | None = None) -> int:
    """Ask an instance, print the answer, and return the exit status; JSON says of one that is not there that it is not.

    Raises:
        InstanceNotRunning: It is not there.
        ControlUnavailable: It does not answer.
    """
    try:
        told = next(converse(instance, {"request": "status"}, patience_s=PATIENCE_S, folder=folder), None)
    except Exception as error:
        return _tell_absence(error, as_json)
    if told is None:
        from rkruntime.errors import ControlUnavailable

        raise ControlUnavailable(f"the runtime {instance!r} hung up", "it is ending: ask again")
    del told["kind"]
    print(json.dumps(told, indent=1) if as_json else status_text(told))
    sys.stdout.flush()
    return 0


def _tell_absence(error: Exception, as_json: bool) -> int:
    from rkruntime.cli._exit_codes import ExitCode
    from rkruntime.errors import InstanceNotRunning  # here, since an answer must not wait for the errors' classes

    if not (as_json and isinstance(error, InstanceNotRunning)):
        raise error
    told = {"instance": error.name, "state": "not running", "running": list(error.running)}
    print(json.dumps(told, indent=1))
    return ExitCode.NOT_RUNNING


def status_text(told: Mapping[str, Any]) -> str:
    """Write a status for people."""
    since = told["since"].replace("T", " ").partition(".")[0]
    head = f"{told['instance']} is {told['state']} for {format_seconds(told['for_s'])}, since {since} UTC"
    return "\n".join([f"{head} (process {told['pid']}, rkruntime {told['version']})", *_lines(told)])


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    device, actors, memory, health = told["device"], told["actors"], told["memory"], told["health"]
    if device is not None:
        yield f"  device     {device['kind']}: {device['name']}, {device['compute_units']} units"
    yield f"  in flight  {told['in_flight']:,}"
    yield f"  actors     {actors['live']:,}"
    for actor in actors["listed"][:MOST_ACTORS]:
        yield (
            f"    {actor['name']}: {actor['state']}, {actor['in_flight']:,} in flight, {actor['messages']:,} handled, "
            f"{actor['restarts']} restarts, {format_bytes(actor['memory_bytes'])}"
        )
    if actors["live"] > MOST_ACTORS:
        yield f"    and {actors['live'] - MOST_ACTORS:,} more"
    if memory is not None:
        yield f"  pressure   {memory['pressure']}"
        yield _level("device", memory["device"])
        yield _level("staging", memory["staging"])
    yield f"  health     {'live' if health['live'] else 'not live'}, {'ready' if health['ready'] else 'not ready'}"
    for check in health["checks"]:
        yield f"    {check['name']} {'ok' if check['ok'] else 'NOT OK'}: {check['detail']}"


def _level(name: str, held: Mapping[str, int]) -> str:
    known = [what for what in ("allocated", "reserved", "peak") if f"{what}_bytes" in held]
    parts = ", ".join(f"{format_bytes(held[f'{what}_bytes'])} {what}" for what in known)
    return f"  {name:9}  {parts}, of {format_bytes(held['limit_bytes'])}"


def _read_words(words: Sequence[str]) -> tuple[str, bool, str | None] | None:
    instance, as_json, folder, rest = DEFAULT_INSTANCE, False, None, list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif name == "--instance" and (equals or rest):
            instance = value if equals else rest.pop(0)
        elif name == "--folder" and (equals or rest):
            folder = value if equals else rest.pop(0)
        else:
            return None
    return (instance, as_json, folder) if is_instance_name(instance) else None
