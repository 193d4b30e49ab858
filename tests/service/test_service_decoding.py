"""What is read from the outside, against whatever may come: it is read right, or refused with what to do about it."""

import io
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rkruntime.errors import ArgumentMismatch, RequestRefused, RkError
from rkruntime.kernels import as_spec
from rkruntime.service._accept import choose
from rkruntime.service._arrow import read_arrow
from rkruntime.service._asked import DTYPES, plan, read_launch, take_memory
from rkruntime.service._multipart import Part, read_parts, write_parts
from rkruntime.service._npy import npy_bytes, read_npy, read_npy_header
from rkruntime.service._rate import Bucket, take

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
ARRAYS = hnp.arrays(
    dtype=st.sampled_from([dtype for dtype in DTYPES.values() if dtype.kind in "biuf"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def kernel(a: Any, x: Any, out: Any) -> None:
    out[0] = a * x[0]


def unused(a: Any, x: Any, out: Any) -> None:
    """Take arrays of all axes."""


SPEC = as_spec(kernel)


@PATIENT
@given(ARRAYS, st.booleans())
def test_what_numpy_saves_is_read_back(array: Any, fortran: bool) -> None:
    file = io.BytesIO()
    np.save(file, np.asfortranarray(array) if fortran and array.ndim else array)
    read = read_npy(bytearray(file.getvalue()), "it")
    np.testing.assert_array_equal(read, array, strict=True)
    assert read.flags.writeable
    assert read.flags.aligned


@PATIENT
@given(ARRAYS)
def test_numpy_reads_what_is_written(array: Any) -> None:
    np.testing.assert_array_equal(np.load(io.BytesIO(npy_bytes(array))), array, strict=True)


@PATIENT
@given(st.binary(max_size=400), st.binary(max_size=40), st.integers(0, 120))
def test_no_bytes_make_the_reader_fail(junk: bytes, change: bytes, place: int) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(5.0))
    good = bytearray(file.getvalue())
    good[place : place + len(change)] = change
    for data in (junk, b"\x93NUMPY\x01\x00" + junk, bytes(good)):
        try:
            header = read_npy_header(data, "it")
        except RkError:
            continue
        assert header.array.dtype in DTYPES.values()
        try:
            assert read_npy(bytearray(data), "it").shape == header.array.shape
        except RkError:
            assert len(data) != header.length


KEYS = st.sampled_from(["shape", "dtype", "data", "value"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@PATIENT
@given(st.dictionaries(st.sampled_from(["args", "over", "grid", "block", "shared", "x"]), VALUES), VALUES, VALUES)
def test_no_json_makes_the_reader_fail(told: dict[str, Any], x: Any, out: Any) -> None:
    for asked in (told, {"args": {"a": 1.0, "x": x, "out": out}, "over": 1}):
        try:
            launch = plan(SPEC, read_launch(SPEC, json.dumps(asked)), 1000)
        except RkError:
            continue
        assert list(launch.args) == ["a", "x", "out"]


@PATIENT
@given(st.sampled_from([dtype for dtype in DTYPES.values() if dtype.kind in "iu"]), st.data())
def test_whole_numbers_are_exact_or_refused(dtype: np.dtype[Any], data: st.DataObject) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    numbers = data.draw(st.lists(st.integers(least, most) | st.sampled_from([0, least, most]), min_size=1, max_size=4))
    asked = json.dumps({"args": {"x": {"data": numbers, "dtype": dtype.name}}})
    x = read_launch(SPEC, asked).args["x"]
    assert (x.dtype, x.tolist()) == (dtype, numbers)
    beyond = json.dumps({"args": {"x": {"data": [*numbers, most + 1], "dtype": dtype.name}}})
    with pytest.raises(ArgumentMismatch):
        read_launch(SPEC, beyond)


@pytest.mark.parametrize(
    ("number", "dtype"), [(0.5, "int64"), (1e30, "uint64"), (-1, "uint64"), (70_000, "float16"), (-1e39, "complex64")]
)
def test_no_number_is_taken_for_another(number: float, dtype: str) -> None:
    for form in ({"data": [0, number], "dtype": dtype}, {"value": number, "dtype": dtype}):
        with pytest.raises(ArgumentMismatch, match=f"no {dtype}"):
            read_launch(SPEC, json.dumps({"args": {"x": form}}))


@pytest.mark.parametrize(
    "value",
    ["{list}", "[{list}]", '{{"data": {list}, "dtype": "float64"}}', '{{"value": [1, {list}], "dtype": "float64"}}'],
)
def test_texts_in_lists_take_no_memory(value: str) -> None:
    texts = json.dumps(["a" * 20_000, *[""] * 20_000])  # 1.6 GB as an array, each as long as the longest
    asked = f'{{"args": {{"x": {value.format(list=texts)}}}, "over": 1}}'
    tracemalloc.start()
    try:
        with pytest.raises(ArgumentMismatch, match="a text"):
            read_launch(SPEC, asked)
        assert tracemalloc.get_traced_memory()[1] < 30 * len(asked)
    finally:
        tracemalloc.stop()


@PATIENT
@given(st.lists(st.integers(0, 3) | st.sampled_from([2**31, 2**47, 2**63, -1]), max_size=9))
def test_a_shape_that_is_planned_can_be_had(shape: list[int]) -> None:
    asked = json.dumps({"args": {"a": 1, "x": 2, "out": {"shape": shape, "dtype": "complex128"}}})
    try:
        (*_, out) = take_memory(plan(as_spec(unused), read_launch(SPEC, asked), 1 << 16))
    except RkError:
        return
    assert out.value.shape == tuple(shape)


@PATIENT
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.binary(max_size=100), max_size=5))
def test_parts_are_read_back(fields: dict[str, bytes]) -> None:
    body, kind = write_parts([Part(name, "application/x-npy", bytearray(data)) for name, data in fields.items()])
    assert {part.name: bytes(part.data) for part in read_parts(bytearray(body), kind)} == fields


@PATIENT
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_of_parts_fail(junk: bytes) -> None:
    for data in (junk, b"--b\r\n" + junk, b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n' + junk):
        try:
            parts = read_parts(bytearray(data), "multipart/form-data; boundary=b")
        except RkError:
            continue
        assert sum(len(part.data) for part in parts) <= len(data)


@pytest.mark.parametrize("header", [b"a:\r\n" * 1000, b"a: " + b"b" * 10**6 + b"\r\n"], ids=["many", "long"])
def test_parts_with_more_header_than_any_needs_are_refused(header: bytes) -> None:
    data = b'--b\r\ncontent-disposition: form-data; name="x"\r\n' + header + b"\r\n1\r\n--b--\r\n"
    with pytest.raises(RequestRefused) as refused:
        read_parts(bytearray(data), "multipart/form-data; boundary=b")
    assert refused.value.status == 400


@settings(PATIENT, max_examples=300)
@given(st.data(), st.sampled_from([None, "zstd"]))
def test_no_change_to_a_stream_of_arrow_makes_the_reader_fail(data: st.DataObject, codec: str | None) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    table = arrow.table({"x": np.arange(500.0), "flags": [True] * 500})
    sink = io.BytesIO()
    with arrow.ipc.new_stream(sink, table.schema, options=arrow.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    body = bytearray(sink.getvalue())
    changed = st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255))
    for place, byte in data.draw(st.lists(changed, min_size=1, max_size=4)):
        body[place] = byte
    del body[data.draw(st.integers(1, len(body))) :]
    try:
        _, arrays = read_arrow(body, lambda _: None)
    except RkError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 8 * len(body)


OFFERED = ("application/json", "application/x-npy", "multipart/form-data")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/x-npy", "application/x-npy"),
        ("application/x-npy;q=0.5, application/json;q=0.4", "application/x-npy"),
        ("application/*;q=0.5, application/json;q=0", "application/x-npy"),
        ("multipart/*", "multipart/form-data"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("application/json;q=nonsense", None),
    ],
)
def test_the_form_that_the_client_likes_best(accept: str | None, chosen: str | None) -> None:
    assert choose(accept, OFFERED) == chosen


@PATIENT
@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.5, 10), st.integers(1, 10))
def test_no_caller_gets_more_than_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    bucket, now_s, taken = Bucket(burst, 0.0), 0.0, 0
    for gap in gaps:
        now_s += gap
        bucket, wait_s = take(bucket, now_s, rate, burst)
        taken += wait_s == 0
        assert taken <= burst + rate * now_s + 1e-6
        if wait_s:
            assert take(bucket, now_s + wait_s + 1e-9, rate, burst)[1] == 0
