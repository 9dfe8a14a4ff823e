"""What only Anthropic's client does: its own spans, its clouds, cumulative usage, the tool runner."""

from __future__ import annotations

import inspect
import os
import re
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from genai_prices import Usage, calc_price
from loopback import WIRE, Answer
from opentelemetry import trace
from surfaces import MESSAGE_USAGE, MESSAGES, SURFACES, Surface

import otel_agentprof
from otel_agentprof.model import Span

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback
    from opentelemetry.sdk.trace import TracerProvider

PLAIN = SURFACES[4]
traces_itself = pytest.mark.skipif(
    "open_telemetry" not in inspect.signature(anthropic.Anthropic).parameters,
    reason=f"anthropic {anthropic.__version__} makes no spans of its own",
)
_NOW_NS = 1_796_000_000 * 10**9
BEDROCK: dict[str, Any] = {"aws_region": "eu-west-1", "aws_access_key": "none", "aws_secret_key": "none"}


@pytest.fixture
def global_provider(pipeline: Spans, monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """Stand the pipeline in for the global provider, which can be set only once in a process."""
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: pipeline.provider)
    return pipeline.provider


def scopes(pipeline: Spans) -> list[str]:
    return [span.instrumentation_scope.name for span in pipeline.all() if span.instrumentation_scope]


