"""Launches over HTTP, against NumPy."""

import numpy as np
from service_process import ServiceProcess

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
    assert problem["mend"]
    assert problem["request_id"] == answer.headers["x-request-id"]
