"""What it costs to be observed: asks with nothing on beside asks with metrics, logs, traces and the trace file on.

All runtimes live in one process and are asked in turns. Figures are CPU time of the whole process for each ask, as
ratios to the same with nothing on; of the turns of a round the lower quartile counts, since what else the machine does
only ever slows one. The threads that write the trace file and send spans are part of it, since they take the
interpreter from the loop: each turn ends when they have done its work. Spans are sent every five seconds, so those of
a part of the asks are charged with that part of what sending them all costs. A collector on loopback, in a process of
its own, takes the spans. Two runtimes, and two services, with nothing on show how far the measurement strays.

Everything on is what an operator turns on: metrics, logs, traces to a collector at the configured defaults (all, but
no more than begin in a second), and what the dashboard shows. A turn begins with work that is not counted, so that
what may be traced after a quiet time is used up, as under a load that lasts. A trace file is for one run: it is told
beside the rest, as is a span for every ask, which somebody has to ask for.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import trio
from figures import Figure, tell
from numba import cuda

import rkruntime as rk
from rkruntime.config import ObservabilityConfig, ProductionConfig
from rkruntime.kernels import LaunchDone, LaunchRecord
from rkruntime.log import configure_logging
from rkruntime.observability import Metrics, Observability
from rkruntime.service._activity import Activity

WITH_COLLECTOR = ("asks", "launches", "requests")
PARTS = (*WITH_COLLECTOR, "scrape")
ROUNDS = 21
TURNS = 12
"""Turns in a round, of which the lower quartile counts; short, since no machine is equally fast all the time."""
ASKS = 500
LAUNCHES = 250
UNCOUNTED = 50
"""At the start of each turn: more than the traces that may begin after a quiet time."""
SETTLE_S = 0.13
"""After each turn of those who have a trace file, for what its thread has still to write."""
KERNELS = 1_000
SAMPLED = 0.01
RATE_LIMIT = ObservabilityConfig().trace_rate_limit
ALL = {"trace_rate_limit": 10**9}
"""Also what is begun faster than anybody reads it."""
COMMAND = str(Path(sys.executable).with_name("rustkernel"))


class Echo(rk.Actor):
    async def echo(self) -> None:
        return None


@cuda.jit
def empty():
    pass


def take_spans(ready: Any) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(server.server_address[1])
    server.serve_forever()


def arms(folder: Path, port: int) -> dict[str, ObservabilityConfig | None]:
    """What is on, by name; None for nothing at all."""
    url = f"http://127.0.0.1:{port}"

    def on(**settings: Any) -> ObservabilityConfig:
        return ObservabilityConfig(**({"metrics_enabled": False} | settings))

    spans = {"tracing_enabled": True, "otlp_endpoint": url}
    return {
        "off": None,
        "off again": None,
        "logs": on(),
        "metrics": on(metrics_enabled=True),
        "traces": on(**spans),
        "1 % traced": on(**spans, **ALL, trace_sample_ratio=SAMPLED),
        "all traced": on(**spans, **ALL),
        "trace file": on(tracing_enabled=True, trace_file=str(folder / "alone.json")),
        "everything": on(metrics_enabled=True, **spans),
        "everything, 1 % traced": on(metrics_enabled=True, **spans, **ALL, trace_sample_ratio=SAMPLED),
        "everything, trace file": on(metrics_enabled=True, **spans, trace_file=str(folder / "all.json")),
        "everything, all traced": on(metrics_enabled=True, **spans, **ALL),
    }


TARGETS = {"off again": "no more than 1", "everything": "<= 1.11", "everything, 1 % traced": "<= 1.11"}
"""10 % of the asks in a second are 11 % more time for each."""


class Arm:
    """One runtime, with what is on for it."""

    def __init__(
        self,
        runtime: rk.Runtime,
        echo: rk.Ref[Echo],
        kernel: rk.KernelRef,
        told: Observability | None,
        sends: bool,
        writes: bool,
    ) -> None:
        self._runtime = runtime
        self._echo = echo
        self._kernel = kernel
        self._told = told
        self._sends = sends
        self._writes = writes

    def looks(self) -> float:
        """CPU seconds that an ask with nothing on takes to see that nobody listens, which it does three times."""
        cell, count = self._echo._cell, 300_000
        began = time.thread_time()
        for _ in range(count):
            assert cell.system.message_log is None
        looked = time.thread_time()
        for _ in range(count):
            pass
        return 3 * ((looked - began) - (time.thread_time() - looked)) / count

    async def asks(self) -> float:
        """CPU seconds of the process for each ask, what its threads do afterwards included."""
        for _ in range(UNCOUNTED):
            await self._echo.ask(Echo.echo)
        await self._hand_over()
        began = time.process_time()
        for _ in range(ASKS):
            await self._echo.ask(Echo.echo)
        await self._settle()
        return (time.process_time() - began) / ASKS

    async def launches(self) -> float:
        """The same for launches of an empty kernel."""
        for _ in range(UNCOUNTED):
            await self._kernel.launch(grid=1, block=1)
        await self._hand_over()
        began = time.process_time()
        for _ in range(LAUNCHES):
            await self._kernel.launch(grid=1, block=1)
        await self._settle()
        return (time.process_time() - began) / LAUNCHES

    async def _hand_over(self) -> None:
        self._runtime.hand_over_messages()
        if self._told is not None and self._told.tracing is not None and self._sends:
            await trio.to_thread.run_sync(self._told.tracing.flush)

    async def _settle(self) -> None:
        await self._hand_over()
        if self._writes:
            await trio.sleep(SETTLE_S)


async def measure(wanted: dict[str, ObservabilityConfig | None], rounds: int, parts: Sequence[str]) -> list[Figure]:
    settings = rk.RuntimeConfig(gpu_enabled=False, health_check_interval=3600.0, worker_threads=1)
    figures: list[Figure] = []
    ended = trio.Event()
    async with trio.open_nursery() as nursery:
        armed = {name: await nursery.start(keep_arm, name, told, settings, ended) for name, told in wanted.items()}
        if "asks" in parts:
            figures += asks_figures(await in_rounds(armed, Arm.asks, rounds), armed["off"], rounds)
        if "launches" in parts:
            launched = await in_rounds(armed, Arm.launches, rounds)
            figures += [
                figure(f"empty launch: {name} / off", launched[name], launched["off"], "") for name in on(armed)
            ]
        ended.set()
    return figures


async def keep_arm(
    name: str,
    settled: ObservabilityConfig | None,
    settings: rk.RuntimeConfig,
    ended: trio.Event,
    *,
    task_status: trio.TaskStatus[Arm],
) -> None:
    """Keep an arm in a task of its own: who asks is under as few cancel scopes as in a program with one runtime."""
    with ExitStack() as closing:
        told = None
        if settled is not None:
            told = closing.enter_context(Observability(ProductionConfig(observability=settled)))
        hooks = [] if told is None else [*told.hooks, *([Activity()] if "everything" in name else [])]
        async with rk.open_runtime(settings, hooks=hooks) as runtime:
            echo, kernel = await runtime.spawn(Echo), await runtime.spawn(empty)
            task_status.started(Arm(runtime, echo, kernel, told, "all traced" in name, "trace file" in name))
            await ended.wait()


async def in_rounds(
    armed: dict[str, Arm], work: Callable[[Arm], Awaitable[float]], rounds: int
) -> dict[str, list[float]]:
    """What a piece of work takes each arm, round by round."""
    took: dict[str, list[float]] = {name: [] for name in armed}
    for _ in range(rounds + 1):
        turns: dict[str, list[float]] = {name: [] for name in armed}
        for turn in range(TURNS):
            for name in armed if turn % 2 else reversed(armed):
                turns[name].append(await work(armed[name]))
        for name, those in turns.items():
            took[name].append(typical(those))
    charge_sending(took)
    return took


def asks_figures(took: dict[str, list[float]], off: Arm, rounds: int) -> list[Figure]:
    looks = [off.looks() for _ in range(rounds)]
    shares = [100 * look / ask for look, ask in zip(looks, took["off"][1:], strict=True)]
    return [
        Figure.of("an ask with nothing on", [each * 1e6 for each in took["off"][1:]], unit="us CPU"),
        Figure.of("of it, to see that nobody listens", shares, unit="%", target="<= 1"),
        *[figure(f"ask: {name} / off", took[name], took["off"], TARGETS.get(name, "")) for name in on(took)],
    ]


def on(names: Iterable[str]) -> list[str]:
    return [name for name in names if name != "off"]


def typical(turns: list[float]) -> float:
    return float(np.quantile(turns, 0.25))


def charge_sending(took: dict[str, list[float]]) -> None:
    """Add what sending costs where one piece of work in a hundred is traced, or as many in a second as may be."""
    sending = [all_of_it - off for all_of_it, off in zip(took["all traced"], took["off"], strict=True)]
    for name in took:
        if "1 %" in name:
            took[name] = [one + SAMPLED * more for one, more in zip(took[name], sending, strict=True)]
        elif name == "traces" or name in ("everything", "everything, trace file"):
            took[name] = [one + RATE_LIMIT * one * more for one, more in zip(took[name], sending, strict=True)]


def figure(name: str, mine: list[float], floor: list[float], target: str) -> Figure:
    """The ratio of each round but the first, which warms up."""
    return Figure.of(name, [one / other for one, other in zip(mine[1:], floor[1:], strict=True)], target=target)


REQUESTS, REQUEST_TURNS = 100, 4
LAUNCH = json.dumps({"args": {"x": [1.0, 2.0]}, "over": 2})
SERVED = """\
from numba import cuda

