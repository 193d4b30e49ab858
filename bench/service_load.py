"""A load generator for HTTP/1.1 on kept connections: closed (each asks again at once) or open (at a rate).

An open load times each request from the moment at which it was due, so that a server that stands still is not excused
from the requests that it kept from being sent.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import uvloop


class Connection(asyncio.Protocol):
    """Asks, and reads the answer."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due_s = 0.0
        self.left = -1
        self.buffer = b""
        self.status = 0
        self.closes = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.ready(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self.due_s:
            self.load.lost += 1
        self.load.gone(self)

    def ask(self, due_s: float) -> None:
        self.due_s = due_s
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            self.status = int(head[9:12])
            self.closes = b"\r\nconnection: close" in head
            place = head.index(b"content-length:") + 15
            self.left = int(head[place : head.find(b"\r", place) if head.find(b"\r", place) > 0 else end])
            data = self.buffer[end + 4 :]
            self.buffer = b""
        self.left -= len(data)
        if self.left == 0:
            self.left = -1
            self.load.answered(self)


class Load:
    def __init__(self, options: argparse.Namespace) -> None:
        body = Path(options.body).read_bytes() if options.body else b""
        head = f"{options.method} {options.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {options.type}\r\n"
        head += f"accept: {options.accept}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body
        self.options = options
        self.took: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.lost = 0
        self.refused = 0
        self.idle: deque[Connection] = deque()
        self.overdue: deque[float] = deque()
        self.end_s = 0.0
        self.sent = 0
        self.live = 0
        self.all_sent = False
        self.done = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        await asyncio.gather(*(self.connect() for _ in range(self.options.connections)))
        began = time.perf_counter()
        self.end_s = began + self.options.seconds
        gc.disable()  # its pauses would count as the server's
        if self.options.rate:
            await self.pace(began)
        else:
            for connection in list(self.idle):
                self.next(connection)
        await asyncio.wait_for(self.done.wait(), self.options.seconds + 60)
        took = time.perf_counter() - began
        quantiles = np.quantile(self.took, [0.5, 0.99, 0.999]) * 1e3 if self.took else [0, 0, 0]
        return {
            "requests": len(self.took),
            "seconds": took,
            "rate": len(self.took) / took,
            "p50_ms": float(quantiles[0]),
            "p99_ms": float(quantiles[1]),
            "p999_ms": float(quantiles[2]),
            "statuses": dict(self.statuses),
            "lost": self.lost,
            "refused": self.refused,
        }

    async def connect(self) -> None:
        host, port = self.options.address.split(":")
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), host, int(port))
            self.live += 1
        except OSError:
            self.refused += 1

    async def pace(self, began: float) -> None:
        number = 0
        while (due_s := began + number / self.options.rate) < self.end_s:
            ahead = due_s - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self.sent += 1
            if self.idle:
                self.idle.popleft().ask(due_s)
            else:
                self.overdue.append(due_s)
            number += 1
        self.all_sent = True
        self.finish_if_done()

    def ready(self, connection: Connection) -> None:
        self.idle.append(connection)
        if self.end_s:
            self.idle.pop()
            self.next(connection)

    def next(self, connection: Connection) -> None:
        """Ask again, where there is more to ask."""
        if self.options.rate:
            if self.overdue:
                connection.ask(self.overdue.popleft())
            else:
                self.idle.append(connection)
                self.finish_if_done()
        elif time.perf_counter() < self.end_s and (not self.options.requests or self.sent < self.options.requests):
            self.sent += 1
            connection.ask(time.perf_counter())
        else:
            connection.transport.close()

    def answered(self, connection: Connection) -> None:
        self.took.append(time.perf_counter() - connection.due_s)
        self.statuses[connection.status] += 1
        connection.due_s = 0.0
        if not connection.closes:
            self.next(connection)

    def gone(self, connection: Connection) -> None:
        """A connection has ended; another takes its place while there is more to ask."""
        self.live -= 1
        more = time.perf_counter() < self.end_s and (not self.options.requests or self.sent < self.options.requests)
        if connection.closes and more:
            self.again = asyncio.ensure_future(self.connect())
        elif self.live == 0:
            self.done.set()

    def finish_if_done(self) -> None:
        if self.all_sent and len(self.took) + self.lost >= self.sent:
            self.done.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("path")
    parser.add_argument("--method", default="POST")
    parser.add_argument("--body")
    parser.add_argument("--type", default="application/json")
    parser.add_argument("--accept", default="*/*")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()

    async def run() -> dict[str, Any]:
        return await Load(options).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(runner.run(run()), sys.stdout)


if __name__ == "__main__":
    main()
