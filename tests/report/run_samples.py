"""Many runs of one agent, each a little different, the same ones every time."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from report_samples import report, row

from otel_agentprof import semconv
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.model import Span, SpanTree
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.build import build

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report

MS = 1_000_000
START = 1_700_000_000_000 * MS


def run_spans(
    number: int, *, seed: int = 1, search: float = 1.0, writer: str = "gpt-4o", searches: int = 3
) -> list[Span]:
    """Return an agent that plans, searches some times, one after another, and writes.

    Args:
        number: Which run; it decides the trace id and all lengths.
        seed: Another one gives other lengths.
        search: How much longer each search takes.
        writer: The model that writes.
        searches: How many searches there are.
    """
    chance = random.Random(number * 1_000 + seed)  # noqa: S311 - the same runs each time, no secrets
    spans: list[Span] = []
    now = START + number * 60_000 * MS

    def add(name: str, role: str, length_ms: float, parent: int | None = 2, **more: Any) -> None:
        nonlocal now
        end = now + round(length_ms * MS)
        attributes = {semconv.ROLE: role, **more.pop("attributes", {})}
        spans.append(
            Span(
                f"{number + 1:08x}{seed:024x}",
                f"{len(spans) + 3:016x}",
                None if parent is None else f"{parent:016x}",
                name,
                now,
                end,
                attributes=attributes,
                **more,
            )
        )
        now = end

    add("chat gpt-5-mini", "llm", chance.uniform(200, 400), attributes=_call("gpt-5-mini", 1_900, 60, 0.0008))
    for at in range(searches):
        has_failed = number % 10 == 3 and at == 1
        add(
            f"execute_tool search {at}",
            "tool",
            chance.lognormvariate(5.5, 0.4) * search,
            status="ERROR" if has_failed else "UNSET",
            attributes={semconv.TOOL_NAME: "search"},
        )
    tokens = chance.randrange(300, 900)
    add(
        f"chat {writer}",
        "llm",
        chance.uniform(700, 1_500),
        attributes=_call(writer, 18_000, tokens, 0.045 + tokens * 1e-5),
    )
    trace, first = spans[0].trace_id, spans[0].start_ns
    return [
        Span(trace, f"{1:016x}", None, "research task", first - MS, now + 2 * MS),
        Span(
            trace,
            f"{2:016x}",
            f"{1:016x}",
            "invoke_agent researcher",
            first,
            now,
            attributes={semconv.ROLE: "agent"},
        ),
        *spans,
    ]


def run_reports(count: int, **changes: Any) -> list[Report]:
    """Return reports whose findings are made by hand, so that no rule decides about these tests."""
    return [_run_report(number, **changes) for number in range(count)]


def priced(cost: str | None, tokens: int = 10) -> Report:
    """Return the report of one call; its cost is unknown if it is None."""
    return report([row(0, "chat m", "llm", 0, 100, (0, 100), usage=TokenUsage(tokens, 5), cost=cost)])


def _run_report(number: int, **changes: Any) -> Report:
    made = build(SpanTree.from_spans(run_spans(number, **changes)))
    writer = made.waterfall[-1]
    wide = Finding(
        "sequential_group",
        "3 tool calls ran one after another: search x3",
        "search",
        "parallelizable_time_ms",
        (number + 1) * 10.0,
        0.0,
        "Run them together.",
        "medium",
        saving_ns=(number + 1) * 10 * MS,
        confidence="likely",
    )
    dear = Finding(
        "costly_operation",
        f"{writer.name} costs ${writer.cost_usd}",
        writer.name,
        "cost_usd",
        float(writer.cost_usd or 0),
        0.05,
        "Use a cheaper model.",
        "high",
        saving_usd=Decimal("0.02"),
    )
    return replace(made, findings=(wide, *([dear] if number % 3 else [])))


def _call(model: str, tokens_in: int, tokens_out: int, usd: float) -> dict[str, Any]:
    return {
        semconv.OPERATION_NAME: "chat",
        semconv.RESPONSE_MODEL: model,
        semconv.USAGE_INPUT_TOKENS: tokens_in,
        semconv.USAGE_OUTPUT_TOKENS: tokens_out,
        semconv.COST_TOTAL: round(usd, 6),
    }
