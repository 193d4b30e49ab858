"""NumPy's .npy format: its header read with care, arrays read in place and written without a copy.

The format is NumPy's NEP 1. Pickles are never read: an object dtype has no way in.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from tokenize import TokenError
from typing import Any

import attrs
import numpy as np

from rkruntime.errors import RequestRefused
from rkruntime.service._answers import Answer, Parts, Reply, Streamed
from rkruntime.service._asked import DTYPES, Planned, is_shape

__all__ = ("NPY", "NpyHeader", "check_length", "npy_bytes", "npy_reply", "read_npy", "read_npy_header")

NPY = "application/x-npy"
LONGEST_HEADER = 16 * 1024
CHUNK_BYTES = 256 * 1024
READERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
UNREADABLE = (ValueError, SyntaxError, TypeError, KeyError, EOFError, OverflowError, RecursionError, TokenError)
"""What NumPy raises for a header that is none."""


@attrs.frozen
class NpyHeader:
    """What a header says, and where the items begin."""

    array: Planned
    fortran: bool
    begins_at: int

    @property
    def length(self) -> int:
        """Bytes of the whole file."""
        return self.begins_at + self.array.nbytes


def read_npy_header(data: bytes | bytearray | memoryview, what: str) -> NpyHeader:
    """Read a header; only the beginning of `data` needs to be there.

    Args:
        data: The file, or its beginning.
        what: What to call it in an error.

    Raises:
        RequestRefused: It is no .npy, or holds what is no array of numbers (422).
    """
    file = io.BytesIO(bytes(data[: LONGEST_HEADER + 16]))
    try:
        version = np.lib.format.read_magic(file)
        reader = READERS.get(version)
        if reader is None:
            raise ValueError(f"version {version} is not read; save it with np.save")
        shape, fortran, dtype = reader(file, max_header_size=LONGEST_HEADER)
    except UNREADABLE as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise _refused(what, f"it is no .npy: {why}", "save the array with np.save") from None
    if dtype.hasobject:
        raise _refused(what, "its dtype is object, which is a pickle", "make it numbers: array.astype(np.float64)")
    if dtype not in DTYPES.values():
        raise _refused(what, f"its dtype is {dtype}", f"give one of {', '.join(DTYPES)}, in this machine's byte order")
    if not is_shape(shape):
        raise _refused(what, f"its shape is {shape}", "give up to eight lengths")
    return NpyHeader(Planned(np.dtype(dtype), tuple(map(int, shape))), bool(fortran), file.tell())


def read_npy(data: bytearray | memoryview, what: str) -> np.ndarray[Any, Any]:
    """Read an array in place: it is a view of `data`, which may be written, or a copy where that is not aligned.

    Raises:
        RequestRefused: It is no .npy of numbers, or longer or shorter than its header says (422).
    """
    header = read_npy_header(data, what)
    check_length(header, len(data), what)
    told = header.array
    items = memoryview(data)[header.begins_at :]
    if not told.nbytes:
        return np.zeros(told.shape, told.dtype)
    array = np.frombuffer(items, told.dtype).reshape(told.shape, order="F" if header.fortran else "C")
    return array if array.flags.aligned and array.flags.writeable else array.copy()


def check_length(header: NpyHeader, length: int, what: str) -> None:
    """Check that a file is as long as its header says.

    Raises:
        RequestRefused: It is not (422).
    """
    if length != header.length:
        why = f"its header says {header.length:,} bytes, and there are {length:,}"
        raise _refused(what, why, "send the file as np.save wrote it")


def npy_header(array: np.ndarray[Any, Any]) -> bytes:
    """Return the header of an array in C order."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    )
    return file.getvalue()


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return the file of an array."""
    return npy_header(array) + np.ascontiguousarray(array).tobytes()


def npy_reply(array: np.ndarray[Any, Any], headers: dict[str, str]) -> Reply:
    """Reply with one array; a large one is sent piece by piece from where it lies.

    Args:
        array: What to send.
        headers: Further headers.
    """
    array = np.ascontiguousarray(array) if array.ndim else array
    if array.nbytes <= CHUNK_BYTES:
        return Answer(npy_bytes(array), kind=NPY, headers=headers)
    header = npy_header(array)
    return Streamed(_pieces(header, array), NPY, headers, len(header) + array.nbytes)


async def _pieces(header: bytes, array: np.ndarray[Any, Any]) -> Parts:
    yield header
    items = array.reshape(-1).view(np.uint8).data
    for begin in range(0, len(items), CHUNK_BYTES):
        yield items[begin : begin + CHUNK_BYTES]


def _refused(what: str, why: str, mend: str) -> RequestRefused:
    return RequestRefused(422, f"{what} is not read: {why}", mend)
