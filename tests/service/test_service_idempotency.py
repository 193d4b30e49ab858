"""A launch that is asked for again under its key is not run again."""

import asyncio
import json
import re
import socket
import uuid
from typing import Any

import pytest
from service_process import LIMIT_S, ServiceProcess

from rkruntime.errors import RequestRefused
from rkruntime.service._answers import Answer
from rkruntime.service._idempotency import Answers

PLACE = ("anyone", "double", "key")


def launches(service: ServiceProcess, kernel: str) -> int:
    actors = service.client.get("/v1/actors").json()["actors"]
    return sum(actor["messages"] for actor in actors if actor["name"] == kernel)


def test_the_same_key_answers_the_same_and_launches_once(service: ServiceProcess) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    asked = {"args": {"x": [1.0]}, "over": 1}
    first = service.client.post("/v1/kernels/bump/launch", json=asked, headers=headers)
    before = launches(service, "bump")
    again = service.client.post("/v1/kernels/bump/launch", json=asked, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert launches(service, "bump") == before


def test_a_key_stands_for_one_request(service: ServiceProcess) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    for value, status in ((1.0, 200), (2.0, 422)):
        asked = {"args": {"x": [value]}, "over": 1}
        assert service.client.post("/v1/kernels/bump/launch", json=asked, headers=headers).status_code == status


def test_what_failed_is_tried_again(service: ServiceProcess) -> None:
    headers = {"idempotency-key": uuid.uuid4().hex}
    asked = {"args": {"a": 1, "x": {"shape": [4], "dtype": "int64"}}, "over": 4}
    for _ in range(2):
        answer = service.client.post("/v1/kernels/divide/launch", json=asked, headers=headers)
        assert (answer.status_code, "idempotent-replayed" in answer.headers) == (422, False)


def test_a_bad_key_is_refused(service: ServiceProcess) -> None:
    answer = service.client.post("/v1/kernels/bump/launch", json={}, headers={"idempotency-key": "a b"})
    assert answer.status_code == 400


def test_who_waits_for_anothers_answer_waits_no_longer_than_its_own_deadline(service: ServiceProcess) -> None:
    key = uuid.uuid4().hex
    body = json.dumps({"args": {"x": [0.0], "turns": 10**15}, "over": 1}).encode()
    head = f"POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    headers = {"idempotency-key": key, "request-timeout": "200ms", "content-type": "application/json"}
    with socket.create_connection(service.address, timeout=LIMIT_S) as first:
        first.sendall(head.encode() + body)
        while not service.client.get("/v1/runtime").json()["in_flight"]:
            pass
        second = service.client.post("/v1/kernels/spin/launch", content=body, headers=headers)
        assert second.status_code == 504
        goes_on = "the launch that was asked for before under its Idempotency-Key goes on"
        assert re.fullmatch(rf"the request had 0\.\d+ s; {goes_on}", second.json()["detail"])
        assert service.client.get("/v1/runtime").json()["in_flight"] == 1, "the first goes on"
    while service.client.get("/v1/runtime").json()["in_flight"]:
        pass


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def wait(answer: asyncio.Future[Answer | None]) -> Answer | None:
    return await answer


class Maker:
    """Makes answers, and counts them."""

    def __init__(self, size: int = 10) -> None:
        self.made = 0
        self.size = size

    async def __call__(self) -> Any:
        self.made += 1
        await asyncio.sleep(0)
        return Answer(b"a" * self.size)


def test_answers_are_forgotten_after_their_time() -> None:
    async def run() -> int:
        clock, maker = Clock(), Maker()
        answers = Answers(60.0, 1000, clock)
        for clock.now_s in (0.0, 59.0, 61.0):
            await answers.once(PLACE, b"1", maker, wait)
        return maker.made

    assert asyncio.run(run()) == 2


def test_the_oldest_answers_are_forgotten_first_and_the_largest_never_kept() -> None:
    async def run() -> tuple[int, int]:
        maker = Maker(size=200)
        answers = Answers(60.0, 1000, Clock())
        for number in range(10):
            await answers.once(("", "", str(number)), b"1", maker, wait)
            assert answers.held_bytes <= 1000 + 200
        large = Maker(size=300)
        for _ in range(2):
            await answers.once(("", "", "large"), b"1", large, wait)
        return maker.made, large.made

    assert asyncio.run(run()) == (10, 2)


def test_two_at_once_share_one_answer_and_another_request_is_refused() -> None:
    async def run() -> int:
        maker = Maker()
        answers = Answers(60.0, 1000, Clock())
        both = [asyncio.create_task(answers.once(PLACE, b"1", maker, wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RequestRefused) as refused:
            await answers.once(PLACE, b"2", maker, wait)
        assert refused.value.status == 422
        await asyncio.gather(*both)
        return maker.made

    assert asyncio.run(run()) == 1
