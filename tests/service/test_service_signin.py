"""A real browser at a service that demands a role, and a foreign page at one that demands none."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from service_process import ServiceProcess, serving

from rkruntime.access import Role
from rkruntime.security import issue_key, revoke_key

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic")  # fmt: skip
LIMIT_MS = 60_000  # against hanging; nothing is measured
FOREIGN = """<!doctype html><form id="f" method="post" enctype="text/plain" action="{url}/v1/runtime/drain"></form>
<iframe name="frame" src="{url}/"></iframe>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install the system's package of that name")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET) as browser:
        yield browser


def test_a_key_opens_the_dashboard_and_stays_in_the_page(browser: Browser, tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    key, record = issue_key(path, "ann", Role.VIEWER)
    config = '[security]\nrbac_enabled = true\napi_keys_file = "keys.json"\n'
    with serving(tmp_path, config=config) as service:
        page = browser.new_page()
        page.set_default_timeout(LIMIT_MS)
        expect.set_options(timeout=LIMIT_MS)
        wrong: list[str] = []
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(service.url)
        expect(page.locator("#sign-in")).to_be_visible()
        page.fill("#key", "rk_abcdefgh_" + "A" * 43)
        page.press("#key", "Enter")
        expect(page.locator("#sign-in-error")).to_contain_text("valid key")
        page.fill("#key", key)
        page.press("#key", "Enter")
        expect(page.locator("#state")).to_have_text("running")
        expect(page.locator("#sign-in")).to_be_hidden()
        kept = page.evaluate("JSON.stringify([{...localStorage}, document.cookie, location.href])")
        assert key not in kept
        assert not any(key in url for url in asked)
        assert wrong == []
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
        assert page.evaluate("window.ran") is None, "a script in the page's text does not run"
        assert wrong
        revoke_key(path, record.id)
        expect(page.locator("#sign-in")).to_be_visible()
        page.close()


@pytest.fixture
def foreign(service: ServiceProcess) -> Iterator[str]:
    """A page of another origin that frames the service and makes its visitor's browser post to it."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(FOREIGN.format(url=service.url).encode())

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as serving_page:
        thread = threading.Thread(target=serving_page.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving_page.server_port}/"
        serving_page.shutdown()
        thread.join(30)


def test_a_foreign_page_neither_drains_nor_frames_nor_reads(
    browser: Browser, foreign: str, service: ServiceProcess
) -> None:
    page = browser.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(foreign)
    read = f"fetch('{service.url}/v1/runtime').then(() => 'read', () => 'refused')"
    assert page.evaluate(read) == "refused"
    frame = page.frame("frame")
    assert frame is not None
    assert frame.locator("#state").count() == 0, "the page is not framed"
    with page.expect_navigation() as posted:
        page.evaluate("document.getElementById('f').submit()")
    answer = posted.value
    assert answer is not None
    assert answer.status == 403
    assert service.client.get("/v1/runtime").json()["state"] == "running"
    page.close()
