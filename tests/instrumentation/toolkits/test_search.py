"""Search and scrape clients against the loopback server: one tool's span each, with sizes and no content."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Answer
from opentelemetry.trace import SpanKind, StatusCode

from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Spans
    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan

_CANARY = "the canary sings of Paris"
_PAGE = "https://canary.example/sings?of=Paris"
pytestmark = pytest.mark.filterwarnings("ignore")  # the clients' own dependencies warn of each other


@dataclass(frozen=True, eq=False)
class Client:
    """One search client.

    Attributes:
        module: What to import.
        connect: From the server's URL to a client.
        calls: By the tool's name: the call, what the server answers, how many results there are.
    """

    module: str
    connect: Callable[[Any, str], Any]
    calls: Mapping[str, tuple[Callable[[Any], Any], Any, int | None]]
    is_async: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)


_TAVILY = {"query": "q", "results": [{"url": _PAGE, "content": _CANARY}] * 2, "response_time": 0.1}
_EXA = {"results": [{"url": _PAGE, "id": _PAGE, "title": _CANARY}] * 2, "requestId": "r"}
_FIRECRAWL = {"success": True, "data": {"web": [{"url": _PAGE, "title": _CANARY}] * 2}}
_SCRAPED = {"success": True, "data": {"markdown": _CANARY, "metadata": {"sourceURL": _PAGE}}}


def _tavily_calls() -> Mapping[str, Any]:
    return {
        "tavily.search": (lambda client: client.search(_CANARY), _TAVILY, 2),
        "tavily.extract": (lambda client: client.extract(urls=[_PAGE]), _TAVILY, 2),
    }


def _exa_calls() -> Mapping[str, Any]:
    return {
        "exa.search": (lambda client: client.search(_CANARY), _EXA, 2),
        "exa.get_contents": (lambda client: client.get_contents([_PAGE]), _EXA, 2),
        "exa.find_similar": (lambda client: client.find_similar(_PAGE), _EXA, 2),
    }


def _firecrawl_calls() -> Mapping[str, Any]:
    return {
        "firecrawl.search": (lambda client: client.search(_CANARY), _FIRECRAWL, 2),
        "firecrawl.scrape": (lambda client: client.scrape(_PAGE), _SCRAPED, None),
    }


CLIENTS = {
    "tavily": Client("tavily", lambda m, url: m.TavilyClient("k", api_base_url=url), _tavily_calls()),
    "tavily-async": Client(
        "tavily", lambda m, url: m.AsyncTavilyClient("k", api_base_url=url), _tavily_calls(), is_async=True
    ),
    "exa": Client("exa_py", lambda m, url: m.Exa("k", base_url=url), _exa_calls()),
    "exa-async": Client("exa_py", lambda m, url: m.AsyncExa("k", api_base=url), _exa_calls(), is_async=True),
    "firecrawl": Client("firecrawl", lambda m, url: m.Firecrawl("k", api_url=url), _firecrawl_calls()),
    "firecrawl-async": Client(
        "firecrawl", lambda m, url: m.AsyncFirecrawl("k", api_url=url), _firecrawl_calls(), is_async=True
    ),
}
each = pytest.mark.parametrize(
    ("name", "tool"),
    [
        pytest.param(name, tool, id=f"{name}-{tool}")
        for name, client in CLIENTS.items()
        for tool in client.calls
    ],
)


def _call(name: str, tool: str, server: Loopback) -> None:
    client = CLIENTS[name]
    module = pytest.importorskip(client.module)
    call = client.calls[tool][0]

    async def main() -> None:
        await call(client.connect(module, server.url))

    if client.is_async:
        asyncio.run(main())
    else:
        call(client.connect(module, server.url))


def _facts(span: ReadableSpan) -> dict[str, Any]:
    each_time = {"agentprof.lane", "agentprof.request.fingerprint", "server.port"}
    return {key: value for key, value in (span.attributes or {}).items() if key not in each_time}


@each
def test_a_call_is_one_tools_span_that_tells_how_much_was_found(
    name: str, tool: str, server: Loopback, spans: Spans
) -> None:
    _, answer, count = CLIENTS[name].calls[tool]
    server.script.append(Answer(json.dumps(answer).encode()))

    _call(name, tool, server)

    span = spans.only()
    assert span.name == f"execute_tool {tool}"
    assert span.kind is SpanKind.INTERNAL
    assert span.status.status_code is StatusCode.UNSET
    assert _facts(span) == {
        "gen_ai.operation.name": "execute_tool",
        "agentprof.role": "tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "extension",
        "server.address": "127.0.0.1",
        **({} if count is None else {"agentprof.result.count": count}),
    }
    assert "agentprof.request.fingerprint" in (span.attributes or {})
    assert "canary" not in span.to_json()


@each
def test_a_refusal_is_an_error_without_its_text(name: str, tool: str, server: Loopback, spans: Spans) -> None:
    refusal = json.dumps({"detail": {"error": _CANARY}, "error": _CANARY}).encode()
    server.script += [Answer(refusal, 401)] * 3

    with pytest.raises(Exception):  # noqa: B017, PT011 - each client has its own
        _call(name, tool, server)

    span = spans.only()
    assert span.status.status_code is StatusCode.ERROR
    assert _facts(span)["error.type"]
    assert "canary" not in span.to_json()


def test_ddgs_is_one_span_per_search(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ddgs")
    kind = import_module("ddgs.ddgs").DDGS
    # Its engines are on the internet: here the call ends where it would begin to ask them.
    monkeypatch.setattr(kind, "_search_sync", lambda *_, **__: [{"title": _CANARY}] * 3)

    kind().text(_CANARY, max_results=3)

    span = spans.only()
    assert span.name == "execute_tool ddgs.text"
    assert _facts(span)["agentprof.result.count"] == 3
    assert "server.address" not in _facts(span)
    assert "canary" not in span.to_json()


@pytest.mark.parametrize("library", ["ddgs", "tavily", "exa", "firecrawl", "playwright"])
def test_every_method_is_found(library: str, spans: Spans) -> None:
    spec: Any = libraries.known()[library].load()
    pytest.importorskip(libraries.known()[library].module or "")
    paths = [path for call in spec.calls for path in call.targets]
    for path in paths:
        import_module(path.partition(":")[0])

    states = {target.path: target.state for target in REGISTRY.targets()}

    assert {states[path] for path in paths} == {"patched"}
