"""Launches over HTTP, against NumPy."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from service_process import LIMIT_S, ServiceProcess, serving

from rkruntime.errors import KernelFault, NotRunning
from rkruntime.service._problems import problem_of
from rkruntime.service._serve import SIDE_BY_SIDE

OUT = {"shape": [3], "dtype": "float64"}


def test_a_launch_in_json_answers_with_what_the_kernel_wrote(service: ServiceProcess) -> None:
    asked = {"args": {"x": [1.5, 2.0, 4.0], "out": OUT}, "over": 3}
    answer = service.client.post("/v1/kernels/double/launch", json=asked)
    told = answer.json()
    assert answer.status_code == 200
    assert told["results"] == {"out": [3.0, 4.0, 8.0]}
    assert told["timings"]["total_s"] >= told["timings"]["device_s"] >= 0


def test_an_array_that_the_kernel_changes_comes_back(service: ServiceProcess) -> None:
    told = service.client.post("/v1/kernels/bump/launch", json={"args": {"x": [1, 2, 3]}, "over": 3}).json()
    assert told["results"] == {"x": [2, 3, 4]}


def test_a_kernel_of_the_library_agrees_with_numpy(service: ServiceProcess) -> None:
    x, y = np.arange(5.0), np.linspace(0, 1, 5)
    args = {"a": 0.5, "x": x.tolist(), "y": y.tolist(), "out": {"shape": [5], "dtype": "float64"}}
    told = service.client.post("/v1/kernels/saxpy/launch", json={"args": args, "over": 5}).json()
    np.testing.assert_allclose(told["results"]["out"], 0.5 * x + y)


def test_a_fault_in_the_kernel_is_a_problem_that_names_its_line(service: ServiceProcess) -> None:
    asked = {"args": {"a": 1, "x": {"shape": [4], "dtype": "int64"}}, "over": 4}
    answer = service.client.post("/v1/kernels/divide/launch", json=asked)
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:rkruntime:error:KernelFault"
    assert "served.py:" in problem["detail"]
    assert "/served.py" not in answer.text, "its folder is for the log"
    assert problem["mend"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    told = ""
    while f"request_id={problem['request_id']}" not in told or "/served.py:" not in told:
        told += service.lines.get(timeout=LIMIT_S)


def test_a_launch_that_waits_behind_others_is_answered_at_its_deadline(service: ServiceProcess) -> None:
    """All of the actor's places are taken by launches that go on; the deadline of one that waits is its own."""
    spin = {"args": {"x": [0.0], "turns": 10**13}, "grid": 1, "block": 1}

    def launch(timeout: str) -> tuple[int, float]:
        began = time.monotonic()
        with httpx.Client(base_url=service.url, timeout=LIMIT_S) as client:
            answer = client.post("/v1/kernels/spin/launch", json=spin, headers={"request-timeout": timeout})
        return answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(16) as threads:
        long = [threads.submit(launch, "20s") for _ in range(SIDE_BY_SIDE)]
        limit = time.monotonic() + LIMIT_S
        while in_flight(service, "spin") < SIDE_BY_SIDE:
            assert time.monotonic() < limit
        status, took_s = launch("300ms")
        assert (status, took_s < 15) == (504, True)
        assert in_flight(service, "spin") == SIDE_BY_SIDE, "it waits no longer"
        assert {one.result()[0] for one in long} == {504}


def in_flight(service: ServiceProcess, actor: str) -> int:
    actors = service.client.get("/v1/actors").json()["actors"]
    return sum(one["in_flight"] for one in actors if one["name"] == actor)


def test_head_has_no_body_and_the_connection_goes_on(service: ServiceProcess) -> None:
    with socket.create_connection(service.address, timeout=LIMIT_S) as connection:
        for method, has_body in (("HEAD", False), ("GET", True)):
            connection.sendall(f"{method} /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            told = b""
            while b"\r\n\r\n" not in told or (has_body and not told.endswith(b"}")):
                told += connection.recv(65536)
            head, _, body = told.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert (b"content-length: 0" in head.lower(), bool(body)) == (False, has_body)


def test_kernels_of_one_name_are_told_apart_and_one_named_as_the_root_of_actors_is_launched(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    for file, times in (("one", 3), ("two", 5)):
        text = f"from numba import cuda\n\n\n@cuda.jit\ndef scaled(x):\n    x[cuda.grid(1)] *= {times}\n"
        (tmp_path / "kernels" / f"{file}.py").write_text(text)
    text = "from numba import cuda\n\n\n@cuda.jit\ndef root(x):\n    x[cuda.grid(1)] **= 0.5\n"
    (tmp_path / "kernels" / "roots.py").write_text(text)
    with serving(tmp_path) as service:
        for name, result in (("one.scaled", 12.0), ("two.scaled", 20.0), ("root", 2.0)):
            told = service.client.post(f"/v1/kernels/{name}/launch", json={"args": {"x": [4.0]}, "grid": 1, "block": 1})
            assert told.status_code == 200, told.text
            assert (told.json()["kernel"], told.json()["results"]) == (name, {"x": [result]})
        metrics = service.client.get("/metrics").text
        for name in ("one.scaled", "two.scaled", "root"):
            assert f'rkruntime_launches_total{{kernel="{name}",outcome="completed"}} 1' in metrics


CHECKED = """\
from numba import cuda


@cuda.jit(debug=True)
def checked(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i]
"""


def test_a_kernel_that_checks_bounds_refuses_arrays_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "checked.py").write_text(CHECKED)
    with serving(tmp_path) as service:
        for length, status in ((4, 200), (3, 422), (4, 200)):
            args = {"x": [1.0, 2.0, 3.0, 4.0], "out": {"shape": [length], "dtype": "float64"}}
            answer = service.client.post("/v1/kernels/checked/launch", json={"args": args, "over": 4})
            assert answer.status_code == status, answer.text
            if status == 422:
                assert "checked.py:8" in answer.json()["detail"]


UNCHECKED = CHECKED.replace("@cuda.jit(debug=True)", "@cuda.jit").replace("def checked", "def unchecked")


def test_a_service_that_checks_bounds_survives_kernels_that_do_not(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "unchecked.py").write_text(UNCHECKED)
    with serving(tmp_path, config="[service]\ncheck_bounds = true\n") as service:
        for length, status in ((4, 200), (3, 422), (4, 200)):
            args = {"x": {"shape": [2**20], "dtype": "float64"}, "out": {"shape": [length], "dtype": "float64"}}
            answer = service.client.post("/v1/kernels/unchecked/launch", json={"args": args, "over": length + 1})
            if length == 4:
                answer = service.client.post("/v1/kernels/unchecked/launch", json={"args": args, "grid": 1, "block": 4})
            assert answer.status_code == status, answer.text
            if status == 422:
                detail = answer.json()["detail"]
                assert "unchecked.py:8: kernel unchecked in block (0, 0, 0), thread (3, 0, 0)" in detail
                assert "index 3 is out of bounds for axis 0, which has size 3" in detail


def test_what_a_caller_is_told_to_do_can_be_done_over_http() -> None:
    for error in (NotRunning("starting"), KernelFault("k", "it raised", "k.py", 3)):
        inside = str(error).partition("mend: ")[2]
        outside = problem_of(error).mend
        assert outside != inside
        assert "runtime(" not in outside
