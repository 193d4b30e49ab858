"""Draw docs/dashboard.png: the dashboard of a service with some work to do, as a browser shows it.

Needs chromium; without it the picture is left as it is. `python docs/draw_dashboard.py`
"""

import random
import shutil
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import trio
from playwright.sync_api import expect, sync_playwright

import rkruntime as rk
from rkruntime.config import ProductionConfig, ServiceConfig
from rkruntime.kernels import list_kernels
from rkruntime.service import Service

PICTURE = Path(__file__).with_name("dashboard.png")
SERVED = ("histogram", "saxpy")
SIZE = 4096
WATCHED_S = 30
CONFIG = ProductionConfig(
    service_name="my-kernels",
    runtime=rk.RuntimeConfig(memory=rk.MemoryConfig(max_gpu_memory=2**26), device="cpu"),
    service=ServiceConfig(port=0),
)


class Plate(rk.Actor):
    """Holds arrays, and does not take every message."""

    async def setup(self) -> None:
        """Allocate what the pools are to show."""
        self.fields = [await self.memory.zeros((side, side), np.float32) for side in (3500, 512, 512, 64, 64, 16)]

    async def step(self, rows: int, columns: int) -> None:
        """Crash unless the plate is square."""
        if rows != columns:
            raise ValueError(f"the plate is not square: ({rows}, {columns})")


def bodies() -> dict[str, dict[str, Any]]:
    """Return a launch for each kernel served."""
    x, out = [float(i) for i in range(SIZE)], {"shape": [SIZE], "dtype": "float64"}
    return {
        "saxpy": {"args": {"a": 2.0, "x": x, "y": x, "out": out}, "over": SIZE},
        "histogram": {"args": {"levels": [i % 256 for i in range(SIZE)], "counts": [0] * 256}, "over": SIZE},
    }


def load(url: str, name: str, ended: threading.Event) -> None:
    """Launch a kernel again and again until `ended`."""
    with httpx.Client(base_url=url, timeout=120) as client:
        while not ended.wait(random.uniform(0.0, 0.05)):
            client.post(f"/v1/kernels/{name}/launch", json=bodies()[name]).raise_for_status()


def draw(url: str, chromium: str) -> None:
    """Give the service work, and take the picture."""
    for name, body in bodies().items():  # so that compiling is over before anybody looks
        httpx.post(f"{url}/v1/kernels/{name}/launch", json=body, timeout=120).raise_for_status()
    ended = threading.Event()
    workers = [threading.Thread(target=load, args=(url, name, ended)) for name in SERVED]
    for worker in workers:
        worker.start()
    try:
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
        ):
            page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
            page.goto(url)
            expect(page.locator("#state")).to_have_text("running", timeout=60_000)
            page.wait_for_timeout(1000 * WATCHED_S)
            page.screenshot(path=PICTURE, full_page=True)
    finally:
        ended.set()
        for worker in workers:
            worker.join()


async def main(chromium: str) -> None:
    """Serve two kernels and an actor, and draw."""
    specs = {name: spec for name, spec in list_kernels(()).items() if name in SERVED}
    service = Service(CONFIG, specs)
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        plate = await service.runtime.spawn(Plate, name="plate", restart=rk.Restart(max_restarts=3, within=60))
        await plate.tell(Plate.step, 128, 64)
        host, port = service.address
        await trio.to_thread.run_sync(partial(draw, f"http://{host}:{port}", chromium))
        await service.runtime.shutdown()


if __name__ == "__main__":
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        sys.exit(0)
    trio.run(main, found)
