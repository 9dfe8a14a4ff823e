"""DDGS: searches over several engines, and the text of a page."""

from __future__ import annotations

from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec

SPEC = ProviderSpec(
    name="ddgs",
    provider="",
    distribution="ddgs>=9",
    calls=(
        *(
            work.tool(f"ddgs.{method}", f"ddgs.ddgs:DDGS.{method}", count=len, positional=("query",))
            for method in ("text", "images", "news", "videos", "books")
        ),
        work.tool("ddgs.extract", "ddgs.ddgs:DDGS.extract", positional=("url", "fmt")),
    ),
    client_of=lambda client: client,
    url_of=lambda _client: None,  # it asks several
)
