"""The dashboard in a real browser, on a real service: while it serves, while it drains, and when it is gone."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from service_process import ServiceProcess, serving

from rkruntime.service._dashboard import ASSETS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic")  # fmt: skip
LIMIT_MS = 60_000  # against hanging; nothing is measured


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install the system's package of that name")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET) as browser:
        yield browser


def opened(browser: Browser, url: str, **options: object) -> tuple[Page, list[str]]:
    """Open the dashboard; also return what it asked of other servers, and what its scripts complained of."""
    page = browser.new_page(**options)  # type: ignore[arg-type]
    page.set_default_timeout(LIMIT_MS)
    expect.set_options(timeout=LIMIT_MS)
    wrong: list[str] = []
    page.on("request", lambda request: None if request.url.startswith((url, "data:")) else wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(url)
    return page, wrong


def launch(service: ServiceProcess, **args: object) -> int:
    args = args or {"x": [1.0, 2.0], "out": {"shape": [2], "dtype": "float64"}}
    name = "spin" if "turns" in args else "double"
    body = {"args": args, "over": 1 if name == "spin" else 2}
    return service.client.post(f"/v1/kernels/{name}/launch", json=body).status_code


def test_it_shows_what_the_runtime_does(browser: Browser, service: ServiceProcess) -> None:
    for _ in range(3):
        assert launch(service) == 200
    page, wrong = opened(browser, service.url)
    expect(page.locator("#state")).to_have_text("running")
    expect(page.locator("#about")).to_contain_text("cpu")
    kernels = page.locator("#kernels tbody tr", has_text="double")
    launched = int(kernels.locator("td").nth(1).inner_text())
    assert launched >= 3
    assert launch(service) == 200
    expect(kernels.locator("td").nth(1)).to_have_text(str(launched + 1))  # by itself, with the next event
    expect(page.locator("#actors tbody tr", has_text="double")).to_contain_text("running")
    expect(page.locator("#memory-text")).to_contain_text("warning from 70 %, critical from 85 %, emergency from 95 %")
    expect(page.locator("#rate-chart canvas")).to_be_visible()
    expect(page.locator("#drain")).to_be_hidden()
    assert wrong == []
    page.close()


def test_errors_are_shown_as_text(browser: Browser, service: ServiceProcess) -> None:
    body = {"args": {"a": 0, "x": [1]}, "over": 1}
    assert service.client.post("/v1/kernels/divide/launch", json=body).status_code == 422
    page, wrong = opened(browser, service.url)
    expect(page.locator("#errors li").first).to_contain_text("kernel divide: KernelFault")
    assert wrong == []
    page.close()


def test_tables_sort_by_keyboard(browser: Browser, service: ServiceProcess) -> None:
    assert launch(service) == 200
    page, _ = opened(browser, service.url)
    head = page.locator("#kernels th", has_text="kernel")
    expect(page.locator("#kernels tbody td").first).not_to_have_class("empty")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Space")
    expect(head).to_have_attribute("aria-sort", "descending")
    page.close()


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_fits_a_phone_in_either_scheme(browser: Browser, service: ServiceProcess, scheme: str, dark: bool) -> None:
    page, wrong = opened(browser, service.url, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    expect(page.locator("#state")).to_have_text("running")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color"))
    assert (brightness(paper) < brightness(ink)) is dark
    assert abs(brightness(paper) - brightness(ink)) > 180  # of 255
    assert wrong == []
    page.close()


def brightness(color: str) -> float:
    return sum(map(int, re.findall(r"\d+", color)[:3])) / 3


def test_it_follows_a_drain_and_says_when_the_server_is_gone(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, config="[runtime]\nshutdown_timeout = 120\n") as service:
        page, wrong = opened(browser, service.url)
        expect(page.locator("#state")).to_have_text("running")
        with service.spinning():
            expect(page.locator("#now")).to_contain_text("in flight\n1", use_inner_text=True)
            service.process.send_signal(signal.SIGTERM)
            expect(page.locator("#state")).to_have_text("draining")
            expect(page.locator("#drain-text")).to_contain_text("0 of 1 in flight have ended; the rest is cancelled in")
            service.process.send_signal(signal.SIGTERM)
            service.end()
        expect(page.locator("#state")).to_have_text("gone")
        expect(page.locator("#connection")).to_contain_text("What is shown is old")
        assert [text for text in wrong if "CONNECTION" not in text] == []
        page.close()


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    text = files("rkruntime.service").joinpath("dashboard", "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)
    loaded = set(re.findall(r"\"dashboard/([\w.]+)\"", text))
    assert loaded <= set(ASSETS)


def test_only_its_own_files_are_served(service: ServiceProcess, tmp_path: Path) -> None:
    for name in ASSETS:
        assert service.client.get(f"/dashboard/{name}").status_code == 200
    for name in ("UPLOT-LICENSE", "../_app.py", "..%2f_app.py", "nothing.js"):
        assert service.client.get(f"/dashboard/{name}").status_code == 404
    with serving(tmp_path, config="[service]\ndashboard_enabled = false\n") as other:
        assert other.client.get("/").status_code == 404
        assert other.client.get("/dashboard/dashboard.js").status_code == 404
        assert other.client.get("/v1/events").status_code == 404


def test_events_are_snapshots_and_end_with_the_runtime(tmp_path: Path) -> None:
    with serving(tmp_path) as service, service.client.stream("GET", "/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told.removeprefix("data: "))["state"] == "running"
        service.process.send_signal(signal.SIGTERM)
        states = [json.loads(line[6:])["state"] for line in lines if line.startswith("data: ")]
        assert set(states) <= {"running", "draining", "stopped"}
        assert service.end() == 0