@cuda.jit
def bump(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1
"""


class Served:
    """A service in a process of its own, and one connection to it that stays open."""

    def __init__(self, folder: Path, name: str, settings: str) -> None:
        (folder / f"{name}.toml").write_text(f"[runtime]\nlog_format = 'json'\n[observability]\n{settings}")
        command = [
            COMMAND,
            "serve",
            "--config",
            f"{name}.toml",
            "--kernels",
            "kernels",
            "--port",
            "0",
            "--device",
            "cpu",
        ]
        self.process = subprocess.Popen([*command, "--instance", f"bench-{name}"], cwd=folder, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(rb"^serving .* at http://([^:]+):(\d+)", line):
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.connection = http.client.HTTPConnection(found[1].decode(), int(found[2]), timeout=60)

    def cpu_s(self) -> float:
        """CPU seconds of all its threads, from the scheduler's own nanoseconds."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def launch(self, count: int) -> tuple[float, float]:
        """CPU seconds of the service, and seconds by the clock, for each of `count` launches."""
        self._launch(UNCOUNTED)
        cpu_s, began = self.cpu_s(), time.perf_counter()
        self._launch(count)
        took_s = time.perf_counter() - began
        time.sleep(SETTLE_S)
        return (self.cpu_s() - cpu_s) / count, took_s / count

    def _launch(self, count: int) -> None:
        for _ in range(count):
            self.connection.request("POST", "/v1/kernels/bump/launch", LAUNCH, {"content-type": "application/json"})
            answer = self.connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(timeout=60)


def requests(folder: Path, port: int, rounds: int) -> list[Figure]:
    """What a launch over HTTP costs the service with everything on, beside the same with all off."""
    (folder / "kernels").mkdir()
    (folder / "kernels" / "served.py").write_text(SERVED)
    spans = f"tracing_enabled = true\notlp_endpoint = 'http://127.0.0.1:{port}'\ntrace_sample_ratio = "
    settings = {
        "off": "metrics_enabled = false",
        "again": "metrics_enabled = false",
        "on": f"{spans}1.0",
        "all": f"{spans}1.0\ntrace_rate_limit = {ALL['trace_rate_limit']}",
    }
    services = {name: Served(folder, name, text) for name, text in settings.items()}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in services}
    try:
        for _ in range(rounds + 1):
            turns: dict[str, list[tuple[float, float]]] = {name: [] for name in services}
            for turn in range(REQUEST_TURNS):
                for name in services if turn % 2 else reversed(services):
                    turns[name].append(services[name].launch(REQUESTS))
            for name, told in turns.items():
                took[name].append((typical([cpu for cpu, _ in told]), typical([clock for _, clock in told])))
    finally:
        for service in services.values():
            service.end()
    on = {"again": "off again", "on": "everything", "all": "everything, all traced"}
    figures = [
        Figure.of("a launch over HTTP with nothing on", [cpu * 1e6 for cpu, _ in took["off"][1:]], unit="us CPU")
    ]
    for name, what in on.items():
        pairs = list(zip(took[name][1:], took["off"][1:], strict=True))
        cpu = [mine[0] / off[0] for mine, off in pairs]
        target = "<= 1.05" if name == "on" else ""
        figures.append(Figure.of(f"request, CPU of the service: {what} / off", cpu, target=target))
        clock = [off[1] / mine[1] for mine, off in pairs]
        figures.append(
            Figure.of(
                f"requests/s of one client: {what} / off",
                clock,
                target=">= 0.95" if name == "on" else "",
                quiet=True,
            )
        )
    return figures


