"""Tavily's client: search, extract, crawl, map."""

from __future__ import annotations

from typing import Any

from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec


def _count(answer: Any) -> int | None:
    results = answer.get("results")
    return len(results) if isinstance(results, list) else None


def _url(client: Any) -> str | None:
    url = getattr(client, "base_url", None) or getattr(client, "_api_base_url", None)
    return url if isinstance(url, str) else None


SPEC = ProviderSpec(
    name="tavily",
    provider="",
    distribution="tavily-python>=0.5",
    calls=tuple(
        work.tool(
            f"tavily.{method}",
            f"tavily.tavily:TavilyClient.{method}",
            f"tavily.async_tavily:AsyncTavilyClient.{method}",
            count=_count,
            positional=(given,),
        )
        for method, given in (("search", "query"), ("extract", "urls"), ("crawl", "url"), ("map", "url"))
    ),
    client_of=lambda client: client,
    url_of=_url,
)
