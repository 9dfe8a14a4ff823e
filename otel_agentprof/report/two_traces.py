"""Calls that are counted in two traces, said in one sentence: the signs are those of ``shown_twice``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.model.counting.across_traces import shown_twice
from otel_agentprof.report.report import DataQuality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.counting.across_traces import Twice
    from otel_agentprof.model.span import Span

_CODE: Final = "counted_in_two_traces"
_SHORT_ID: Final = 8


def notes_across(traces: Mapping[str, Sequence[Span]]) -> dict[str, tuple[str, str]]:
    """Return for each trace that shares calls with another one what is to be said, as (code, message)."""
    shared: defaultdict[str, list[Twice[str]]] = defaultdict(list)
    for twice in shown_twice(traces):
        shared[twice.alone_in].append(twice)
        shared[twice.other_in].append(twice)
    return {trace_id: (_CODE, _sentence(calls)) for trace_id, calls in shared.items()}


def quality_of_run(trace: Trace) -> Iterator[DataQuality]:
    """Yield the calls that two traces of a recorded program show; all its traces are below the run."""
    tree, root = trace.tree, trace.tree.root_span
    if root is None or root.scope != semconv.RUN_SCOPE:
        return
    tops: dict[int, int] = {}
    traces: defaultdict[int, list[Span]] = defaultdict(list)
    for index in tree.top_down:
        parent = tree.parents[index]
        if index != tree.root:
            tops[index] = tops.get(parent, index)
            traces[tops[index]].append(tree.spans[index])
    counts = {span.span_id: is_one for span, is_one in zip(tree.spans, trace.ledger.counted, strict=True)}
    found = [
        twice for twice in shown_twice(traces) if counts[twice.alone.span_id] and counts[twice.other.span_id]
    ]
    if found:
        spans = (span for twice in found for span in (twice.alone, twice.other))
        yield DataQuality(_CODE, _sentence(found), tuple(span.span_id for span in spans))


def _sentence(calls: Sequence[Twice[Any]]) -> str:
    first = calls[0]
    subject = "1 call is" if len(calls) == 1 else f"{len(calls):,} calls are"
    for_one = "" if len(calls) == 1 else "for one, "
    one, other = _named(first.alone, first.alone_in), _named(first.other, first.other_in)
    return (
        f"{subject} probably counted in two traces: {for_one}{one} and {other} name the same model and "
        "tokens at the same time. Nothing was left out; switch one of the two instrumentations off."
    )


def _named(span: Span, trace: object) -> str:
    where = (
        f", trace {trace[:_SHORT_ID]}" if isinstance(trace, str) else ""
    )  # in a run they have lost their ids
    return f"{span.name} ({span.scope or 'no scope'}{where})"
