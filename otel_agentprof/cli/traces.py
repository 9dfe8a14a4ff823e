"""The traces of some sources, and the one among them that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.cli.fetching import fetching
from otel_agentprof.cli.output import say
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.trace_ids import digits_needed, found_by, significant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.config import Config
    from otel_agentprof.model.span import Span
    from otel_agentprof.report.report import Report

_NAMED_TRACES: Final = 5


def grouped(*sources: str) -> tuple[dict[str, list[Span]], tuple[tuple[str, str], ...]]:
    """Return the spans of each trace of some sources, and what their reader has to say, as (code, message).

    That is told on stderr too.
    """
    from otel_agentprof.readers import read_spans  # noqa: PLC0415 - after the arguments are known to be good
    from otel_agentprof.readers.url import shown  # noqa: PLC0415 - likewise

    with fetching() as progress:
        loaded = read_spans(*sources, progress=progress)
    for _, message in loaded.notes:
        say(f"{shown(sources[0])}: {message}" if len(sources) == 1 else message)
    groups: dict[str, list[Span]] = {}
    for span in loaded.spans:
        groups.setdefault(span.trace_id, []).append(span)
    return groups, loaded.notes


def built(
    groups: dict[str, list[Span]],
    settings: Config,
    notes: tuple[tuple[str, str], ...],
    *,
    only: str | None = None,
) -> Iterator[Report]:
    """Yield the report of each trace and forget its spans, so that many traces take the room of one.

    Args:
        groups: The spans of each trace.
        settings: Thresholds.
        notes: What goes for all of them, as (code, message).
        only: The one trace to report, beside the others.
    """
    from otel_agentprof.model.tree import SpanTree  # noqa: PLC0415 - as above
    from otel_agentprof.report.build import build  # noqa: PLC0415 - loads the whole analysis
    from otel_agentprof.report.two_traces import notes_across  # noqa: PLC0415 - likewise

    of_one = notes_across(groups)
    for trace_id in list(groups) if only is None else [only]:
        more = [of_one[trace_id]] if trace_id in of_one else []
        yield build(SpanTree.from_spans(groups.pop(trace_id)), settings, (*notes, *more))


def chosen(trace_ids: Sequence[str], asked: str) -> str:
    """Return the one trace id that begins as asked.

    Raises:
        AgentProfError: None does, or several do.
    """
    found = found_by(trace_ids, asked)
    if len(found) == 1:
        return found[0]
    if found:
        raise AgentProfError(f"--trace {asked} fits {len(found)} traces, give more digits: {ids(found)}")
    raise AgentProfError(f"there is no trace {asked!r}; there are {ids(trace_ids)}")


def ids(trace_ids: Sequence[str]) -> str:
    """Return some trace ids for people: the first few, no longer than it takes to tell all apart."""
    digits = digits_needed(trace_ids)
    shown = [significant(trace_id)[:digits] for trace_id in trace_ids[:_NAMED_TRACES]]
    left_out = len(trace_ids) - _NAMED_TRACES
    return ", ".join(shown) + (f" and {left_out:,} more" if left_out > 0 else "")
