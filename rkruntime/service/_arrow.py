"""Apache Arrow's IPC stream, where pyarrow is installed: one column an array of one axis."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from rkruntime.errors import RequestRefused

__all__ = ("ARROW", "arrow_is_here", "read_arrow", "write_arrow")

ARROW = "application/vnd.apache.arrow.stream"
LAUNCH_KEY = b"launch"
"""Key of the schema's metadata that holds the launch in JSON."""


@cache
def arrow_is_here() -> bool:
    """Whether pyarrow can be imported."""
    try:
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        return False
    return True


def read_arrow(body: bytearray) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """Read a stream of record batches with one column an array.

    Returns:
        The launch in JSON, from the schema's metadata, and the arrays by name.

    Raises:
        RequestRefused: It is no such stream (400), or a column holds what is no array of numbers (422).
    """
    arrow: Any = importlib.import_module("pyarrow")
    try:
        with arrow.ipc.open_stream(arrow.py_buffer(body)) as reader:
            table = reader.read_all()
            table.validate(full=True)
    except (arrow.ArrowException, OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise RequestRefused(400, f"the body is no Arrow IPC stream: {why}", "write it with pyarrow.ipc") from None
    metadata = table.schema.metadata or {}
    return metadata.get(LAUNCH_KEY, b""), {name: _column(name, table.column(name)) for name in table.column_names}


def write_arrow(results: Mapping[str, np.ndarray[Any, Any]], launch: bytes) -> bytes:
    """Write arrays of one axis and one length as a stream.

    Raises:
        RequestRefused: They have other shapes, or types that Arrow lacks (406).
    """
    arrow: Any = importlib.import_module("pyarrow")
    if len({array.shape for array in results.values()}) > 1 or any(array.ndim != 1 for array in results.values()):
        raise RequestRefused(
            406,
            "the results are no columns of one length",
            "ask for multipart/form-data, which takes arrays of all shapes",
        )
    try:
        table = arrow.table(dict(results)).replace_schema_metadata({LAUNCH_KEY: launch})
    except (arrow.ArrowException, TypeError, ValueError) as error:
        raise RequestRefused(406, f"Arrow has no such column: {error}", "ask for multipart/form-data") from None
    sink = io.BytesIO()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _column(name: str, column: Any) -> np.ndarray[Any, Any]:
    if column.null_count or not str(column.type).startswith(("int", "uint", "float", "double", "halffloat", "bool")):
        why = "it has nulls" if column.null_count else f"its type is {column.type}"
        raise RequestRefused(422, f"the column {name!r} is not read: {why}", "give numbers without nulls")
    return np.array(column.to_numpy())
