"""Playwright's pages and locators: what an agent does in a browser, and at which host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.instrumentation.spec import Arguments

_BOTH: Final = (
    "check",
    "click",
    "dblclick",
    "evaluate",
    "fill",
    "hover",
    "inner_html",
    "inner_text",
    "press",
    "screenshot",
    "select_option",
    "set_input_files",
    "tap",
    "text_content",
    "uncheck",
)
_OF_PAGES: Final = (
    "content",
    "drag_and_drop",
    "go_back",
    "go_forward",
    "goto",
    "pdf",
    "reload",
    "set_content",
    "type",
    "wait_for_function",
    "wait_for_load_state",
    "wait_for_selector",
    "wait_for_timeout",
    "wait_for_url",
)
_OF_LOCATORS: Final = ("all_inner_texts", "all_text_contents", "drag_to", "press_sequentially", "wait_for")
_API: Final = ("playwright.sync_api._generated", "playwright.async_api._generated")


def _host(page: Any, arguments: Arguments) -> Mapping[str, Any]:
    """Return the host of the page that is left or, for ``goto``, gone to; nothing more of its address."""
    url = arguments.get("url")
    if not isinstance(url, str) or "://" not in url:
        url = getattr(page, "page", page).url
    host = urlsplit(url).hostname
    return {semconv.SERVER_ADDRESS: host} if host else {}


def _act(kind: str, method: str) -> tuple[str, ...]:
    return tuple(f"{module}:{kind}.{method}" for module in _API)


SPEC = ProviderSpec(
    name="playwright",
    provider="",
    distribution="playwright>=1.40",
    calls=tuple(
        work.action(
            f"playwright.{method}",
            *(_act("Page", method) if method not in _OF_LOCATORS else ()),
            *(_act("Locator", method) if method not in _OF_PAGES else ()),
            about=_host,
            positional=("url",) if method == "goto" else (),
        )
        for method in (*_BOTH, *_OF_PAGES, *_OF_LOCATORS)
    ),
    client_of=lambda page: page,
    url_of=lambda _page: None,  # a browser has many servers: each span says which
)
