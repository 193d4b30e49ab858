"""Arrays in and out, in every form that is taken."""

import io
import json
import socket
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from service_process import ServiceProcess

from rkruntime.errors import RequestRefused

NPY = "application/x-npy"


def saved(array: npt.NDArray[Any], **how: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def loaded(data: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def launch(service: ServiceProcess, kernel: str, **request: Any) -> httpx.Response:
    return service.client.post(f"/v1/kernels/{kernel}/launch", **request)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "complex64"])
def test_an_array_of_numpy_goes_in_and_out(service: ServiceProcess, dtype: str) -> None:
    x = np.arange(100).astype(dtype)
    answer = launch(
        service, "bump", params={"launch": '{"over": 100}'}, content=saved(x), headers={"content-type": NPY}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == NPY
    assert "device;dur=" in answer.headers["server-timing"]
    np.testing.assert_array_equal(loaded(answer.content), x + np.ones(1, dtype), strict=True)


def test_a_large_array_goes_in_and_out(service: ServiceProcess) -> None:
    x = np.random.default_rng(1).random(1_000_000)
    asked = {"launch": json.dumps({"over": x.size}), "argument": "x"}
    answer = launch(service, "bump", params=asked, content=saved(x), headers={"content-type": NPY})
    np.testing.assert_array_equal(loaded(answer.content), x + 1)


def test_parts_are_arrays_and_the_rest_is_in_the_part_named_launch(service: ServiceProcess) -> None:
    x, y = np.arange(7.0), np.ones(7)
    rest = {"args": {"a": 3.0, "out": {"shape": [7], "dtype": "float64"}}, "over": 7}
    files = {"x": saved(x), "y": saved(y)}
    answer = launch(service, "saxpy", files=files, data={"launch": json.dumps(rest)}, headers={"accept": NPY})
    np.testing.assert_array_equal(loaded(answer.content), 3 * x + y)


def test_an_answer_in_parts_holds_every_result(service: ServiceProcess) -> None:
    from rkruntime.service._multipart import read_parts

    asked = {"args": {"x": [1.0, 2.0]}, "over": 2}
    answer = launch(service, "bump", json=asked, headers={"accept": "multipart/form-data"})
    parts = {part.name: part for part in read_parts(bytearray(answer.content), answer.headers["content-type"])}
    np.testing.assert_array_equal(loaded(bytes(parts["x"].data)), [2.0, 3.0])
    assert json.loads(parts["launch"].data)["timings"]["total_s"] > 0


def test_typed_data_and_typed_numbers_in_json(service: ServiceProcess) -> None:
    data = {"data": [1, 2], "dtype": "float32"}
    args = {"a": {"value": 2, "dtype": "float32"}, "x": data, "y": data, "out": {"shape": 2, "dtype": "float32"}}
    answer = launch(service, "saxpy", json={"args": args, "over": 2}, headers={"accept": NPY})
    np.testing.assert_array_equal(loaded(answer.content), np.array([3, 6], np.float32), strict=True)


def test_a_list_takes_the_type_that_the_kernel_declares(service: ServiceProcess) -> None:
    args = {"x": [1.5, 2.5], "out": {"shape": [2], "dtype": "float32"}}
    assert launch(service, "typed", json={"args": args, "over": 2}).json()["results"]["out"] == [1.5, 2.5]


def test_what_is_not_finite_is_an_error_in_json_and_none_elsewhere(service: ServiceProcess) -> None:
    asked: dict[str, Any] = {"params": {"launch": '{"over": 2}'}, "content": saved(np.array([1.0, np.nan]))}
    in_json = launch(service, "bump", **asked, headers={"content-type": NPY, "accept": "application/json"})
    assert in_json.status_code == 406
    assert "not finite" in in_json.json()["detail"]
    in_npy = launch(service, "bump", **asked, headers={"content-type": NPY})
    np.testing.assert_array_equal(loaded(in_npy.content), [2.0, np.nan])


def _raw(header: bytes, items: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + items


BOMB = b"PK\x03\x04" + b"\0" * 60
REFUSED = {
    "object": (saved(np.array([{}], object), allow_pickle=True), 422),
    "pickle": (b"\x80\x04]\x94.", 422),
    "npz": (BOMB, 422),
    "empty": (b"", 422),
    "no dict": (_raw(b"[1, 2]"), 422),
    "code": (_raw(b"{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (1,)}"), 422),
    "deep": (_raw(b"(" * 9000), 422),
    "negative": (_raw(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), 422),
    "vast": (_raw(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"), 422),
    "vast and empty": (
        _raw(b"{'descr': '<f8', 'fortran_order': False, 'shape': (0,140737488355327,99999999999)}"),
        422,
    ),
    "short": (saved(np.zeros(10))[:-1], 422),
    "long": (saved(np.zeros(10)) + b"\0", 422),
    "other order": (saved(np.zeros(3, ">f8")), 422),
    "texts": (saved(np.array(["a", "b"])), 422),
    "records": (saved(np.zeros(2, [("a", "f4"), ("b", "i4")])), 422),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_array_of_numbers_is_refused(service: ServiceProcess, name: str) -> None:
    body, status = REFUSED[name]
    answer = launch(service, "bump", params={"launch": '{"over": 1}'}, content=body, headers={"content-type": NPY})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    in_part = launch(service, "bump", files={"x": body or b"-"}, data={"launch": '{"over": 1}'})
    assert in_part.status_code == status
    assert service.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/x-npz", 415), ("application/octet-stream", 415), ("text/html", 415), ("application/x-pickle", 415)],
)
def test_other_forms_are_refused(service: ServiceProcess, kind: str, status: int) -> None:
    assert launch(service, "bump", content=BOMB, headers={"content-type": kind}).status_code == status


def test_compressed_bodies_are_refused(service: ServiceProcess) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    assert launch(service, "bump", content=b"\x1f\x8b", headers=headers).status_code == 415


@pytest.mark.parametrize(
    ("kernel", "out"),
    [("typed", {"shape": [1], "dtype": "float32"}), ("double", 1.0), ("double", {"shape": [], "dtype": "float32"})],
    ids=["another type than declared", "a number where the body has out[i]", "no axis where the body has out[i]"],
)
def test_what_the_kernel_cannot_take_is_refused_before_it_is_read(
    service: ServiceProcess, kernel: str, out: object
) -> None:
    """Only the beginning is sent, and the answer comes: the rest was not waited for."""
    x = saved(np.zeros(4_000_000))
    query = httpx.QueryParams(argument="x", launch=json.dumps({"args": {"out": out}, "over": 1}))
    head = (
        f"POST /v1/kernels/{kernel}/launch?{query} HTTP/1.1\r\n"
        f"host: localhost\r\ncontent-type: {NPY}\r\ncontent-length: {len(x)}\r\n\r\n"
    )
    with socket.create_connection(service.address, timeout=60) as connection:
        connection.sendall(head.encode() + x[:30_000])
        assert connection.recv(65536).startswith(b"HTTP/1.1 422 ")


JSON_REFUSED = {
    "no json": (b"{", 400),
    "nan": (b'{"args": {"x": [NaN]}, "over": 1}', 400),
    "no object": (b"[]", 422),
    "unknown key": (b'{"args": {"x": [1]}, "under": 1}', 422),
    "unknown argument": (b'{"args": {"z": [1]}, "over": 1}', 422),
    "missing argument": (b'{"over": 1}', 422),
    "no extent": (b'{"args": {"x": [1]}}', 422),
    "over text": (b'{"args": {"x": [1]}, "over": "1"}', 422),
    "over zero": (b'{"args": {"x": [1]}, "over": 0}', 422),
    "text": (b'{"args": {"x": "1"}, "over": 1}', 422),
    "null": (b'{"args": {"x": null}, "over": 1}', 422),
    "ragged": (b'{"args": {"x": [[1], [1, 2]]}, "over": 1}', 422),
    "mixed": (b'{"args": {"x": [1, "a"]}, "over": 1}', 422),
    "object in list": (b'{"args": {"x": [{}]}, "over": 1}', 422),
    "object dtype": (b'{"args": {"x": {"shape": [1], "dtype": "object"}}, "over": 1}', 422),
    "dtype O": (b'{"args": {"x": {"shape": [1], "dtype": "O"}}, "over": 1}', 422),
    "vast output": (b'{"args": {"x": {"shape": [1000000000], "dtype": "float64"}}, "over": 1}', 413),
    "vast and empty": (
        b'{"args": {"x": {"shape": [0, 140737488355327, 99999999], "dtype": "float64"}}, "over": 1}',
        422,
    ),
    "negative shape": (b'{"args": {"x": {"shape": [-1], "dtype": "float64"}}, "over": 1}', 422),
    "no such number": (b'{"args": {"x": {"value": 300, "dtype": "uint8"}}, "over": 1}', 422),
    "deep": (b'{"args": {"x": ' + b"[" * 500 + b"]" * 500 + b'}, "over": 1}', 422),
}


@pytest.mark.parametrize("name", JSON_REFUSED)
def test_what_is_no_launch_is_refused(service: ServiceProcess, name: str) -> None:
    body, status = JSON_REFUSED[name]
    answer = launch(service, "bump", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["mend"]


def test_an_answer_in_no_accepted_form_is_refused_before_the_launch(service: ServiceProcess) -> None:
    answer = launch(service, "bump", json={"args": {"x": [1]}, "over": 1}, headers={"accept": "text/html"})
    assert answer.status_code == 406


def test_columns_of_arrow_go_in_and_out(service: ServiceProcess) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    table = arrow.table({"x": np.arange(5.0)})
    table = table.replace_schema_metadata({"launch": '{"over": 5}'})
    sink = io.BytesIO()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    kind = "application/vnd.apache.arrow.stream"
    answer = launch(service, "bump", content=sink.getvalue(), headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind), answer.text
    with arrow.ipc.open_stream(answer.content) as reader:
        told = reader.read_all()
    np.testing.assert_array_equal(told.column("x").to_numpy(), np.arange(5.0) + 1)
    assert json.loads(told.schema.metadata[b"launch"])["timings"]["total_s"] > 0
    for broken in (b"junk", sink.getvalue()[: len(sink.getvalue()) // 2]):
        assert launch(service, "bump", content=broken, headers={"content-type": kind}).status_code == 400


def arrow_stream(table: Any, **options: Any) -> bytes:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    sink = io.BytesIO()
    with arrow.ipc.new_stream(sink, table.schema, options=arrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=500_000)
    return sink.getvalue()


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_columns_of_arrow_are_refused_before_they_are_read(codec: str) -> None:
    from rkruntime.service._arrow import read_arrow

    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    bomb = arrow_stream(arrow.table({"x": np.zeros(4_000_000)}), compression=codec)
    assert len(bomb) < 200_000
    before = arrow.total_allocated_bytes()
    peak = arrow.default_memory_pool().max_memory()
    with pytest.raises(RequestRefused) as refused:
        read_arrow(bytearray(bomb), lambda _: None)
    assert refused.value.status == 415
    assert (arrow.total_allocated_bytes(), arrow.default_memory_pool().max_memory()) == (before, peak)


def test_columns_of_arrow_are_one_each_and_of_the_kernel(service: ServiceProcess) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    kind = "application/vnd.apache.arrow.stream"
    column = arrow.array(np.zeros(3))
    coded = arrow.array([1.0, 1.0, 2.0]).dictionary_encode()
    for columns, names in (([column] * 2, ["x", "x"]), ([column] * 2, ["x", "z"]), ([coded], ["x"])):
        table = arrow.Table.from_arrays(columns, names=names).replace_schema_metadata({"launch": '{"over": 3}'})
        answer = launch(service, "bump", content=arrow_stream(table), headers={"content-type": kind})
        assert answer.status_code == 422, answer.text
        assert answer.json()["mend"]