def test_tool_uses_and_results_are_join_keys(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script.append(Answer("anthropic_message_tool_use.json"))
    fed_back = [
        {"type": "tool_result", "tool_use_id": "toolu_aa11", "content": "18C"},
        {"type": "tool_result", "tool_use_id": "toolu_bb22", "content": "timeout", "is_error": True},
    ]
    messages = [*MESSAGES, {"role": "assistant", "content": "..."}, {"role": "user", "content": fed_back}]

    connect(PLAIN).messages.create(**{**PLAIN.arguments, "messages": messages}, stop_sequences=["END"])

    facts = spans.facts()
    assert facts["agentprof.tool_call.ids"] == ("toolu_aa11", "toolu_bb22")
    assert facts["agentprof.tool_result.ids"] == ("toolu_aa11", "toolu_bb22")
    assert facts["gen_ai.response.finish_reasons"] == ("tool_use",)
    assert facts["gen_ai.request.stop_sequences"] == ("END",)


def test_tool_uses_of_a_stream_are_join_keys(server: Loopback, spans: Spans, connect: Connect) -> None:
    list(connect(PLAIN).messages.create(**PLAIN.arguments, stream=True))

    assert spans.facts()["agentprof.tool_call.ids"] == ("toolu_aa11",)


def test_the_cost_counts_cached_tokens_at_their_own_rates(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    connect(PLAIN).messages.create(**PLAIN.arguments)

    facts = spans.facts()
    parts = [
        facts[f"agentprof.cost.{part}"]
        for part in ("input", "cache_read", "cache_write", "output", "reasoning")
    ]
    assert facts["agentprof.cost.total"] == pytest.approx(sum(parts))
    # The model answered as claude-sonnet-4-5: $3 in, $0.30 read, $3.75 written, $15 out per million tokens.
    assert parts == pytest.approx([176 * 3e-6, 1024 * 0.3e-6, 512 * 3.75e-6, 45 * 15e-6, 40 * 15e-6])
    assert facts["gen_ai.usage.cost.amount"] == facts["agentprof.cost.total"]
    assert facts["gen_ai.usage.cost.currency"] == facts["agentprof.cost.currency"] == "USD"


@pytest.mark.parametrize("surface", SURFACES[4:], ids=["plain", "beta"])
@pytest.mark.parametrize("speed", ["fast", "standard"])
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_fast_mode_costs_what_the_table_takes_for_it(
    way: str, speed: str, surface: Surface, server: Loopback, spans: Spans, connect: Connect
) -> None:
    model = "claude-opus-5"
    wire = WIRE / ("anthropic_message.json" if way == "whole" else "anthropic_message_stream.sse")
    data = re.sub(rb"claude-sonnet-4-5[-0-9]*", model.encode(), wire.read_bytes())
    data = re.sub(rb'"service_tier":', b'"speed": "%s", "service_tier":' % speed.encode(), data)
    server.script.append(
        Answer(data, content_type="text/event-stream" if way == "streamed" else "application/json")
    )

    list(surface.resource(connect(surface)).create(**surface.arguments, stream=way == "streamed"))

    facts = spans.facts()
    expected = calc_price(
        Usage(input_tokens=1712, output_tokens=85, cache_read_tokens=1024, cache_write_tokens=512),
        model,
        provider_id="anthropic",
        price_context={"speed": speed} if speed == "fast" else {},
    )
    assert facts["agentprof.cost.total"] == pytest.approx(float(expected.total_price))
    # Who reads the span back without the figure that it carries comes to the same.
    read_back = {name: value for name, value in facts.items() if "cost" not in name}
    span = Span("0" * 32, "1" * 16, None, "chat", _NOW_NS, _NOW_NS + 1, attributes=read_back)
    assert otel_agentprof.analyze([span]).cost_usd == expected.total_price


@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_web_searches_are_told_as_a_fee_that_is_in_no_cost(
    way: str, server: Loopback, spans: Spans, connect: Connect
) -> None:
    wire = WIRE / ("anthropic_message.json" if way == "whole" else "anthropic_message_stream.sse")
    data = wire.read_bytes().replace(b'"web_search_requests": 0', b'"web_search_requests": 3')
    server.script.append(
        Answer(data, content_type="text/event-stream" if way == "streamed" else "application/json")
    )

    list(connect(PLAIN).messages.create(**PLAIN.arguments, stream=way == "streamed"))

    assert spans.facts()["agentprof.web_searches"] == 3
    report = otel_agentprof.analyze(spans.all())
    assert [doubt.code for doubt in report.data_quality] == ["unpriced_fees"]


def test_left_halfway_the_output_is_unknown(server: Loopback, spans: Spans, connect: Connect) -> None:
    with connect(PLAIN).messages.create(**PLAIN.arguments, stream=True) as stream:
        next(stream)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 1712
    assert "gen_ai.usage.output_tokens" not in spans.facts()


def test_left_after_the_last_event_nothing_is_missing(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    with connect(PLAIN).messages.create(**PLAIN.arguments, stream=True) as stream:
        for event in stream:
            if event.type == "message_stop":
                break

    assert "agentprof.stream.complete" not in spans.facts()
    assert spans.facts()["gen_ai.usage.output_tokens"] == 85


async def test_async_helpers_are_one_span_each(server: Loopback, spans: Spans) -> None:
    async with PLAIN.make(server.url, is_async=True) as client:
        for messages in (client.messages, client.beta.messages):
            async with messages.stream(**PLAIN.arguments) as stream:
                await stream.get_final_message()

    assert [dict(span.attributes or {})["gen_ai.usage.output_tokens"] for span in spans.all()] == [85, 85]


def test_a_helper_that_is_never_entered_makes_no_span(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    connect(PLAIN).messages.stream(**PLAIN.arguments)

    assert spans.all() == ()


def test_the_tool_runner_is_one_span_per_turn(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script += [Answer("anthropic_message_tool_use.json"), Answer("anthropic_message.json")]

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tell the weather."""
        return f"18C in {city}"

    @anthropic.beta_tool
    def get_time(tz: str) -> str:
        """Tell the time."""
        return f"16:05 in {tz}"

    connect(PLAIN).beta.messages.tool_runner(**PLAIN.arguments, tools=[get_weather, get_time]).until_done()

    assert len(server.requests) == len(spans.all()) == 2
    assert dict(spans.all()[1].attributes or {})["agentprof.tool_result.ids"] == ("toolu_aa11", "toolu_bb22")


@pytest.mark.parametrize("is_beta", [False, True])
def test_bedrock_is_named_as_such(server: Loopback, spans: Spans, *, is_beta: bool) -> None:
    with anthropic.AnthropicBedrock(**BEDROCK, base_url=server.url) as client:
        server.script.append(Answer("anthropic_message.json"))
        messages: Any = client.beta.messages if is_beta else client.messages
        messages.create(**PLAIN.arguments)

    assert spans.facts()["gen_ai.provider.name"] == "aws.bedrock"
    assert spans.facts()["gen_ai.usage.input_tokens"] == MESSAGE_USAGE["gen_ai.usage.input_tokens"]


@pytest.mark.skipif(
    not hasattr(anthropic, "AnthropicBedrockMantle"),
    reason=f"anthropic {anthropic.__version__} has no such client",
)
@pytest.mark.parametrize("prefix", ["", "Async"])
async def test_bedrocks_other_endpoint_is_bedrock_too(prefix: str, server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("anthropic_message.json"))
    make = getattr(anthropic, f"{prefix}AnthropicBedrockMantle")
    client = make(api_key="none", aws_region="us-east-1", base_url=server.url)

    answer = client.messages.create(**{**PLAIN.arguments, "model": "anthropic.claude-haiku-5-5"})
    if prefix:
        await answer
    await client.close() if prefix else client.close()

    facts = spans.facts()
    expected = calc_price(
        Usage(input_tokens=1712, output_tokens=85, cache_read_tokens=1024, cache_write_tokens=512),
        "anthropic.claude-haiku-5-5",
        provider_id="aws",
    )
    assert facts["gen_ai.provider.name"] == "aws.bedrock"
    assert facts["agentprof.cost.total"] == pytest.approx(float(expected.total_price))


def test_vertex_beta_is_one_span(server: Loopback, spans: Spans) -> None:
    with anthropic.AnthropicVertex(
        region="europe-west1",
        project_id="none",
        access_token="none",  # noqa: S106 - there is no secret
        base_url=server.url,
    ) as client:
        server.script.append(Answer("anthropic_message.json"))
        messages: Any = client.beta.messages
        messages.create(**PLAIN.arguments)

    assert spans.facts()["gen_ai.provider.name"] == "gcp.vertex_ai"


def test_a_client_built_later_does_not_trace_itself(
    global_provider: TracerProvider, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    with otel_agentprof.instrument(tracer_provider=global_provider):
        connect(PLAIN).messages.create(**PLAIN.arguments)

    assert scopes(pipeline) == ["otel_agentprof"]
    assert "ANTHROPIC_OPEN_TELEMETRY" not in os.environ


@traces_itself
def test_a_client_built_earlier_keeps_its_own_spans_and_gets_none_of_ours(
    global_provider: TracerProvider, pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    client = connect(PLAIN)

    with otel_agentprof.instrument(tracer_provider=global_provider):
        client.messages.create(**PLAIN.arguments)
        with client.messages.stream(**PLAIN.arguments) as stream:
            stream.until_done()

    assert scopes(pipeline) == ["com.anthropic.sdk.python"] * 2
    report = otel_agentprof.analyze(pipeline.all()[:1])
    assert report.usage.input == 1712
    assert report.usage.cache_write == 512


def test_a_client_whose_own_spans_go_elsewhere_gets_ours(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    client = connect(PLAIN)  # traces itself through the global provider, which is not ours

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        client.messages.create(**PLAIN.arguments)

    assert scopes(pipeline) == ["otel_agentprof"]


@traces_itself
def test_a_user_who_asks_for_the_clients_own_spans_keeps_them(
    global_provider: TracerProvider,
    pipeline: Spans,
    server: Loopback,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")

    with otel_agentprof.instrument(tracer_provider=global_provider):
        connect(PLAIN).messages.create(**PLAIN.arguments)

    assert scopes(pipeline) == ["com.anthropic.sdk.python"]
    assert os.environ["ANTHROPIC_OPEN_TELEMETRY"] == "true"


@traces_itself
def test_a_client_that_traces_itself_to_a_provider_that_is_set_later_gets_none_of_ours(
    pipeline: Spans, server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(PLAIN)

    with otel_agentprof.instrument():
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", pipeline.provider)
        client.messages.create(**PLAIN.arguments)

    assert scopes(pipeline) == ["com.anthropic.sdk.python"]


def test_extra_usage_shapes_are_tolerated(server: Loopback, spans: Spans, connect: Connect) -> None:
    body: dict[str, Any] = {"input_tokens": 3, "output_tokens": 2}
    server.script.append(
        Answer(
            b'{"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [],'
            b'"stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 2}}'
        )
    )

    connect(PLAIN).messages.create(**PLAIN.arguments)

    assert spans.facts()["gen_ai.usage.input_tokens"] == body["input_tokens"]
    assert "gen_ai.usage.cache_read.input_tokens" not in spans.facts()
