"""Traces drawn as text, so that a test shows what it is about.

    agent      |--------------------|
      plan        |-----|                role=llm model=gpt-4o in=120 out=30
      search               |----->       role=tool status=ERROR

Indent is depth, one column is one nanosecond (or ``unit``), time 0 is the leftmost bar. ``|`` alone is a
span of no length, ``|-->`` one that is still open. Words after the bar set fields of the span or attributes.
"""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

from otel_agentprof import semconv
from otel_agentprof.model import Span, SpanTree

_FIELDS = frozenset({"kind", "status", "scope", "lane", "status_message", "name"})
_SHORT_NAMES = {
    "role": semconv.ROLE,
    "op": semconv.OPERATION_NAME,
    "model": semconv.RESPONSE_MODEL,
    "provider": semconv.PROVIDER_NAME,
    "in": semconv.USAGE_INPUT_TOKENS,
    "out": semconv.USAGE_OUTPUT_TOKENS,
    "cost": semconv.COST_TOTAL,
    "response": semconv.RESPONSE_ID,
    "tool": semconv.TOOL_NAME,
    "call": semconv.TOOL_CALL_ID,
}


class Drawing(SpanTree):
    """A drawn tree, which can also be asked by name."""

    def name_of(self, span_id: str | None) -> str | None:
        """Return the name of a span, None for the virtual root."""
        return next((span.name for span in self.spans if span.span_id == span_id), None)

    def index_of(self, name: str) -> int:
        """Return the index of the only span with this name."""
        (index,) = (i for i, span in enumerate(self.spans) if span.name == name)
        return index

    def names_of(self, indices: Any) -> set[str]:
        """Return the names of some indices."""
        return {self.spans[index].name for index in indices}


def draw(picture: str, *, unit: int = 1) -> Drawing:
    """Return the tree of a picture."""
    return Drawing.from_spans(draw_spans(picture, unit=unit))


def draw_spans(picture: str, *, unit: int = 1) -> list[Span]:
    """Return the spans of a picture, in its order: ids count from 1, ``parent=``, ``trace=`` overrule.

    ``trace=2`` puts a row and all below it into another trace, ``parent=none`` makes a second root and
    ``parent=ff`` an orphan (any id that is not in the picture).
    """
    rows = [row for row in dedent(picture).splitlines() if row.strip()]
    zero = min(row.index("|") for row in rows)
    above: list[tuple[int, Span]] = []
    spans = []
    for number, row in enumerate(rows, start=1):
        depth = len(row) - len(row.lstrip())
        while above and above[-1][0] >= depth:
            above.pop()
        span = _span(row, number, above[-1][1] if above else None, zero, unit)
        above.append((depth, span))
        spans.append(span)
    return spans


def _span(row: str, number: int, parent: Span | None, zero: int, unit: int) -> Span:
    first = row.index("|")
    bar, *words = row[first:].split()
    given = dict(word.split("=", 1) for word in words)
    trace = given.pop("trace", None)
    parent_id = given.pop("parent", None)
    if parent_id is not None:
        parent_span_id = None if parent_id == "none" else parent_id.rjust(16, "0")
    else:
        parent_span_id = parent.span_id if parent else None
    fields: dict[str, Any] = {key: given.pop(key) for key in tuple(given) if key in _FIELDS}
    fields.setdefault("name", row[:first].strip())
    return Span(
        trace_id=f"{int(trace):032x}" if trace else parent.trace_id if parent else f"{1:032x}",
        span_id=f"{number:016x}",
        parent_span_id=parent_span_id,
        start_ns=(first - zero) * unit,
        end_ns=None if bar.endswith(">") else (first - zero + len(bar) - 1) * unit,
        attributes={_SHORT_NAMES.get(key, key): _value(text) for key, text in given.items()},
        **fields,
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
