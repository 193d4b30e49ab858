"""What the service costs beside a bare Starlette echo on the same server (uvicorn, uvloop, httptools), in one run.

Both are processes of their own on loopback and are asked in turns, so that a busy machine slows both; a third makes the
load. Rates and latencies are wall-clock figures of several processes: they mean little unless at least three processors
are idle. CPU times a request, of the serving process alone, are beside them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, tell

HERE = Path(__file__).parent
LOAD = str(HERE / "service_load.py")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
KERNELS = """
from numba import cuda

@cuda.jit
def double(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = 2 * x[i]

@cuda.jit
def bump(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1

@cuda.jit
def spin(x, turns):
    total = 0.0
    for k in range(turns):
        total = total * 0.5 + k
    x[cuda.grid(1)] = total
"""
ECHO = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

async def echo(request):
    return JSONResponse(await request.json())

async def raw(request):
    return Response(await request.body())

routes = [Route("/echo", echo, methods=["POST"]), Route("/raw", raw, methods=["POST"])]
uvicorn.run(Starlette(routes=routes), port=int(sys.argv[1]), http="httptools", loop="uvloop", log_level="error")
"""
FILLED = """
import gc
import sys
import trio
from rkruntime.config import load_config
from rkruntime.kernels import LaunchDone, LaunchRecord, list_kernels
from rkruntime.observability import Observability
from rkruntime.runtime import Actor
from rkruntime.service import Service

class Served(Actor):
    pass

async def serve(service):
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        gc.collect()
        gc.freeze()  # as `rustkernel serve` does
        gc.set_threshold(10_000)
        for number in range(1000):  # every kernel that was launched has an actor
            await service.runtime.spawn(Served, name=f"kernel_{number}")

config = load_config(arguments={"service.port": int(sys.argv[1]), "runtime.device": "cpu"}, environ={}).config
with Observability(config) as told:
    for number in range(1000):
        record = LaunchRecord("k", "cpu", "loop", (1, 1, 1), (1, 1, 1), 0.0, 0.0, 0.0, 1e-4, 0.0, 1e-4)
        for hook in told.hooks:
            hook(LaunchDone(number + 1, f"kernel_{number}", "actor", "completed", 0.0, 1e-4, record))
    service = Service(config, list_kernels([sys.argv[2]]), observability=told)
    trio.run(serve, service)
"""
BODY = {"args": {"x": [1.0, 2.0], "out": {"shape": [2], "dtype": "float64"}}, "over": 2}
LAUNCH = "/v1/kernels/double/launch"
ARRAY_BYTES = 8 * 2**20
IDLE = 1000
THROUGH = 10_000


class Process:
    """One server.

    Args:
        process: Its process.
        port: Where it listens.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def memory_bytes(self, what: str) -> int:
        found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def load(self, path: str, *words: str) -> dict[str, Any]:
        began_s = self.cpu_s()
        command = [sys.executable, LOAD, f"127.0.0.1:{self.port}", path, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        told: dict[str, Any] = json.loads(done.stdout)
        return told | {"cpu_us": (self.cpu_s() - began_s) / max(1, told["requests"]) * 1e6}


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Process]:
    """Start a server at a free port (`PORT` in its command), and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [str(port) if word == "PORT" else word for word in command]
    environ = os.environ | {"XDG_RUNTIME_DIR": str(folder), "RUSTKERNEL_RUNTIME_LOG_LEVEL": "error"}
    with subprocess.Popen([sys.executable, *words], cwd=folder, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    if Process(process, port).ask("GET", "/readyz")[0] in (200, 404):
                        break
                except OSError:
                    time.sleep(0.1)
            yield Process(process, port)
        finally:
            process.kill()


def measure_rates(echo: Process, service: Process, body: str, rounds: int, seconds: float) -> list[Figure]:
    """Take turns closed, for the rates, and then open at 80 % of each one's median rate, for the tails.

    The share is of the median: what one round served while the machine was at its best is more than others can.
    """
    words = ("--body", body, "--seconds", f"{seconds:g}")
    closed = [(echo.load("/echo", *words), service.load(LAUNCH, *words)) for _ in range(rounds)]
    assert all(set(ours["statuses"]) == {"200"} for _, ours in closed), closed
    ratios = [ours["rate"] / bare["rate"] for bare, ours in closed]
    costs = [ours["cpu_us"] / bare["cpu_us"] for bare, ours in closed]
    shares = [f"{0.8 * statistics.median(told['rate'] for told in side):.0f}" for side in zip(*closed, strict=True)]
    steady = [
        (echo.load("/echo", *words, "--rate", shares[0]), service.load(LAUNCH, *words, "--rate", shares[1]))
        for _ in range(rounds)
    ]
    tails = [ours["p99_ms"] / bare["p99_ms"] for bare, ours in steady]
    return [
        Figure.of("requests/s, launch of a small kernel / echo", ratios, target=">= 0.6", quiet=True),
        Figure.of("p99 at 80 % of its own load, launch / echo", tails, target="<= 3", quiet=True),
        Figure.of("CPU time a request, launch / echo", costs),
    ]


def measure_arrays(echo: Process, service: Process, folder: Path, rounds: int, seconds: float) -> list[Figure]:
    file = folder / "array.npy"
    np.save(file, np.zeros(ARRAY_BYTES // 8))
    words = ("--body", str(file), "--type", "application/x-npy", "--connections", "1", "--seconds", f"{seconds:g}")
    path = "/v1/kernels/bump/launch?launch=%7B%22over%22%3A1048576%7D"
    service.load(path, *words)
    ratios = [service.load(path, *words)["rate"] / echo.load("/raw", *words)["rate"] for _ in range(rounds)]
    return [Figure.of("bytes/s, 8 MiB array in and out / echo", ratios, target=">= 0.5", quiet=True)]


def measure_peak(folder: Path) -> Figure:
    """Look at the most memory that a fresh service held for one array, beyond what it held before."""
    file = (folder / "array.npy").read_bytes()
    path = "/v1/kernels/bump/launch?launch=%7B%22over%22%3A1048576%7D"
    small = path.replace("1048576", "1")
    with service_in(folder) as fresh:
        tiny = folder / "tiny.npy"
        np.save(tiny, np.zeros(1))
        kind = {"Content-Type": "application/x-npy"}
        assert fresh.ask("POST", small, tiny.read_bytes(), **kind)[0] == 200
        before = fresh.memory_bytes("VmRSS")
        Path(f"/proc/{fresh.process.pid}/clear_refs").write_text("5")  # the peak begins here
        assert fresh.ask("POST", path, file, **kind)[0] == 200
        peak = (fresh.memory_bytes("VmHWM") - before) / ARRAY_BYTES
    return Figure.of("peak memory for an 8 MiB array / its size", [peak], target="<= 3")


def measure_metrics(folder: Path, body: str, rounds: int, seconds: float) -> list[Figure]:
    with running(folder, "-c", FILLED, "PORT", str(folder)) as filled:
        filled.ask("POST", LAUNCH, json.dumps(BODY).encode(), **{"Content-Type": "application/json"})
        took, tails, alone = [], [], []
        for _ in range(rounds):
            began = time.perf_counter()
            status, text = filled.ask("GET", "/metrics")
            took.append((time.perf_counter() - began) * 1e3)
            assert status == 200
            assert b"kernel_999" in text
            words = ("--body", body, "--seconds", f"{1.5 * seconds:g}", "--rate", "200", "--connections", "4")
            before = filled.load(LAUNCH, *words)["p99_ms"]
            stop = threading.Event()
            scraper = threading.Thread(target=scrape, args=(filled, stop))
            scraper.start()
            beside = filled.load(LAUNCH, *words)["p99_ms"]
            stop.set()
            scraper.join()
            after = filled.load(LAUNCH, *words)["p99_ms"]
            tails.append(beside / math.sqrt(before * after))
            alone.append(after / before)
    return [
        Figure.of("/metrics with 1,000 kernels", took, unit="ms", target="<= 20", quiet=True),
        Figure.of("p99 with a scrape a second / without", tails, target="no more than 1", quiet=True),
        Figure.of("p99 without / without, by chance alone", alone, quiet=True),
    ]


def scrape(process: Process, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        process.ask("GET", "/metrics")


def measure_idle(service: Process) -> Figure:
    held = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(IDLE)]
    time.sleep(2.0)
    open_still = 0
    for connection in held:
        connection.setblocking(False)
        try:
            connection.recv(1)
        except BlockingIOError:
            open_still += 1
    status, _ = service.ask("GET", "/healthz")
    for connection in held:
        connection.close()
    return Figure.of("idle connections held", [open_still if status == 200 else 0], unit="", target=f">= {IDLE}")


def measure_drain(folder: Path, body: str) -> list[Figure]:
    """Drain in the middle of a load; a long launch keeps the drain open until the load has ended."""
    with service_in(folder) as service:
        service.ask("POST", LAUNCH, json.dumps(BODY).encode(), **{"Content-Type": "application/json"})
        args = {"x": {"shape": [1], "dtype": "float64"}, "turns": 10**13}
        spin = json.dumps({"args": args, "grid": 1, "block": 1}).encode()
        head = f"POST /v1/kernels/spin/launch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(spin)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", service.port)) as long:
            long.sendall(head.encode() + spin)
            words = ("--body", body, "--seconds", "500", "--requests", str(THROUGH))
            told: dict[str, Any] = {}
            load = threading.Thread(target=lambda: told.update(service.load(LAUNCH, *words)))
            load.start()
            while load.is_alive() and launches(service) < THROUGH // 2:
                time.sleep(0.05)
            service.process.send_signal(signal.SIGTERM)
            load.join()
        service.process.wait(60)
    right, refused = told["statuses"].get("200", 0), told["statuses"].get("503", 0)
    name = f"of {THROUGH:,} requests through a drain, answered right ({right:,}) or refused with 503 ({refused:,})"
    lost = told["lost"] + told["refused"]
    return [
        Figure.of(name, [right + refused], unit="", target=f">= {THROUGH}"),
        Figure.of("of them lost", [lost], unit="", target="<= 0"),
    ]


def launches(service: Process) -> int:
    actors = json.loads(service.ask("GET", "/v1/actors")[1])["actors"]
    return sum(actor["messages"] for actor in actors if actor["name"] == "double")


@contextmanager
def service_in(folder: Path) -> Iterator[Process]:
    words = ("--kernels", str(folder), "--device", "cpu", "--config", str(folder / "bench.toml"))
    with running(folder, "-m", "rkruntime.cli", "serve", "--port", "PORT", *words) as service:
        yield service


def step(what: str) -> None:
    """Say on stderr what is measured now: the whole takes minutes."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "served.py").write_text(KERNELS)
        (folder / "bench.toml").write_text('[runtime]\nshutdown_timeout = "10m"\n[service]\nrequest_timeout = "10m"\n')
        body = str(folder / "body.json")
        Path(body).write_text(json.dumps(BODY))
        echo = stack.enter_context(running(folder, "-c", ECHO, "PORT"))
        service = stack.enter_context(service_in(folder))
        service.ask("POST", LAUNCH, json.dumps(BODY).encode(), **{"Content-Type": "application/json"})
        step(f"requests a second and latencies, {options.rounds} rounds of {4 * options.seconds:g} s")
        figures = measure_rates(echo, service, body, options.rounds, options.seconds)
        step("arrays of 8 MiB")
        figures += measure_arrays(echo, service, folder, options.rounds, options.seconds)
        step(f"{IDLE:,} idle connections, and the peak of memory")
        figures.append(measure_idle(service))
        figures.append(measure_peak(folder))
        step("/metrics with 1,000 kernels, alone and beside launches")
        figures += measure_metrics(folder, body, options.rounds, options.seconds)
        step(f"{THROUGH:,} requests through a drain")
        figures += measure_drain(folder, body)
    tell("the service, beside a bare echo", figures, options.json)


if __name__ == "__main__":
    main()