def scrape() -> list[Figure]:
    """Milliseconds of CPU for a scrape of 1,000 kernels, each launched since the last one, with exemplars."""
    metrics = Metrics()
    rng = np.random.default_rng(0)
    took = []
    for _ in range(ROUNDS + 1):
        for number in range(KERNELS):
            seconds = float(rng.exponential(1e-3))
            name = f"kernel_{number}"
            record = LaunchRecord(name, "cpu", "loop", (1, 1, 1), (1, 1, 1), 0.0, 1e-5, 2e-5, seconds, 1e-5, seconds)
            trace = rk_trace() if number % 100 == 0 else None
            metrics(LaunchDone(number, name, name, "completed", 0.0, seconds, record, "", 0, trace))
        began = time.thread_time()
        metrics.render()
        took.append((time.thread_time() - began) * 1e3)
    late = {name: [waking(each) for _ in range(ROUNDS)] for name, each in (("idle", None), ("busy", metrics))}
    return [
        Figure.of(f"a scrape of {KERNELS:,} kernels", took[1:], unit="ms CPU", target="<= 20"),
        Figure.of("another thread wakes so late, p90: nothing else runs", late["idle"], unit="ms"),
        Figure.of("the same, beside scrape after scrape", late["busy"], unit="ms", target="<= 2", quiet=True),
    ]


