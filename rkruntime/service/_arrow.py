"""Apache Arrow's IPC stream, where pyarrow is installed: one column an array of one axis."""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable, Mapping
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


def read_arrow(body: bytearray, check_name: Callable[[str], None]) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """Read a stream of record batches with one column an array; it takes no more memory than the body, for each array.

    Args:
        body: The stream.
        check_name: Raises for a name that is no array's; called before an array is taken out.

    Returns:
        The launch in JSON, from the schema's metadata, and the arrays by name.

    Raises:
        RequestRefused: It is no such stream (400), is compressed (415), or a column holds what is no array of numbers
            or has the name of another (422).
    """
    arrow: Any = importlib.import_module("pyarrow")
    try:
        _refuse_compressed(arrow, body)
        with arrow.ipc.open_stream(arrow.py_buffer(body)) as reader:
            table = reader.read_all()
            table.validate(full=True)
    except (arrow.ArrowException, OSError, ValueError, struct.error) as error:
        why = str(error).partition("\n")[0]
        raise RequestRefused(400, f"the body is no Arrow IPC stream: {why}", "write it with pyarrow.ipc") from None
    names = table.column_names
    for name in names:
        check_name(name)
    if len(set(names)) < len(names):
        raise RequestRefused(422, f"two columns have one name, of {', '.join(names)}"[:200], "give each array once")
    metadata = table.schema.metadata or {}
    return metadata.get(LAUNCH_KEY, b""), {name: _column(name, table.column(name)) for name in names}


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


def _refuse_compressed(arrow: Any, body: bytearray) -> None:
    """Refuse compressed buffers, which would be read as large as they say they are, before they are.

    Raises:
        RequestRefused: There are some (415), or dictionaries (422).
    """
    for message in arrow.ipc.MessageReader.open_stream(arrow.py_buffer(body)):
        if message.type == "dictionary":
            raise RequestRefused(422, "dictionaries of Arrow are not read", "give columns of plain numbers")
        if message.type == "record batch" and _says_compression(memoryview(message.metadata)):
            mend = "write it with IpcWriteOptions(compression=None)"
            raise RequestRefused(415, "compressed Arrow is not read", mend)


def _says_compression(message: memoryview) -> bool:
    """Whether the record batch of a message names a codec: field 3 of `RecordBatch`, in field 2 of `Message`.

    From Arrow's format/Message.fbs, in FlatBuffers' encoding; pyarrow does not tell.
    """
    (root,) = struct.unpack_from("<I", message, 0)
    header = root + _field(message, root, 2)
    (distance,) = struct.unpack_from("<I", message, header)
    return _field(message, header + distance, 3) > 0


def _field(data: memoryview, table: int, number: int) -> int:
    """Return where a field of a FlatBuffers table lies, from the table's beginning; 0 where it is absent."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    place = 4 + 2 * number
    return int(struct.unpack_from("<H", data, table - back + place)[0]) if place < size else 0


def _column(name: str, column: Any) -> np.ndarray[Any, Any]:
    if column.null_count or not str(column.type).startswith(("int", "uint", "float", "double", "halffloat", "bool")):
        why = "it has nulls" if column.null_count else f"its type is {column.type}"
        raise RequestRefused(422, f"the column {name!r} is not read: {why}", "give numbers without nulls")
    return np.array(column.to_numpy())
