"""The same trace: live, in each kind of file and from each backend. One report."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from backend_shapes import (
    framed,
    jaeger_legacy,
    jaeger_v3,
    otlp_json,
    phoenix,
    protobuf,
    tempo_v1,
    tempo_v2,
)
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from tempo_shapes import tempo_block
from trace_server import UI_PAGE, Reply, serving_traces

import otel_agentprof as ap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

START = 1_795_976_000_123_456_000  # whole microseconds: Jaeger's JSON has no more
MS = 1_000_000
DEDICATED = (
    {"s": "resource", "n": "deployment.environment"},
    {"n": "gen_ai.request.model"},
    {"n": "gen_ai.usage.input_tokens", "t": "int"},
    {"n": "gen_ai.tool.name"},
)


def spans() -> tuple[ReadableSpan, ...]:
    """Return a run of an agent as the SDK makes it: two calls of a model, and two tools side by side."""
    exporter = InMemorySpanExporter()
    resource = Resource({"service.name": "research", "deployment.environment": "tést"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, other = provider.get_tracer("otel_agentprof"), provider.get_tracer("my.tools")
    elsewhere = SpanContext(trace_id=7, span_id=8, is_remote=True)

    root = tracer.start_span(
        "invoke_agent planner",
        start_time=START,
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "planner",
            "ratio": 0.1 + 0.2,
        },
        links=[Link(elsewhere, {"why": "follows"})],
    )
    inside = trace.set_span_in_context(root)
    for number, (begin, end) in enumerate([(1, 900), (1500, 2400)]):
        call = tracer.start_span(
            "chat gpt-4o",
            inside,
            kind=SpanKind.CLIENT,
            start_time=START + begin * MS,
            attributes=model_call(number),
        )
        call.end(START + end * MS)
    for name, end in (("search", 1200), ("wétter \U0001f600", 1490)):
        tool = other.start_span(
            f"execute_tool {name}",
            inside,
            start_time=START + 901 * MS,
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "cached": False},
        )
        if name == "search":
            tool.add_event("exception", {"exception.type": "TimeoutError"}, timestamp=START + 1100 * MS)
            tool.set_status(StatusCode.ERROR, "took too long")
        tool.end(START + end * MS)
    root.end(START + 2500 * MS)
    provider.shutdown()
    return exporter.get_finished_spans()


def model_call(number: int) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.response.finish_reasons": ("tool_calls", "stop"),
        "gen_ai.usage.input_tokens": 1000 + number,
        "gen_ai.usage.output_tokens": 50,
        "http.method": "POST",
    }


LIVE = spans()
TRACE_ID = f"{LIVE[0].context.trace_id:032x}"
REPORT = ap.analyze(LIVE).to_dict()


def only_report(source: Any) -> dict[str, Any]:
    (tree,) = ap.read(source)
    return ap.analyze(tree).to_dict()


def lines(documents: Sequence[Any]) -> bytes:
    return "\n".join(json.dumps(one) for one in documents).encode()


def halves(shape: Callable[[Sequence[ReadableSpan]], Any]) -> list[Any]:
    return [shape(LIVE[:2]), shape(LIVE[2:])]


FILES = {
    "OTLP JSON lines": lines(halves(otlp_json)),
    "gzip": gzip.compress(lines(halves(otlp_json))),
    "zstd": zstandard.compress(lines(halves(otlp_json))),
    "zstd, a frame for each flush": b"".join(zstandard.compress(lines([one])) for one in halves(otlp_json)),
    "protobuf": protobuf(LIVE),
    "protobuf, gzip": gzip.compress(protobuf(LIVE)),
    "records of protobuf": framed(*halves(protobuf)),
    "records of protobuf, each zstd": framed(*map(zstandard.compress, halves(protobuf))),
    "records of protobuf, all zstd": zstandard.compress(framed(*halves(protobuf))),
    "records of JSON, each zstd": framed(*(zstandard.compress(lines([one])) for one in halves(otlp_json))),
    "Tempo v1": lines([tempo_v1(LIVE)]),
    "Tempo v2": lines([tempo_v2(LIVE)]),
    "Jaeger v3": lines([jaeger_v3(LIVE)]),
    "Jaeger v3, a stream": lines(halves(jaeger_v3)),
    "Jaeger": lines([jaeger_legacy(LIVE)]),
}


@pytest.mark.parametrize("shape", FILES)
def test_a_file_in_any_shape_gives_the_live_report(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(FILES[shape])

    assert only_report(path) == REPORT


def test_a_block_of_tempo_gives_the_live_report(tmp_path: Path) -> None:
    block = tempo_block(tmp_path / "tenant" / "uuid", LIVE, dedicated=DEDICATED)

    assert only_report(block) == REPORT
    assert only_report(str(block / "data.parquet")) == REPORT
    assert only_report(tmp_path) == REPORT


SERVERS: dict[str, tuple[str, dict[str, Reply]]] = {
    "jaeger": ("", {f"/api/v3/traces/{TRACE_ID}": Reply(jaeger_v3(LIVE))}),
    "jaeger, old": (
        "/jaeger",
        {
            f"/jaeger/api/v3/traces/{TRACE_ID}": Reply(UI_PAGE),
            f"/jaeger/api/traces/{TRACE_ID}": Reply(jaeger_legacy(LIVE)),
        },
    ),
    "tempo": ("/tempo", {f"/tempo/api/v2/traces/{TRACE_ID}": Reply(tempo_v2(LIVE))}),
    "tempo, old": ("", {f"/api/traces/{TRACE_ID}": Reply(tempo_v1(LIVE))}),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_gives_the_live_report(kind: str) -> None:
    base, pages = SERVERS[kind]
    with serving_traces() as server:
        server.pages.update(pages)

        report = only_report(f"{kind.partition(',')[0]}+{server.url}{base}/{TRACE_ID.upper()}")

    assert report == REPORT


def test_phoenix_gives_the_live_report_but_for_what_it_loses() -> None:
    with serving_traces() as server:
        server.pages["/v1/projects/default/spans/otlpv1"] = Reply(phoenix(LIVE))

        report = only_report(f"phoenix+{server.url}/{TRACE_ID}")

    assert dict(without_times(report)) == dict(without_times(REPORT))
    assert abs(report["duration_ns"] - REPORT["duration_ns"]) < 2_000


def without_times(report: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what does not depend on nanoseconds."""
    for key in ("schema", "trace_id", "root", "span_count", "tokens", "cost"):
        yield key, report[key]
    yield "findings", [(finding["rule"], finding["span_ids"]) for finding in report["findings"]]
    yield "notes", report["data_quality"]
    yield "path", [step["name"] for step in report["critical_path"]]
    yield "roles", {role: one["count"] for role, one in report["by_role"].items()}
