"""A real browser, where there is one: each act is a tool's span, with the host and nothing of the page."""

from __future__ import annotations

import asyncio
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans

_CHROMIUM = shutil.which("chromium")
_OPTIONS: dict[str, Any] = {"executable_path": _CHROMIUM, "args": ["--no-sandbox"]}
_CANARY = "the canary sings of Paris"
_HTML = f"<title>{_CANARY}</title><input id=canary><p>{_CANARY}".encode()
pytestmark = [
    pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium"),
    pytest.mark.filterwarnings("ignore"),
]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(_HTML)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/canary?sings=1"
    server.shutdown()
    server.server_close()


def _check(spans: Spans) -> None:
    told = [dict(span.attributes or {}) for span in spans.all()]
    assert [facts["gen_ai.tool.name"] for facts in told] == [
        "playwright.goto",
        "playwright.fill",
        "playwright.inner_text",
        "playwright.content",
        "playwright.click",
    ]
    assert {facts["server.address"] for facts in told} == {"127.0.0.1"}
    assert {name for facts in told for name in facts} - {"agentprof.lane", "error.type"} == {
        "gen_ai.operation.name",
        "agentprof.role",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "server.address",
    }
    *done, failed = spans.all()
    assert {span.status.status_code for span in done} == {StatusCode.UNSET}
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "playwright._impl._errors.TimeoutError"
    assert not any("canary" in span.to_json() for span in spans.all())


def test_each_act_is_a_span(site: str, spans: Spans) -> None:
    api = pytest.importorskip("playwright.sync_api")

    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(**_OPTIONS)
        page = browser.new_page()
        page.goto(site)
        page.fill("#canary", _CANARY)
        assert page.locator("p").inner_text() == _CANARY
        assert _CANARY in page.content()
        with pytest.raises(api.TimeoutError):
            page.click("#no-canary", timeout=1)
        browser.close()

    _check(spans)


def test_each_act_of_an_async_browser_is_a_span(site: str, spans: Spans) -> None:
    api = pytest.importorskip("playwright.async_api")

    async def main() -> None:
        async with api.async_playwright() as playwright:
            browser = await playwright.chromium.launch(**_OPTIONS)
            page = await browser.new_page()
            await page.goto(site)
            await page.fill("#canary", _CANARY)
            assert await page.locator("p").inner_text() == _CANARY
            assert _CANARY in await page.content()
            with pytest.raises(api.TimeoutError):
                await page.click("#no-canary", timeout=1)
            await browser.close()

    asyncio.run(main())

    _check(spans)
