"""What makes the tokens and the money of a report less certain, said in one sentence each."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.report.report import DataQuality

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting import RollUp
    from otel_agentprof.model.tree import SpanTree

_CLOSE: Final = 0.01  # of what was counted: sums that are nearer than that agree
_CLOSE_WRAPPER: Final = 0.05  # a gateway may count the tokens of its own prompts
_CLOSE_MONEY: Final = Decimal("0.01")


def counting_quality(trace: Trace) -> Iterator[DataQuality]:
    """Yield what counting found: doubles, sums that repeat or disagree, tokens that nobody can place."""
    yield from _doubles(trace)
    yield from _sums(trace)
    yield from _unplaced(trace)
    yield from _money(trace)


def _doubles(trace: Trace) -> Iterator[DataQuality]:
    tree, ledger = trace.tree, trace.ledger
    if ledger.doubles:
        scopes = sorted({tree.spans[index].scope or "no scope" for index in ledger.doubles})
        yield about(
            tree,
            ledger.doubles,
            "double_instrumentation",
            f"showed calls again that another instrumentation shows ({', '.join(scopes)}): "
            "each call was counted once.",
        )
    if repeated := ledger.roll_ups - ledger.doubles:
        yield about(
            tree,
            repeated,
            "roll_up_ignored",
            "repeated the tokens of spans below, which were not added again.",
        )


def _sums(trace: Trace) -> Iterator[DataQuality]:
    """Yield the sums that disagree with the calls below: too few calls traced, or calls counted twice."""
    roles, reranks = trace.ledger.roles, trace.ledger.reranks
    more: list[RollUp] = []
    fewer: list[RollUp] = []
    times: list[RollUp] = []
    for entry in trace.ledger.roll_up_deltas:
        is_wrapper = roles[entry.index] in semconv.LEAF_ROLES or entry.index in reranks
        if abs(entry.delta) <= (_CLOSE_WRAPPER if is_wrapper else _CLOSE) * entry.counted:
            continue
        if entry.delta > 0:
            more.append(entry)
        elif not is_wrapper:
            (fewer if entry.counted % entry.said else times).append(entry)
    if more:
        yield _disagreement(trace, more, "some model calls below are probably not traced")
    if fewer:
        yield _disagreement(trace, fewer, "what it adds up does not cover all calls below")
    if times:
        factor = times[0].counted // times[0].said
        why = f"{factor} times as many: several instrumentations probably show the same calls"
        yield _disagreement(trace, times, why)


def _disagreement(trace: Trace, entries: list[RollUp], why: str) -> DataQuality:
    worst = max(entries, key=lambda entry: abs(entry.delta))
    name = trace.tree.spans[worst.index].name
    if not worst.counted:
        why = "no call below it tells any; they are missing from the sums"
        return DataQuality(
            "roll_up_disagrees",
            f"{name} says {worst.said:,} tokens and {why}.",
            tuple(trace.tree.spans[entry.index].span_id for entry in entries),
        )
    others = f" So do {spans_text(len(entries) - 1)} more." if len(entries) > 1 else ""
    return DataQuality(
        "roll_up_disagrees",
        f"{name} says {worst.said:,} tokens and the calls below it say {worst.counted:,} ({why}); "
        f"the calls were counted.{others}",
        tuple(trace.tree.spans[entry.index].span_id for entry in entries),
    )


def _unplaced(trace: Trace) -> Iterator[DataQuality]:
    tree, ledger = trace.tree, trace.ledger
    if ledger.coarse:
        yield about(
            tree,
            ledger.coarse,
            "coarse_usage",
            "named tokens and no model call below did: they count, but nobody knows of which calls they are.",
        )
    if ledger.maybe_cumulative:
        yield about(
            tree,
            ledger.maybe_cumulative,
            "maybe_cumulative",
            "named a counter that runs on over several runs: it may hold tokens of earlier ones.",
        )
    if ledger.coverage_unknown:
        yield about(
            tree,
            ledger.coverage_unknown,
            "coverage_unknown",
            "showed a call of LiteLLM without its own tokens: some calls may be missing from the sums.",
        )


def _money(trace: Trace) -> Iterator[DataQuality]:
    for dispute in trace.disputes:
        said, counted = dispute.reported_usd, dispute.counted_usd
        if counted is not None and abs(said - counted) <= counted * _CLOSE_MONEY:
            continue
        name = trace.tree.spans[dispute.index].name
        calls = "have no known price" if counted is None else f"come to ${counted:.6f}"
        used = "the first" if dispute.is_used else "the second"
        yield DataQuality(
            "reported_cost_disagrees",
            f"{name} names a cost of ${said:.6f}, and the calls below it {calls}: {used} was used.",
            (trace.tree.spans[dispute.index].span_id,),
        )


def about(tree: SpanTree, indices: Iterable[int], code: str, claim: str) -> DataQuality:
    """Return a doubt about some spans; the claim goes on after their number."""
    ordered = sorted(indices)
    return DataQuality(
        code, f"{spans_text(len(ordered))} {claim}", tuple(tree.spans[index].span_id for index in ordered)
    )


def spans_text(count: int) -> str:
    """Return how many spans, in words."""
    return "1 span" if count == 1 else f"{count:,} spans"
