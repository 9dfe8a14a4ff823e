"""Spans out of a source, whatever format each of its documents is in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.model.collector import paused_collector
from otel_agentprof.model.tree import SpanTree, by_trace
from otel_agentprof.readers import frames, otlp_proto, phoenix, tempo_blocks
from otel_agentprof.readers.documents import documents
from otel_agentprof.readers.jaeger import spans_of_traces, traces_of
from otel_agentprof.readers.losses import Losses
from otel_agentprof.readers.otlp_json import groups_of, spans_of_groups
from otel_agentprof.readers.source import (
    EXPECTED,
    cuts_counted,
    name_of,
    opened,
    reason_of,
    text_lines,
    unpacked,
)
from otel_agentprof.readers.url import is_address

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from otel_agentprof.model.span import Span
    from otel_agentprof.readers.answers import Progress
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.source import Source

_OTHER_SIGNALS: Final = ("resourceLogs", "resourceMetrics", "resourceProfiles")
_HEAD_BYTES: Final = 512


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
        source: A path, ``-`` for stdin, a binary file object, or an address. A file holds OTLP JSON, JSON
            lines, OTLP protobuf (also with lengths in front) or Jaeger JSON, plain, gzip or zstd; the content
            tells which. A directory, or a ``data.parquet``, is a block of Tempo, or many. An address is
            ``jaeger+http://host:16686/TRACEID`` or ``?service=x``, ``tempo+http://host:3200/TRACEID`` or
            ``?q={traceql}``, ``phoenix+http://host:6006/PROJECT/TRACEID`` or ``?project=x``.
        more: Further ones.

    Raises:
        UnreadableTraceError: There is no span to be read in one of them, or a server does not answer.
    """
    return iter(by_trace(read_spans(source, *more).spans))


def read_spans(source: Source, *more: Source, progress: Progress | None = None) -> Loaded:
    """Return all spans in some sources and what could not be read.

    Arguments and errors as for ``read``, and:

    Args:
        source: As for ``read``.
        more: As for ``read``.
        progress: Called with how many traces of how many a server has given.
    """
    if not more:
        return _loaded(source, progress)
    parts = [(name_of(one), _loaded(one, progress)) for one in (source, *more)]
    return Loaded(
        tuple(span for _, part in parts for span in part.spans),
        tuple((code, f"{name}: {message}") for name, part in parts for code, message in part.notes),
    )


def _loaded(source: Source, progress: Progress | None) -> Loaded:
    losses = Losses()
    with paused_collector():
        spans = tuple(
            span for value in _documents(source, losses, progress) for span in _spans_of(value, losses)
        )
    notes = losses.notes()
    if not spans:
        why = f"no span can be read: {notes[0][1]}" if notes else "it holds no spans"
        if not notes and losses.line == 0:
            why = "it is empty"
        raise UnreadableTraceError(f"{name_of(source)}: {why}; {EXPECTED}")
    return Loaded(spans, notes)


def _documents(source: Source, losses: Losses, progress: Progress | None) -> Iterator[Json]:
    """Yield what a source holds as JSON documents, whatever they are written in."""
    if is_address(source):
        from otel_agentprof.readers import servers  # noqa: PLC0415 - HTTP, only where it is needed

        yield from servers.documents_of(cast("str", source), losses, progress or _nobody)
    elif isinstance(source, str | os.PathLike) and tempo_blocks.is_block(path := Path(source)):
        yield from tempo_blocks.documents_of(path, losses)
    else:
        with opened(source) as stream:
            try:
                yield from _documents_of_stream(stream, losses)
            except UnreadableTraceError as error:
                raise UnreadableTraceError(f"{name_of(source)}: {error}") from error


def _documents_of_stream(stream: io.BufferedReader, losses: Losses) -> Iterator[Json]:
    try:
        stream = unpacked(stream, losses)
        head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    except (OSError, ValueError) as error:
        losses.add("cut_input", reason_of(error))
        return
    if frames.is_framed(head):
        with cuts_counted(losses):
            yield from frames.documents_of(stream, losses)
    elif otlp_proto.is_message(head):
        data = b""
        with cuts_counted(losses):
            data = stream.read()
        yield otlp_proto.document_of(data, losses)
    else:
        yield from documents(text_lines(stream, losses), losses)


def _spans_of(value: Json, losses: Losses) -> Iterator[Span]:
    members = value if isinstance(value, list) else [value]
    for document in members:
        if not isinstance(document, dict):
            losses.add("no_trace")
        elif phoenix.is_answer(document):
            yield from spans_of_groups(phoenix.groups_of(document), losses)
        elif (groups := groups_of(document)) is not None:
            yield from spans_of_groups(groups, losses)
        elif (traces := traces_of(document)) is not None:
            yield from spans_of_traces(traces, losses)
        else:
            is_signal = any(name in document for name in _OTHER_SIGNALS)
            losses.add("other_signal" if is_signal else "no_trace")


def _nobody(_done: int, _total: int) -> None:
    """Hear of progress where nobody asked for it."""
