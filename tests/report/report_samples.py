"""Reports made by hand, so that a renderer is tested without the analysis."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_agentprof.analysis.finding import Finding
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report import folded, html, json_text, markdown, perfetto, speedscope, terminal
from otel_agentprof.report.report import DataQuality, OperationUsage, PathStep, Report, Row, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_agentprof.report.report import Mark
    from otel_agentprof.semconv import Role

GOLDEN_DIRECTORY = Path(__file__).parent / "golden"
MS = 1_000_000
START = 1_700_000_000_000 * MS
MODEL = "gpt-5-mini-2025-08-07"
EMBEDDER = "text-embedding-3-small"


def row(
    depth: int,
    name: str,
    role: Role,
    start_ms: float,
    end_ms: float,
    *path_ms: tuple[float, float],
    usage: TokenUsage | None = None,
    cost: str | None = None,
    marks: tuple[Mark, ...] = (),
) -> Row:
    return Row(
        span_id=sha256(repr((depth, name, start_ms, end_ms)).encode("utf-8", "replace")).hexdigest()[:16],
        name=name,
        role=role,
        depth=depth,
        start_ns=START + round(start_ms * MS),
        end_ns=START + round(end_ms * MS),
        on_path=tuple((START + round(a * MS), START + round(b * MS)) for a, b in path_ms),
        usage=usage,
        cost_usd=Decimal(cost) if cost is not None else None,
        marks=marks,
    )


def report(rows: Sequence[Row], **changes: Any) -> Report:
    """Return a report of rows whose first one is the root; its figures follow from the rows."""
    root = rows[0] if rows else None
    start, end = (root.start_ns, root.end_ns) if root else (START, START)
    used = [r.usage for r in rows if r.usage]
    models = {r.name.removeprefix("chat ").removeprefix("embeddings "): r for r in rows if r.usage}
    priced = [r.cost_usd for r in rows if r.cost_usd is not None]
    fields: dict[str, Any] = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "root_span_id": root.span_id if root else None,
        "root_name": root.name if root else None,
        "start_ns": start,
        "duration_ns": end - start,
        "span_count": len(rows),
        "critical_path": _path(rows, start, end),
        "by_role": _by_role(rows, _path(rows, start, end)),
        "by_name": {},
        "by_model": {},
        "usage": TokenUsage(*map(sum, zip(*used, strict=True))) if used else TokenUsage(),
        "usage_by_model": {model: _sum(rows, model) for model in models},
        "by_operation": {
            name: OperationUsage(
                count=sum(r.name == name for r in rows),
                usage=_sum(rows, name),
                cost_usd=sum((r.cost_usd for r in rows if r.name == name and r.cost_usd), Decimal(0)),
            )
            for name in dict.fromkeys(r.name for r in rows if r.usage)
        },
        "cost_usd": sum(priced, Decimal(0)) if priced or not used else None,
        "cost_by_model": {
            model: sum((r.cost_usd for r in rows if r.name.endswith(model) and r.cost_usd), Decimal(0))
            for model, first in models.items()
            if first.cost_usd is not None
        },
        "unpriced_models": tuple(sorted(model for model, first in models.items() if first.cost_usd is None)),
        "findings": (),
        "data_quality": (),
        "waterfall": tuple(rows),
    }
    return Report(**(fields | changes))


def research_agent() -> Report:
    """Return what an agent did that planned, asked three tools in turn, then three at once, and answered."""
    return report(
        [
            row(
                0,
                "invoke_agent research",
                "agent",
                0,
                14_200,
                (0, 40),
                (3_140, 3_150),
                (6_300, 6_310),
                (9_450, 9_470),
                (14_180, 14_200),
            ),
            row(
                1,
                f"chat {MODEL}",
                "llm",
                40,
                3_140,
                (40, 3_140),
                usage=TokenUsage(1_840, 412, cache_read=1_024, reasoning=256),
                cost="0.001334",
            ),
            row(1, "execute_tool web_search", "tool", 3_150, 4_290, (3_150, 4_290)),
            row(2, "GET", "other", 3_160, 4_280),
            row(1, "execute_tool web_search", "tool", 4_290, 5_120, (4_290, 5_120)),
            row(1, "execute_tool fetch_page", "tool", 5_120, 6_300, (5_120, 6_300), marks=("error",)),
            row(
                1,
                f"chat {MODEL}",
                "llm",
                6_310,
                8_210,
                (6_310, 8_210),
                usage=TokenUsage(4_420, 188, cache_read=1_792, reasoning=128),
                cost="0.0010778",
            ),
            row(1, "execute_tool fetch_page", "tool", 8_212, 8_870),
            row(1, "execute_tool 検索と要約", "tool", 8_212, 9_450, (8_210, 9_450)),
            row(
                1,
                f"embeddings {EMBEDDER}",
                "embedding",
                8_213,
                8_310,
                usage=TokenUsage(2_048),
                cost="0.00004096",
            ),
            row(
                1,
                f"chat {MODEL}",
                "llm",
                9_470,
                14_180,
                (9_470, 14_180),
                usage=TokenUsage(9_730, 1_204, cache_read=4_352, reasoning=320),
                cost="0.0038613",
            ),
            row(1, "write_log", "step", 14_150, 16_000, marks=("background",)),
        ],
        findings=(
            Finding(
                rule="sequential_tools",
                title="3 tool calls of one turn ran one after another",
                impact="high",
                component="web_search, fetch_page",
                metric="parallelizable_time_ms",
                value=3_150.0,
                threshold=0.0,
                suggestion="Run the tools of one turn together, for example with asyncio.gather: the model "
                "asked for all of them in one response, so none needs the result of another.",
                span_ids=("1" * 16, "2" * 16, "3" * 16),
                saving_ns=1_970 * MS,
                derivation="this run again with these calls started together",
                confidence="proven",
            ),
            Finding(
                rule="slow_llm",
                title=f"chat {MODEL} takes 3.24 s on average",
                impact="high",
                component=f"chat {MODEL}",
                metric="avg_latency_ms",
                value=3_236.7,
                threshold=3_000.0,
                suggestion="Stream the answer, ask for fewer output tokens or choose a faster model.",
                span_ids=("4" * 16, "5" * 16, "6" * 16),
            ),
            Finding(
                rule="prompt_heavy",
                title="90 % of the tokens are prompt",
                impact="low",
                component=f"chat {MODEL}",
                metric="prompt_ratio",
                value=0.9,
                threshold=0.8,
                suggestion="Shorten the history that is sent along, or order the prompt for caching.",
                saving_usd=Decimal("0.0011"),
                confidence="likely",
            ),
        ),
        data_quality=(
            DataQuality("outlived_root", "A span ended after the root; nobody waited for it.", ("a" * 16,)),
        ),
    )


def busy_agent() -> Report:
    """Return a longer trace with runs, a deep chain, noise, an open span and a model without a price."""
    rows = [row(0, "invoke_agent supervisor", "agent", 0, 60_000, (0, 1_000), (59_000, 60_000))]
    rows += [row(level, f"RunnableSequence {level}", "step", 1_000, 20_000) for level in range(1, 20)]
    rows.append(
        row(20, "chat local-llama", "llm", 1_000, 20_000, (1_000, 20_000), usage=TokenUsage(9_000, 900))
    )
    for at in range(37):
        start = 20_000 + at * 500
        mark: tuple[Mark, ...] = ("error",) if at in (3, 9) else ()
        rows.append(
            row(1, "execute_tool search", "tool", start, start + 500, (start, start + 500), marks=mark)
        )
    for at, letter in enumerate("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        rows.append(row(1, f"probe {letter}", "other", 38_500 + at * 10, 38_510 + at * 10))
    rows.append(row(1, "retrieve notes", "retrieval", 38_500, 40_000, (38_500, 40_000), marks=("hoisted",)))
    rows.append(
        row(
            1,
            f"chat {MODEL}",
            "llm",
            40_000,
            59_000,
            (40_000, 59_000),
            usage=TokenUsage(52_000, 3_300, reasoning=900),
            cost="0.0212",
            marks=("incomplete",),
        )
    )
    rows.append(row(1, "cleanup", "step", 59_000, 60_000, marks=("open",)))
    return report(rows, trace_id="00ff" * 8, findings=research_agent().findings[1:])


def with_linked_findings(made: Report) -> Report:
    """Return a report whose findings name spans of its waterfall as their evidence."""
    ids = tuple(r.span_id for r in made.waterfall[1:4])
    return replace(made, findings=tuple(found._replace(span_ids=ids) for found in made.findings))


def wide(count: int) -> Report:
    """Return an agent with so many short calls of different kinds, nested up to three levels."""
    rows = [row(0, "agent", "agent", 0, count, (0, 0.1))]
    for at in range(1, count):
        role: Role = ("llm", "tool", "step")[at % 3]
        name = f"chat model-{at % 7}" if role == "llm" else f"{role} {'abcdefghijk'[at % 11]}"
        rows.append(
            row(
                1 + at % 3,
                name,
                role,
                at - 1,
                at,
                (at - 0.95, at),
                usage=TokenUsage(100, 10) if role == "llm" else None,
                cost="0.0001" if role == "llm" else None,
            )
        )
    return report(rows)


def deep(count: int) -> Report:
    """Return a chain of so many spans whose last one did the work."""
    rows = [row(depth, f"level {depth}", "step", 0, 1_000) for depth in range(count - 1)]
    return report([*rows, row(count - 1, "work", "tool", 0, 1_000, (0, 1_000))])


def _path(rows: Sequence[Row], start: int, end: int) -> tuple[PathStep, ...]:
    steps: list[PathStep] = []
    found = sorted(((a, b, r) for r in rows for a, b in r.on_path), key=lambda piece: piece[:2])
    for a, b, r in found:
        if a > start:
            steps.append(PathStep(None, None, "other", start, a))
        steps.append(PathStep(r.span_id, r.name, r.role, a, b))
        start = b
    if start < end:
        steps.append(PathStep(None, None, "other", start, end))
    return tuple(steps)


def _by_role(rows: Sequence[Row], path: Sequence[PathStep]) -> dict[Role, Statistics]:
    groups: dict[Role, list[Row]] = defaultdict(list)
    for r in rows:
        groups[r.role].append(r)
    outside = sum(step.end_ns - step.start_ns for step in path if step.span_id is None)
    figures = {
        role: Statistics(
            count=len(group),
            total_ns=sum(r.end_ns - r.start_ns for r in group),
            self_ns=sum(r.end_ns - r.start_ns for r in group),
            critical_ns=sum(b - a for r in group for a, b in r.on_path) + (outside if role == "other" else 0),
        )
        for role, group in groups.items()
    }
    if outside and "other" not in figures:
        figures["other"] = Statistics(0, 0, 0, outside)
    return figures


def _sum(rows: Sequence[Row], ending: str) -> TokenUsage:
    found = [r.usage for r in rows if r.usage and r.name.endswith(ending)]
    return TokenUsage(*map(sum, zip(*found, strict=True))) if found else TokenUsage()


GOLDEN: dict[str, Callable[[], str]] = {
    "terminal_80.txt": lambda: terminal.render(research_agent(), width=80, color=False),
    "terminal_80_ascii.txt": lambda: terminal.render(research_agent(), width=80, color=False, ascii=True),
    "terminal_160.txt": lambda: terminal.render(research_agent(), width=160, color=False),
    "terminal_160_ascii.txt": lambda: terminal.render(research_agent(), width=160, color=False, ascii=True),
    "terminal_40.txt": lambda: terminal.render(research_agent(), width=40, color=False),
    "terminal_80_folded.txt": lambda: terminal.render(busy_agent(), width=80, color=False),
    "report.md": lambda: markdown.render(research_agent(), width=100, color=False),
    "report.html": lambda: html.render(with_linked_findings(busy_agent()), width=80, color=False),
    "report.folded": lambda: folded.render(research_agent(), width=80, color=False),
    "report.perfetto.json": lambda: perfetto.render(research_agent(), width=80, color=False),
    "report.speedscope.json": lambda: speedscope.render(research_agent(), width=80, color=False),
    "report.json": lambda: json_text.render(research_agent(), width=80, color=False),
}

if __name__ == "__main__":  # write what the renderers give now; then look at it
    for file_name, write in GOLDEN.items():
        (GOLDEN_DIRECTORY / file_name).write_text(write(), encoding="utf-8")
