"""Ask a service for a while, in every way that clients do and should not, and see that it holds no more at the end.

Memory and descriptors are read from the outside. The first third is warm-up: pools, caches and the allocator grow to
the size that the load needs. After it, the least memory of the last third may be `GROWTH` above that of the second.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_service import BODY, KERNELS, LAUNCH, Process, service_in

GROWTH = 1.05
MORE_DESCRIPTORS = 3
CLIENTS = 4
JSON = {"Content-Type": "application/json"}
NPY = {"Content-Type": "application/x-npy"}


def saved(length: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(length))
    return file.getvalue()


def plain(process: Process) -> int:
    return process.ask("POST", LAUNCH, json.dumps(BODY).encode(), **JSON)[0]


def retried(process: Process) -> int:
    return process.ask("POST", LAUNCH, json.dumps(BODY).encode(), **JSON, **{"Idempotency-Key": uuid.uuid4().hex})[0]


def array(process: Process) -> int:
    length = random.choice([10, 1000, 100_000])
    path = f"/v1/kernels/bump/launch?launch=%7B%22over%22%3A{length}%7D"
    return process.ask("POST", path, saved(length), **NPY)[0]


def wrong(process: Process) -> int:
    return process.ask("POST", "/v1/kernels/bump/launch?launch=%7B%22over%22%3A1%7D", b"\x93NUMPY junk", **NPY)[0]


def late(process: Process) -> int:
    args = {"x": {"shape": [1], "dtype": "float64"}, "turns": 10**12}
    body = json.dumps({"args": args, "grid": 1, "block": 1}).encode()
    return process.ask("POST", "/v1/kernels/spin/launch", body, **JSON, **{"Request-Timeout": "20ms"})[0]


def gone(process: Process) -> int:
    """Leave before the answer."""
    args = {"x": {"shape": [1], "dtype": "float64"}, "turns": 10**12}
    body = json.dumps({"args": args, "grid": 1, "block": 1}).encode()
    head = f"POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", process.port)) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.01)
    return 0


def told(process: Process) -> int:
    return process.ask("GET", random.choice(["/v1/runtime", "/metrics", "/v1/actors", "/openapi.json", "/nothing"]))[0]


WAYS: dict[Callable[[Process], int], tuple[int, ...]] = {
    plain: (200,),
    retried: (200,),
    array: (200,),
    wrong: (422,),
    late: (504,),
    gone: (0,),
    told: (200, 404),
}


def client(process: Process, end_s: float, answers: Counter[str], unexpected: list[str]) -> None:
    while time.monotonic() < end_s:
        way = random.choice(list(WAYS))
        try:
            status = way(process)
        except (OSError, http.client.HTTPException) as error:
            unexpected.append(f"{way.__name__}: {error!r}")
            continue
        answers[f"{way.__name__} {status}"] += 1
        if status not in WAYS[way]:
            unexpected.append(f"{way.__name__}: {status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    answers: Counter[str] = Counter()
    unexpected: list[str] = []
    memory: list[int] = []
    descriptors: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "served.py").write_text(KERNELS)
        (folder / "bench.toml").write_text('[service]\nidempotency_window = "5s"\n')
        with service_in(folder) as process:
            for way in WAYS:
                way(process)
            end_s = time.monotonic() + options.seconds
            clients = [
                threading.Thread(target=client, args=(process, end_s, answers, unexpected)) for _ in range(CLIENTS)
            ]
            for each in clients:
                each.start()
            while time.monotonic() < end_s:
                time.sleep(min(0.5, options.seconds / 60))
                memory.append(process.memory_bytes("VmRSS"))
                descriptors.append(len(os.listdir(f"/proc/{process.process.pid}/fd")))
            for each in clients:
                each.join()
            time.sleep(1.0)
            in_flight = json.loads(process.ask("GET", "/v1/runtime")[1])["in_flight"]
            device_bytes = json.loads(process.ask("GET", "/v1/memory")[1])["allocated_bytes"]
    third = len(memory) // 3
    middle, last = min(memory[third : 2 * third]), min(memory[2 * third :])
    fds = min(descriptors[third : 2 * third]), min(descriptors[2 * third :])
    print(f"{sum(answers.values()):,} requests: " + ", ".join(f"{each} x {n}" for each, n in sorted(answers.items())))
    print(f"memory {middle / 2**20:.1f} MiB in the second third, {last / 2**20:.1f} MiB in the last")
    print(f"descriptors {fds[0]} and {fds[1]}; in flight at the end {in_flight}; device memory {device_bytes} bytes")
    good = last <= middle * GROWTH and fds[1] <= fds[0] + MORE_DESCRIPTORS and not in_flight and not unexpected
    for what in unexpected[:10]:
        print(f"unexpected: {what}")
    print("flat" if good else "NOT FLAT, or not as expected")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