def waking(metrics: Metrics | None) -> float:
    """Milliseconds by which a thread that sleeps half of one wakes too late, at the 90th percentile."""
    late, ended = [], threading.Event()

    def scrapes() -> None:
        while metrics is not None and not ended.is_set():
            metrics.render()

    scraping = threading.Thread(target=scrapes)
    scraping.start()
    for _ in range(400):
        began = time.perf_counter()
        time.sleep(5e-4)
        late.append(time.perf_counter() - began - 5e-4)
    ended.set()
    scraping.join()
    return float(np.quantile(late, 0.9)) * 1e3


def rk_trace() -> Any:
    from rkruntime.context import Trace

    return Trace.begin()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", metavar="PARTS", default=",".join(PARTS), help="of %(default)s")
    options = parser.parse_args()
    configure_logging("info", "json")
    with open(os.devnull, "w") as nowhere:
        logging.getLogger("rkruntime").handlers[0].setStream(nowhere)  # type: ignore[attr-defined]
        parts = options.only.split(",")
        figures = run(options.rounds, parts) if set(parts) & set(WITH_COLLECTOR) else []
        tell("observability", [*figures, *(scrape() if "scrape" in parts else [])], options.json)


def run(rounds: int, parts: Sequence[str]) -> list[Figure]:
    """Measure with a collector beside."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    collector = context.Process(target=take_spans, args=(ready,), daemon=True)
    collector.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            port = ready.get(timeout=60)
            figures = []
            if "asks" in parts or "launches" in parts:
                figures += trio.run(measure, arms(Path(folder), port), rounds, parts)
            return figures + (requests(Path(folder), port, rounds) if "requests" in parts else [])
    finally:
        collector.terminate()
        collector.join()


if __name__ == "__main__":
    main()
