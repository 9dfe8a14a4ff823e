"""What spans say of themselves, in the words of each dialect."""

from __future__ import annotations

from typing import Any

import pytest

from otel_agentprof import semconv
from otel_agentprof.model import Span, TokenUsage, dialects
from otel_agentprof.model.dialects.table import DIALECTS


def span(attributes: dict[str, Any], name: str = "span") -> Span:
    return Span("1", "a", None, name, 0, 1, attributes=attributes)


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        ({"agentprof.role": "tool", "gen_ai.operation.name": "chat"}, "tool"),
        ({"openinference.span.kind": "RERANKER"}, "retrieval"),
        ({"openinference.span.kind": "CHAIN"}, "step"),
        ({"openinference.span.kind": "GUARDRAIL"}, "other"),
        ({"langfuse.observation.type": "generation"}, "llm"),
        ({"langsmith.span.kind": "prompt", "gen_ai.operation.name": "chat"}, "step"),
        ({"mlflow.spanType": '"CHAT_MODEL"'}, "llm"),
        ({"ai.operationId": "ai.streamText", "gen_ai.request.model": "m", "gen_ai.system": "s"}, "agent"),
        ({"ai.operationId": "ai.streamText.doStream"}, "llm"),
        ({"gen_ai.operation.name": "text_completion"}, "llm"),
        ({"gen_ai.operation.name": "call_llm"}, "llm"),
        ({"gen_ai.operation.name": "fetch_response"}, "other"),
        ({"traceloop.span.kind": "workflow"}, "agent"),
        ({"llm.request.type": "completion"}, "llm"),
        ({"mcp.method.name": "tools/call"}, "tool"),
        ({"mcp.method.name": "initialize"}, "other"),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}, "llm"),
        ({"gen_ai.request.model": "gpt-4o"}, "other"),
        ({"gen_ai.operation.name": 7}, "other"),
        ({}, "other"),
    ],
)
def test_the_role_is_in_the_attributes(attributes: dict[str, Any], role: str) -> None:
    assert dialects.role_of(span(attributes)) == role


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("chat gpt-4o", "llm"),
        ("execute_tool search", "tool"),
        ("invoke_agent", "agent"),
        ("chatter", "other"),
    ],
)
def test_the_role_is_in_the_name_when_nothing_else_tells(name: str, role: str) -> None:
    assert dialects.role_of(span({}, name)) == role


