"""What makes the figures of a report less certain, said in one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof import semconv
from otel_agentprof.analysis.skew import before_the_wait
from otel_agentprof.analysis.wording import duration
from otel_agentprof.model import dialects
from otel_agentprof.report.counting_quality import about, counting_quality, spans_text
from otel_agentprof.report.report import DataQuality
from otel_agentprof.report.two_traces import quality_of_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tree import SpanTree


def data_quality(
    trace: Trace, unpriced_models: Iterable[str], notes: Iterable[tuple[str, str]]
) -> tuple[DataQuality, ...]:
    """Return the doubts about a trace: what its reader lost, what was repaired, what is missing.

    Args:
        trace: The measurements.
        unpriced_models: Models with tokens and no known price.
        notes: What the reader of the trace has to say, as (code, message).
    """
    told = [DataQuality(code, message) for code, message in notes]
    return (
        *told,
        *_shape(trace.tree),
        *_clocks(trace),
        *_calls(trace, tuple(unpriced_models)),
        *counting_quality(trace),
        *quality_of_run(trace),
        *_losses(trace.tree),
    )


def _shape(tree: SpanTree) -> Iterator[DataQuality]:
    if tree.spans and tree.trace_id is None:
        yield DataQuality("mixed_traces", "The spans are of several traces and were put next to each other.")
    if count := tree.duplicate_count:
        yield DataQuality(
            "duplicate_spans",
            f"{spans_text(count)} came again under an id that was there already; the first was kept.",
        )
    # A root whose parent lives in another process is how every traced service looks: no doubt about it.
    orphans = tree.orphans - {tree.root} if tree.orphans else tree.orphans
    remote = {index for index in orphans if tree.spans[index].has_remote_parent} if orphans else orphans
    if remote:
        yield about(
            tree,
            remote,
            "remote_parents",
            "named a parent in another process, whose spans are not in the trace.",
        )
    if lost := orphans - remote:
        yield about(
            tree,
            lost,
            "orphan_spans",
            "named a parent that is not in the trace (dropped, or not sent yet); "
            "times around it are uncertain.",
        )
    if tree.cut_spans:
        yield about(tree, tree.cut_spans, "cycle_cut", "closed a circle of parents, which was cut there.")
    tops = tree.children[-1]
    if tree.root < 0 and tops:
        yield about(
            tree,
            tops,
            "several_roots",
            "had no parent: the report covers them from the first start to the last end.",
        )


def _clocks(trace: Trace) -> Iterator[DataQuality]:
    tree = trace.tree
    if tree.open_spans:
        yield about(
            tree,
            tree.open_spans,
            "open_spans",
            "never ended; the end of the trace stands for the missing one.",
        )
    if tree.backward_spans:
        yield about(
            tree,
            tree.backward_spans,
            "negative_duration",
            "ended before the start and got no length.",
        )
    background = trace.background
    if trace.early:
        left_out = before_the_wait(tree, trace.early, background)
        background = background - left_out
        yield _skew(trace, len(left_out))
    if background:
        yield about(
            tree,
            background,
            "background_spans",
            "ran in the background: nobody waited, so that time is not on the critical path.",
        )


def _skew(trace: Trace, left_out_count: int) -> DataQuality:
    off_path = f" Off the critical path for that: {spans_text(left_out_count)}." if left_out_count else ""
    return about(
        trace.tree,
        trace.early,
        "clock_skew",
        f"started before the parent or the root, by up to {duration(max(trace.early.values()))}: clocks of "
        f"two machines differ, or times were set by hand. Times around it are uncertain.{off_path}",
    )


def _calls(trace: Trace, unpriced_models: tuple[str, ...]) -> Iterator[DataQuality]:
    tree, ledger = trace.tree, trace.ledger
    calls = {index for index in trace.cut_short if ledger.roles[index] in semconv.LEAF_ROLES}
    incomplete = [index for index in sorted(calls) if ledger.shown_again.get(index) not in calls]
    if incomplete:
        yield about(
            tree,
            incomplete,
            "incomplete_streams",
            "streamed an answer that was not read to the end; its tokens may be too few.",
        )
    # A call that failed, or that a cache answered, was not billed, so there is nothing to miss.
    missing = [
        index
        for index in trace.llm_calls
        if ledger.usage[index] is None
        and index not in trace.failed
        and not dialects.is_cache_hit(tree.spans[index])
    ]
    if missing:
        yield about(
            tree,
            missing,
            "missing_usage",
            "called a model and told no tokens: the sums of tokens and cost are too low.",
        )
    unreadable = [
        index
        for index in trace.llm_calls
        if (usage := ledger.usage[index]) is not None
        and not (usage.input and usage.output)
        and dialects.has_unreadable_tokens(tree.spans[index])
    ]
    if unreadable:
        yield about(
            tree,
            unreadable,
            "missing_usage",
            "called a model and told its input or output by what is no count of tokens (a text, a fraction, "
            "less than 0): it is left out, and the sums of tokens and cost are too low.",
        )
    searches = [index for index in trace.llm_calls if semconv.WEB_SEARCHES in tree.spans[index].attributes]
    if searches:
        yield about(
            tree,
            searches,
            "unpriced_fees",
            "had the vendor search the web, which is billed by the search: the cost leaves that out.",
        )
    if unpriced_models:
        names = ", ".join(unpriced_models)
        yield DataQuality(
            "unpriced_model", f"No price is known for {names}: the cost leaves their tokens out."
        )


def _losses(tree: SpanTree) -> Iterator[DataQuality]:
    spans = tree.spans
    if cut := [index for index, span in enumerate(spans) if span.dropped_attributes]:
        dropped = sum(spans[index].dropped_attributes for index in cut)
        yield about(
            tree,
            cut,
            "dropped_attributes",
            f"lost {dropped:,} attributes at their tracer; roles and tokens may miss.",
        )
    if cut := [index for index, span in enumerate(spans) if span.dropped_events or span.dropped_links]:
        events = sum(spans[index].dropped_events for index in cut)
        links = sum(spans[index].dropped_links for index in cut)
        yield about(
            tree,
            cut,
            "dropped_events",
            f"lost events ({events:,}) or links ({links:,}) at their tracer; "
            "first tokens, errors and tool calls may miss.",
        )
