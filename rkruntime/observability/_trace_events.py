"""Records as events of a Chrome trace, which Perfetto opens: a track for each actor, worker, queue and kind of memory.

Source: Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: complete
events (`X`) nest by time within a track, so each track is given work that does not overlap.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rkruntime.actors import ActorEvent, EndedMessages
from rkruntime.context import Trace
from rkruntime.kernels import LaunchDone
from rkruntime.memory import PressureChange
from rkruntime.observability._histogram import packed
from rkruntime.observability._stages import stages_of
from rkruntime.runtime import DrainReport, Transition

__all__ = ("MemorySample", "Timed", "TraceEvents", "WorkerRun")

RUNTIME, ACTORS, WORKERS, DEVICE, MEMORY = range(1, 6)
MOST_FORMS = 4096
"""Kinds of messages whose text is kept."""
PROCESSES = {RUNTIME: "runtime", ACTORS: "actors", WORKERS: "workers", DEVICE: "device", MEMORY: "memory"}


class WorkerRun(NamedTuple):
    """A piece of work of one worker thread, by Trio's clock."""

    worker: int
    name: str
    began_s: float
    ended_s: float


class MemorySample(NamedTuple):
    """Device memory in use and reserved at one time by Trio's clock, in bytes."""

    at_s: float
    allocated_bytes: int
    reserved_bytes: int


class Timed(NamedTuple):
    """A record that has no time of its own, with the one at which it came."""

    at_s: float
    record: PressureChange | DrainReport