@pytest.mark.parametrize(
    ("attributes", "usage"),
    [
        ({"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 3}, TokenUsage(5, 3)),
        ({"gen_ai.usage.input_tokens": 5, "gen_ai.usage.prompt_tokens": 5}, TokenUsage(5, 0)),
        ({"llm.token_count.completion": 3}, TokenUsage(0, 3)),
        ({"gen_ai.usage.input_tokens": -1, "gen_ai.usage.prompt_tokens": 4}, TokenUsage(4)),
        ({"gen_ai.usage.input_tokens": True}, None),
        ({"gen_ai.usage.input_tokens": "5"}, None),
        ({"gen_ai.usage.input_tokens": 5.5}, None),
        ({"gen_ai.usage.input_tokens": 12.0, "gen_ai.usage.output_tokens": 7}, TokenUsage(12, 7)),
        (
            {"gen_ai.usage.input_tokens": 12.0, "gen_ai.usage.cache_read.input_tokens": 5.0},
            TokenUsage(12, 0, 5),
        ),
        ({"gen_ai.usage.input_tokens": 0.0, "gen_ai.usage.output_tokens": -0.0}, TokenUsage(0, 0)),
        ({"gen_ai.usage.input_tokens": 5.5, "gen_ai.usage.prompt_tokens": 4.0}, TokenUsage(4)),
        ({"gen_ai.usage.input_tokens": -1.0}, None),
        ({"gen_ai.usage.input_tokens": float("nan")}, None),
        ({"gen_ai.usage.input_tokens": float("inf")}, None),
        ({"gen_ai.usage.input_tokens": 1e300}, None),
        ({"mlflow.chat.tokenUsage": '{"input_tokens": 12.0, "output_tokens": 7.0}'}, TokenUsage(12, 7)),
        ({"gen_ai.usage.cache_read.input_tokens": 5}, None),
        ({"gen_ai.usage.input_tokens": 5, "gen_ai.operation.name": "fetch_response"}, None),
        ({}, None),
    ],
)
def test_tokens_are_read_once_whatever_their_name(
    attributes: dict[str, Any], usage: TokenUsage | None
) -> None:
    assert dialects.usage_of(span(attributes)) == usage


@pytest.mark.parametrize(
    ("taken", "total", "input_tokens"),
    [
        (100, 110, 100),  # input and output make the total: cached tokens are in the input
        (60, 110, 100),  # only with the cached ones they make it: they are not
        (60, None, 60),
        (60, 999, 60),  # a total that fits neither way tells nothing
        (30, None, 70),  # more cached than taken: they cannot be in it
    ],
)
def test_input_holds_the_cached_tokens_whether_or_not_the_span_says_so(
    taken: int, total: int | None, input_tokens: int
) -> None:
    usage = dialects.usage_of(
        span(
            {
                "gen_ai.usage.input_tokens": taken,
                "gen_ai.usage.output_tokens": 10,
                "gen_ai.usage.cache_read.input_tokens": 25,
                "gen_ai.usage.cache_creation.input_tokens": 15,
                "gen_ai.usage.total_tokens": total,
            }
        )
    )

    assert usage == TokenUsage(input=input_tokens, output=10, cache_read=25, cache_write=15)


def test_the_model_that_answered_comes_before_the_one_asked_for() -> None:
    attributes = {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06"}

    assert dialects.model_of(span(attributes)) == "gpt-4o-2024-08-06"
    assert dialects.model_of(span({"llm.model_name": ""})) is None


@pytest.mark.parametrize(
    ("attributes", "provider"),
    [({"gen_ai.system": "openai"}, "openai"), ({"gen_ai.provider.name": "langchain"}, None), ({}, None)],
)
def test_a_framework_is_no_vendor(attributes: dict[str, Any], provider: str | None) -> None:
    assert dialects.provider_of(span(attributes)) == provider


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({"agentprof.cost.total": 0.25, "gen_ai.usage.cost": 9.0}, 0.25),
        ({"operation.cost": 1}, 1.0),
        ({"operation.cost": -1, "llm.cost.total": 2.0}, 2.0),
        ({"operation.cost": float("nan")}, None),
        ({"operation.cost": 10**400}, None),
        ({"operation.cost": True}, None),
        ({"operation.cost": "0.1"}, None),
        ({}, None),
    ],
)
def test_a_cost_is_a_finite_number_of_dollars(attributes: dict[str, Any], cost: float | None) -> None:
    assert dialects.reported_cost_of(span(attributes)) == cost


def test_a_tool_call_is_added_up_under_the_tools_name_and_a_chat_under_the_spans() -> None:
    attributes = {"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1"}

    assert dialects.tool_of(span(attributes)) == ("search", "c1")
    assert dialects.tool_of(span({}, "execute_tool search")) == ("execute_tool search", None)
    assert dialects.operation_of(span(attributes), "tool") == "search"
    assert dialects.operation_of(span(attributes, "chat gpt-4o"), "llm") == "chat gpt-4o"


def test_a_response_is_known_by_its_id() -> None:
    assert dialects.response_id_of(span({"gen_ai.response.id": "r1"})) == "r1"
    assert dialects.response_id_of(span({"gen_ai.response.id": ""})) is None


@pytest.mark.parametrize(
    ("name", "attributes", "role"),
    [
        ("execute_tool search", {}, "tool"),
        ("my work", {"gen_ai.agent.name": "planner"}, "agent"),
        ("my work", {"agentprof.role": "tool"}, "tool"),
        ("my work", {"agentprof.role": 7}, "step"),
        ("my work", {"traceloop.span.kind": "workflow"}, "agent"),
    ],
)
def test_what_a_gateway_wrote_on_a_span_does_not_change_what_it_is(
    name: str, attributes: dict[str, Any], role: str
) -> None:
    written = {"litellm.call_id": "l1", "gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}

    assert dialects.role_of(span(written | attributes, name)) == role


def test_a_span_with_very_many_attributes_is_read_like_one_with_few() -> None:
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3}
    others = {f"llm.input_messages.{number}.message.content": "hi" for number in range(200)}

    assert dialects.read(span({**others, **told})) == dialects.read(span(told))
    assert dialects.read(span({f"a{number}": 1 for number in range(200)})) == dialects.read(span({}))


def test_spans_with_the_same_attributes_are_told_apart_by_scope_words_tracer_and_name() -> None:
    def of(model: Any, scope: str = "", sdk: Any = None, name: str = "x", provider: Any = "openai") -> Any:
        told = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
        resource = {"telemetry.sdk.name": sdk}
        return dialects.read(
            Span("1", "a", None, name, 0, 1, attributes=told, scope=scope, resource=resource)
        )

    for _ in range(2):  # the second time from what was kept
        assert of("a").model == "a"
        assert of("openai/b").model == "b"
        assert of(["a", "b"]).model is None
        assert of("a", provider="langchain").provider is None
        assert of("a", provider=["openai"]).provider is None
        assert of("a").dialect.name == "OpenTelemetry"
        assert of("a", "pydantic-ai").dialect.name == "Pydantic AI"
        assert of("a", sdk="openlit").dialect.name == "OpenLIT"
        assert of("a", sdk=["openlit"]).dialect.name == "OpenTelemetry"
        assert of("a", "openinference.instrumentation", name="handoff to b").role == "step"
        assert of("a", "openinference.instrumentation", name="chat").role == "llm"


def test_no_dialect_has_a_counter_on_calls() -> None:
    # Else a trace whose only tokens are those of calls would need the rules about sums too.
    assert all(dialect.cumulative.isdisjoint(semconv.LEAF_ROLES) for dialect in DIALECTS)
