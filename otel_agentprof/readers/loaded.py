"""Spans out of a source, whatever format each of its documents is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.tree import SpanTree, by_trace
from otel_agentprof.readers.documents import documents
from otel_agentprof.readers.jaeger import spans_of_traces, traces_of
from otel_agentprof.readers.losses import Losses
from otel_agentprof.readers.otlp_json import groups_of, spans_of_groups
from otel_agentprof.readers.source import EXPECTED, Source, name_of, opened, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.model.span import Span
    from otel_agentprof.readers.documents import Json

_OTHER_SIGNALS: Final = ("resourceLogs", "resourceMetrics", "resourceProfiles")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one source held, or several.

    Attributes:
        spans: All spans, of all traces, in the order in which they are written; never empty.
        notes: (code, message) for each kind of thing that was left out or repaired; of several sources the
            message begins with the name of the one.
    """

    spans: tuple[Span, ...]
    notes: tuple[tuple[str, str], ...] = ()


def read(source: Source, *more: Source) -> Iterator[SpanTree]:
    """Return the traces in one source or several, in order of first appearance.

    Spans of one trace are one tree, whatever sources they are in: a service each, or a file that was rotated.

        for tree in otel_agentprof.read("agent.jsonl", "tools.jsonl"):
            print(otel_agentprof.analyze(tree).duration_ns)

    Args:
        source: A path, ``-`` for stdin, or a binary file object. OTLP JSON, JSON lines or Jaeger JSON,
            plain or gzip; the content tells which.
        more: Further ones.

    Raises:
        UnreadableTraceError: There is no span to be read in one of them.
    """
    return iter(by_trace(read_spans(source, *more).spans))


def read_spans(source: Source, *more: Source) -> Loaded:
    """Return all spans in some sources and what could not be read. Arguments and errors as for ``read``."""
    if not more:
        return _loaded(source)
    parts = [(name_of(one), _loaded(one)) for one in (source, *more)]
    return Loaded(
        tuple(span for _, part in parts for span in part.spans),
        tuple((code, f"{name}: {message}") for name, part in parts for code, message in part.notes),
    )


def _loaded(source: Source) -> Loaded:
    losses = Losses()
    with opened(source) as stream, paused_collector():
        spans = tuple(
            span
            for value in documents(text_lines(stream, losses), losses)
            for span in _spans_of(value, losses)
        )
    notes = losses.notes()
    if not spans:
        why = f"no span can be read: {notes[0][1]}" if notes else "it holds no spans"
        if not notes and losses.line == 0:
            why = "it is empty"
        raise UnreadableTraceError(f"{name_of(source)}: {why}; {EXPECTED}")
    return Loaded(spans, notes)


def _spans_of(value: Json, losses: Losses) -> Iterator[Span]:
    members = value if isinstance(value, list) else [value]
    for document in members:
        if not isinstance(document, dict):
            losses.add("no_trace")
        elif (groups := groups_of(document)) is not None:
            yield from spans_of_groups(groups, losses)
        elif (traces := traces_of(document)) is not None:
            yield from spans_of_traces(traces, losses)
        else:
            is_signal = any(name in document for name in _OTHER_SIGNALS)
            losses.add("other_signal" if is_signal else "no_trace")
