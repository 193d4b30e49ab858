"""From a launch's results to an answer: one writer for each form that can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from rkruntime.errors import RequestRefused
from rkruntime.kernels import LaunchRecord
from rkruntime.service._accept import choose
from rkruntime.service._answers import JSON, Answer, Reply, as_json
from rkruntime.service._arrow import ARROW, arrow_is_here, write_arrow
from rkruntime.service._multipart import MULTIPART, Part, write_parts
from rkruntime.service._npy import NPY, npy_bytes, npy_reply
from rkruntime.service._reading import LARGE_BYTES, off_loop
from rkruntime.service._results import check_finite, json_results, launch_told, server_timing

__all__ = ("answer", "answer_form", "json_at_once")

Results = Mapping[str, np.ndarray[Any, Any]]


@lru_cache(maxsize=64)
def answer_form(accept: bytes | None, asked_in: str) -> str:
    """Choose the answer's media type by the header Accept: what the client likes best, else the one that it asked in.

    Raises:
        RequestRefused: It accepts none that can be written (406).
    """
    offered = [asked_in, *(kind for kind in (JSON, NPY, MULTIPART, ARROW) if kind != asked_in)]
    if ARROW in offered and not arrow_is_here():
        offered.remove(ARROW)
    form = choose(None if accept is None else accept.decode("latin-1"), offered)
    if form is None:
        raise RequestRefused(406, "no form that is accepted can be written", f"accept one of {', '.join(offered)}")
    return form


async def answer(form: str, results: Results, record: LaunchRecord, wanted: str | None) -> Reply:
    """Write results.

    Args:
        form: The media type.
        results: By name.
        record: How the launch went.
        wanted: The one result that is asked for; None for all.

    Raises:
        RequestRefused: They have no such form (406), or there is no such result (422).
    """
    if wanted is not None:
        if wanted not in results:
            raise RequestRefused(
                422, f"there is no result {wanted[:80]!r}", f"results are: {', '.join(results) or 'none'}"
            )
        results = {wanted: results[wanted]}
    size = sum([array.nbytes for array in results.values()])
    if form == JSON:
        return Answer(await off_loop(size, _as_json, results, record))
    timing = {"server-timing": server_timing(record)}
    if form == NPY:
        return npy_reply(_only(results), timing)
    if form == ARROW:
        return Answer(write_arrow(results, as_json(launch_told(record))), kind=ARROW, headers=timing)
    body, kind = await off_loop(size, _as_parts, results, record)
    return Answer(body, kind=kind, headers=timing)


def json_at_once(results: Results, record: LaunchRecord) -> Answer | None:
    """Write small results in JSON; None where they take `answer`.

    Raises:
        RequestRefused: One has no such form (406).
    """
    size = 0
    for array in results.values():
        size += array.nbytes
    return Answer(_as_json(results, record)) if size < LARGE_BYTES else None


def _as_json(results: Results, record: LaunchRecord) -> bytes:
    text = as_json({"results": json_results(results)} | launch_told(record))
    if b"null" in text:  # the writer's word for what is not finite, and nothing else here is null
        check_finite(results)
    return text


def _as_parts(results: Results, record: LaunchRecord) -> tuple[bytes, str]:
    parts = [Part(name, NPY, bytearray(npy_bytes(array))) for name, array in results.items()]
    return write_parts([*parts, Part("launch", JSON, bytearray(as_json(launch_told(record))))])


def _only(results: Results) -> np.ndarray[Any, Any]:
    if len(results) == 1:
        return next(iter(results.values()))
    raise RequestRefused(
        406,
        f"{NPY} holds one array, and there are {len(results)} results: {', '.join(results) or 'none'}",
        f"name one in the query, ?result=NAME, or accept {MULTIPART}",
    )
