"""The questions that README answers with queries, asked of real backends: TraceQL, and exact tags.

Jaeger and Tempo keep what others sent, so each test has a service of its own.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from backends.running import until
from backends.sending import exporter
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_agentprof import AgentProfSpanProcessor, BoundedSpanExporter, semconv

if TYPE_CHECKING:
    from backends.stores import Jaeger, Tempo
    from opentelemetry.trace import Tracer

_MS: Final = 1_000_000
# By question: what Jaeger's search box (tags) and its API (query.attributes) take in each mode, and TraceQL.
# In drop-in mode the spans stay as they were, and the analysis span says it of the run as a whole.
COSTLY: Final = {"agentprof.cost_over.10_cents": "true"}
PROVEN: Final = {"agentprof.parallelizable.proven": "true"}
SLOW_TOOL_SPAN: Final = {"agentprof.critical_path.role": "tool", "agentprof.critical_path.over_1s": "true"}
SLOW_TOOL_RUN: Final = {"agentprof.critical_path.tool_over_1s": "true"}
COSTLY_QL: Final = "{ span.agentprof.subtree.cost > 0.10 }"
PROVEN_QL: Final = "{ span.agentprof.parallelizable.proven = true }"
SLOW_TOOL_QL: Final = (
    '{ span.agentprof.critical_path.role = "tool" && span.agentprof.critical_path.self_ns > 1000000000 }'
)
SLOW_TOOL_RUN_QL: Final = "{ span.agentprof.critical_path.tool_longest_ns > 1000000000 }"


_README: Final = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_readme_shows_these_queries() -> None:
    for tags in (COSTLY, PROVEN, SLOW_TOOL_SPAN, SLOW_TOOL_RUN):
        assert f"`{' '.join(f'{name}={value}' for name, value in tags.items())}`" in _README
    for query in (COSTLY_QL, PROVEN_QL, SLOW_TOOL_QL, SLOW_TOOL_RUN_QL):
        assert f"`{query}`" in _README


def _run(tracer: Tracer, *, cost_usd: float, tool_ms: int, tools: int = 1, together: bool = False) -> str:
    """Make the trace of an agent: a model call of 100 ms that asks for tools; return its id."""
    start_ns = time.time_ns() - 60_000 * _MS
    calls = [f"call {number}" for number in range(tools)]
    root = tracer.start_span("agent", start_time=start_ns, attributes={semconv.ROLE: "agent"})
    here = trace.set_span_in_context(root)
    call: dict[str, Any] = {
        semconv.ROLE: "llm",
        semconv.OPERATION_NAME: "chat",
        semconv.REQUEST_MODEL: "gpt-4o",
        semconv.USAGE_INPUT_TOKENS: 1_000,
        semconv.USAGE_OUTPUT_TOKENS: 100,
        semconv.COST_TOTAL: cost_usd,
        semconv.TOOL_CALL_IDS: tuple(calls),
    }
    now = start_ns + 100 * _MS
    tracer.start_span("chat", here, start_time=start_ns, attributes=call).end(now)
    for name in calls:
        tool = {semconv.ROLE: "tool", semconv.TOOL_NAME: "search", semconv.TOOL_CALL_ID: name}
        tracer.start_span("search", here, start_time=now, attributes=tool).end(now + tool_ms * _MS)
        now += 0 if together else tool_ms * _MS
    root.end(now + (tool_ms * _MS if together else 0))
    return format(root.get_span_context().trace_id, "032x")


class _Runs:
    """Four runs of a service of their own, at a backend."""

    def __init__(self, place: Any, *, owning: bool) -> None:
        self.service = f"queries-{uuid4().hex}"
        batch = BatchSpanProcessor(BoundedSpanExporter(exporter(place, "grpc")))
        provider = TracerProvider(resource=Resource({"service.name": self.service}), shutdown_on_exit=False)
        if owning:
            provider.add_span_processor(AgentProfSpanProcessor(batch))
        else:
            provider.add_span_processor(AgentProfSpanProcessor())
            provider.add_span_processor(batch)
        tracer = provider.get_tracer("tests")
        self.cheap = _run(tracer, cost_usd=0.02, tool_ms=900)
        self.costly = _run(tracer, cost_usd=0.11, tool_ms=50)
        self.slow_tool = _run(tracer, cost_usd=0.02, tool_ms=1_500)
        self.sequential = _run(tracer, cost_usd=0.02, tool_ms=500, tools=3)
        self.together = _run(tracer, cost_usd=0.02, tool_ms=500, tools=3, together=True)
        provider.force_flush()
        provider.shutdown()


@pytest.mark.parametrize("owning", [True, False], ids=["owning", "drop-in"])
def test_jaeger_answers_by_tags(jaeger: Jaeger, *, owning: bool) -> None:
    runs = _Runs(jaeger, owning=owning)
    now = time.time()

    def found(tags: dict[str, str]) -> set[str]:
        return jaeger.find(runs.service, now - 3600, now + 3600, **tags)

    until(lambda: len(found({})) == 5, "five traces")
    assert found(COSTLY) == {runs.costly}
    assert found(PROVEN) == {runs.sequential}
    assert found(SLOW_TOOL_RUN) == {runs.slow_tool}
    assert found(SLOW_TOOL_SPAN) == ({runs.slow_tool} if owning else set())
    assert found({"agentprof.finding.sequential_group": "proven"}) == {runs.sequential}


@pytest.mark.parametrize("owning", [True, False], ids=["owning", "drop-in"])
def test_tempo_answers_by_traceql(tempo: Tempo, *, owning: bool) -> None:
    runs = _Runs(tempo, owning=owning)

    def found(query: str) -> set[str]:
        return set(tempo.search(f'{{ resource.service.name = "{runs.service}" }} && {query}'))

    until(lambda: len(found("{ true }")) == 5, "five traces")
    assert found(COSTLY_QL) == {runs.costly}
    assert found(PROVEN_QL) == {runs.sequential}
    assert found(SLOW_TOOL_RUN_QL) == {runs.slow_tool}
    assert found(SLOW_TOOL_QL) == ({runs.slow_tool} if owning else set())
