"""Exa's client: search, contents, similar pages, answers."""

from __future__ import annotations

from typing import Any

from otel_agentprof.instrumentation.shapes import work
from otel_agentprof.instrumentation.spec import ProviderSpec


def _count(answer: Any) -> int | None:
    results = getattr(answer, "results", None) or getattr(answer, "citations", None)
    return len(results) if isinstance(results, list) else None


SPEC = ProviderSpec(
    name="exa",
    provider="",
    distribution="exa-py>=1.9",
    calls=tuple(
        work.tool(
            f"exa.{method}",
            f"exa_py.api:Exa.{method}",
            f"exa_py.api:AsyncExa.{method}",
            count=_count,
            positional=(given,),
        )
        for method, given in (
            ("search", "query"),
            ("search_and_contents", "query"),
            ("get_contents", "urls"),
            ("find_similar", "url"),
            ("find_similar_and_contents", "url"),
            ("answer", "query"),
        )
    ),
    client_of=lambda client: client,
)
