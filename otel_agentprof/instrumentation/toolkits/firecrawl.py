"""Firecrawl's client: scrape, search, crawl, map, extract."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec


def _count(answer: Any) -> int | None:
    """Return the number of results; None for one page."""
    lists = [getattr(answer, name, None) for name in ("web", "news", "images", "links", "data")]
    found = [len(results) for results in lists[:4] if isinstance(results, list)]
    if found:
        return sum(found)
    return len(lists[4]) if isinstance(lists[4], list) else None


SPEC = ProviderSpec(
    name="firecrawl",
    provider="",
    distribution="firecrawl-py>=4",
    calls=tuple(
        work.tool(
            f"firecrawl.{method}",
            f"firecrawl.v2.client:FirecrawlClient.{method}",
            f"firecrawl.v2.client_async:AsyncFirecrawlClient.{method}",
            count=_count,
            positional=(given,),
        )
        for method, given in (
            ("scrape", "url"),
            ("search", "query"),
            ("crawl", "url"),
            ("map", "url"),
            ("extract", "urls"),
        )
    ),
    client_of=attrgetter("http_client"),
    url_of=attrgetter("api_url"),
)
