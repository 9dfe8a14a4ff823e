"""One span of each dialect says what every other one says; tools, agents and tracers by their names."""

from __future__ import annotations

from typing import Any

import pytest
from model.dialect_cases import INSTRUMENTATIONS, Case
from model.dialect_cases_frameworks import FRAMEWORKS

from otel_agentprof.model import Span, dialects

CASES = INSTRUMENTATIONS | FRAMEWORKS


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_call_says_the_same_in_every_dialect(case: Case) -> None:
    span = Span("1", "a", None, case.name, 0, 1_000_000_000, attributes=case.attributes, scope=case.scope)

    found = dialects.read(span)

    assert (found.role, found.usage) == (case.role, case.usage)
    assert (found.model, found.provider) == (case.model, case.provider)
    assert (found.cost, found.response_id) == (case.cost, case.response)
    assert dialects.first_token_s_of(span) == case.first_token_s
    assert dialects.is_streamed(span) is case.is_streamed
    assert dialects.finish_reasons_of(span) == case.reasons


@pytest.mark.parametrize(
    ("attributes", "tool"),
    [
        ({"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1"}, ("search", "c1")),
        ({"tool.name": "search", "tool.id": "c1"}, ("search", "c1")),
        ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, ("search", None)),
        ({"ai.toolCall.name": "search", "ai.toolCall.id": "c1"}, ("search", "c1")),
        ({}, ("span", None)),
    ],
)
def test_a_tool_is_known_by_name_and_call(attributes: dict[str, Any], tool: tuple[str, str | None]) -> None:
    assert dialects.tool_of(Span("1", "a", None, "span", 0, 1, attributes=attributes)) == tool


@pytest.mark.parametrize(
    "key", ["gen_ai.agent.name", "agent.name", "traceloop.entity.name", "ai.telemetry.functionId"]
)
def test_an_agent_is_known_by_name(key: str) -> None:
    assert dialects.agent_name_of(Span("1", "a", None, "x", 0, 1, attributes={key: "planner"})) == "planner"


@pytest.mark.parametrize(
    ("scope", "attributes", "dialect"),
    [
        ("pydantic-ai", {}, "Pydantic AI"),
        ("ai", {}, "Vercel AI SDK"),
        ("airflow", {}, "OpenTelemetry"),
        ("opentelemetry.instrumentation.openai.v1", {}, "OpenLLMetry"),
        ("opentelemetry.instrumentation.crewai", {}, "OpenLLMetry crewai"),
        ("opentelemetry.instrumentation.genai.openai", {}, "OpenTelemetry"),
        ("openinference.instrumentation.smolagents", {}, "smolagents"),
        ("", {"langfuse.observation.type": "span"}, "Langfuse"),
        ("mine", {"gen_ai.system": "strands-agents"}, "Strands"),
        ("mine", {"telemetry.sdk.name": "openlit"}, "OpenLIT"),
        ("mine", {"telemetry.sdk.name": 7}, "OpenTelemetry"),
        ("litellm", {"gen_ai.system": "smolagents"}, "smolagents"),
    ],
)
def test_a_dialect_is_known_by_framework_scope_or_mark(
    scope: str, attributes: dict[str, Any], dialect: str
) -> None:
    span = Span("1", "a", None, "x", 0, 1, scope=scope, attributes=attributes | {"agentprof.role": "llm"})

    assert dialects.read(span).dialect.name == dialect


def test_openlit_is_known_by_its_resource_too() -> None:
    span = Span(
        "1",
        "a",
        None,
        "x",
        0,
        1,
        resource={"telemetry.sdk.name": "openlit"},
        attributes={"gen_ai.operation.name": "chat"},
    )

    assert dialects.read(span).dialect.name == "OpenLIT"


@pytest.mark.parametrize(
    ("scope", "name", "attributes"),
    [
        (
            "openinference.instrumentation.llama_index",
            "OpenAI._prepare_chat_with_tools",
            {"openinference.span.kind": "LLM"},
        ),
        ("openinference.instrumentation.smolagents", "FinalAnswerTool", {"openinference.span.kind": "TOOL"}),
        ("openinference.instrumentation.openai_agents", "handoff to B", {"openinference.span.kind": "TOOL"}),
        ("gcp.vertex.agent", "execute_tool (merged)", {"gen_ai.operation.name": "execute_tool"}),
    ],
)
def test_a_span_that_only_claims_to_be_a_call_is_a_step(
    scope: str, name: str, attributes: dict[str, Any]
) -> None:
    assert dialects.role_of(Span("1", "a", None, name, 0, 1, scope=scope, attributes=attributes)) == "step"