class TraceEvents:
    """Turns records into lines of JSON, one event each.

    Args:
        zero_s: The time by Trio's clock that is 0 in the trace.
    """

    def __init__(self, zero_s: float) -> None:
        self._zero_s = zero_s
        self._tracks: dict[tuple[int, str], int] = {}
        self._busy_until_ns: dict[tuple[int, str], int] = {}
        self._new: list[str] = []
        self._forms: dict[tuple[str, int, str, str], str] = {}
        self._of: dict[type, Callable[[Any], Iterable[str]]] = {
            EndedMessages: self._messages,
            LaunchDone: self._launch,
            WorkerRun: self._worker,
            MemorySample: self._memory,
            ActorEvent: self._actor_event,
            Transition: self._transition,
            Timed: self._timed,
        }

    @staticmethod
    def heads() -> list[str]:
        """Return the events that name the groups of tracks."""
        return [
            line
            for pid, name in PROCESSES.items()
            for line in (
                _meta("process_name", pid, 0, "name", f'"{name}"'),
                _meta("process_sort_index", pid, 0, "sort_index", str(pid)),
            )
        ]

    def lines(self, record: object) -> list[str]:
        """Return the events of a record, those that name new tracks first; none for a record that is not drawn."""
        write = self._of.get(type(record))
        lines = [] if write is None else [*write(record)]
        new, self._new = self._new, []
        return new + lines

    def _messages(self, ended: EndedMessages) -> Iterable[str]:
        """Return the events of messages; by column, since there may be tens of thousands in a second."""
        actors, messages, outcomes, slots, traces = ended.columns("actor", "message", "outcome", "slot", "trace")
        waited_s, ran_s, began_s = map(packed, ended.columns("waited_s", "ran_s", "began_s"))
        at_s = began_s - self._zero_s
        began_ns = np.rint(at_s * 1e9).astype(np.int64)
        length_ns = np.rint((at_s + ran_s) * 1e9).astype(np.int64) - began_ns
        waited_ns = np.rint(waited_s * 1e9).astype(np.int64)
        ids = map(_ids, traces) if traces.count(None) < len(traces) else itertools.repeat("")
        values = zip(began_ns.tolist(), length_ns.tolist(), waited_ns.tolist(), ids, strict=False)
        kinds = zip(actors, slots, messages, outcomes, strict=True)
        forms = self._forms
        return [(forms.get(kind) or self._form(*kind)) % told for kind, told in zip(kinds, values, strict=False)]

    def _form(self, actor: str, slot: int, message: str, outcome: str) -> str:
        """Return the event of such messages, with places for what differs; made once for each kind of message.

        Times are whole nanoseconds, written as so many thousandths of a microsecond, which is the format's unit:
        numbers with a point take nearly twice as long to write.
        """
        if outcome == "cancelled":
            message = f"{message} (cancelled)"
        track = self._track(ACTORS, _slot(actor, slot))
        args = f'"outcome":"{outcome}","waited_us":\0'
        line = _slice(ACTORS, track, 0, 0, message, "message", args).replace("%", "%%").replace("\0", "%de-3%s")
        form = line.replace('"ts":0.000', '"ts":%de-3', 1).replace('"dur":0.000', '"dur":%de-3', 1)
        if len(self._forms) >= MOST_FORMS:
            self._forms.clear()
        self._forms[actor, slot, message, outcome] = form
        return form

    def _launch(self, done: LaunchDone) -> Iterator[str]:
        began, ended = self._ns(done.began_s), self._ns(done.began_s + done.took_s)
        track = self._free_track(ACTORS, _slot(done.actor or "caller", done.slot), began, ended)
        args = f'"launch":{done.launch},"outcome":"{done.outcome}"{_ids(done.trace)}'
        if done.error:
            args += f',"error":{_text(done.error)}'
        yield _slice(ACTORS, track, began, ended, done.kernel, "launch", args)
        for stage in stages_of(done):
            first, last = self._ns(stage.began_s), self._ns(stage.ended_s)
            yield _slice(ACTORS, track, first, last, stage.name, "stage", "")
            if stage.name in ("queue", "device"):
                device = self._free_track(DEVICE, stage.name, first, last)
                yield _slice(DEVICE, device, first, last, done.kernel, stage.name, f'"launch":{done.launch}')

    def _worker(self, run: WorkerRun) -> Iterator[str]:
        began, ended = self._ns(run.began_s), self._ns(run.ended_s)
        yield _slice(WORKERS, self._track(WORKERS, f"worker {run.worker}"), began, ended, run.name, "worker", "")

    def _memory(self, sample: MemorySample) -> Iterator[str]:
        idle = max(0, sample.reserved_bytes - sample.allocated_bytes)
        values = f'"allocated":{sample.allocated_bytes},"idle":{idle}'
        yield _event("C", MEMORY, 0, self._ns(sample.at_s), "device memory", "memory", values)

    def _actor_event(self, event: ActorEvent) -> Iterator[str]:
        track = self._track(ACTORS, event.actor)
        args = f'"error":{_text(event.error)}' if event.error else ""
        yield _event("i", ACTORS, track, self._ns(event.at_s), event.what, "actor", args, ',"s":"t"')

    def _transition(self, move: Transition) -> Iterator[str]:
        args = f'"before":"{move.before.value}","cause":{_text(move.cause)}'
        track = self._track(RUNTIME, "lifecycle")
        yield _event("i", RUNTIME, track, self._ns(move.at_s), move.after.value, "lifecycle", args, ',"s":"g"')

    def _timed(self, timed: Timed) -> Iterator[str]:
        record, at_ns = timed.record, self._ns(timed.at_s)
        if isinstance(record, PressureChange):
            track = self._track(MEMORY, "pressure")
            args = f'"before":"{record.before}","allocated_bytes":{record.allocated_bytes}'
            yield _event("i", MEMORY, track, at_ns, str(record.after), "pressure", args, ',"s":"p"')
        else:
            track = self._track(RUNTIME, "lifecycle")
            args = f'"report":{_text(str(record))}'
            yield _event("i", RUNTIME, track, at_ns, "drained", "lifecycle", args, ',"s":"g"')

    def _ns(self, at_s: float) -> int:
        """Round a time once, so that what nests in seconds nests in the trace."""
        return round((at_s - self._zero_s) * 1e9)

    def _track(self, pid: int, name: str) -> int:
        track = self._tracks.get((pid, name))
        if track is None:
            track = self._tracks[pid, name] = len(self._tracks) + 1
            self._new.append(_meta("thread_name", pid, track, "name", _text(name)))
        return track

    def _free_track(self, pid: int, name: str, began_ns: int, ended_ns: int) -> int:
        """Return the track `name`, or a further one beside it while that is taken: its slices must not overlap."""
        wanted, number = name, 1
        while began_ns < self._busy_until_ns.get((pid, wanted), began_ns):
            number += 1
            wanted = f"{name} +{number}"
        self._busy_until_ns[pid, wanted] = ended_ns
        return self._track(pid, wanted)


def _slot(actor: str, slot: int) -> str:
    return f"{actor} #{slot + 1}" if slot else actor


def _ids(trace: Trace | None) -> str:
    if trace is None or not trace.trace_id:
        return ""
    return f',"trace_id":"{trace.trace_hex}","span_id":"{trace.span_hex}"'


@lru_cache(4096)
def _text(text: str) -> str:
    return json.dumps(text)


def _meta(what: str, pid: int, tid: int, key: str, value: str) -> str:
    return f'{{"ph":"M","pid":{pid},"tid":{tid},"ts":0,"name":"{what}","args":{{"{key}":{value}}}}}'


def _event(phase: str, pid: int, tid: int, at_ns: int, name: str, category: str, args: str, more: str = "") -> str:
    return (
        f'{{"ph":"{phase}","pid":{pid},"tid":{tid},"ts":{at_ns / 1000:.3f},"name":{_text(name)},"cat":"{category}"'
        f'{more},"args":{{{args}}}}}'
    )


def _slice(pid: int, tid: int, began_ns: int, ended_ns: int, name: str, category: str, args: str) -> str:
    length = f',"dur":{(ended_ns - began_ns) / 1000:.3f}'
    return _event("X", pid, tid, began_ns, name, category, args, length)
