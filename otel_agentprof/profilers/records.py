"""Timing records, and how they become a tree that the analysis can read.

A record that a profiler made knows the id of its parent. One that was written by hand knows at most the
parent's name: then the shortest record of that name that was running at the time is its parent.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.analysis.trace import measure
from otel_agentprof.model.span import Span
from otel_agentprof.model.tree import SpanTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.semconv import Role

_NS_PER_S: Final = 1_000_000_000
_TRACE_ID: Final = "0" * 31 + "1"
_WORDS: Final[tuple[tuple[str, Role], ...]] = (
    ("llm", "llm"),
    ("tool", "tool"),
    ("agent", "agent"),
    ("embed", "embedding"),
    ("retriev", "retrieval"),
    ("memory", "retrieval"),
)
_STEP: Final = re.compile(r"step_(\d+)", re.ASCII)
_LAST_WORD: Final = re.compile(r"(?:^|[\W_]+)[A-Za-z]$|[\W_]*\d+$")


@dataclass
class TimingRecord:
    """One timed block.

    Attributes:
        name: ``category:detail``, or a category alone.
        start_time: Seconds on the clock of ``time.perf_counter``.
        end_time: Likewise; None while the block runs.
        parent: Name of the enclosing timer, None for an outermost one.
        metadata: What the timer was told.
        span_id: Id of the span underneath, or one of our own where nothing is traced.
        parent_id: Id of the enclosing record.
    """

    name: str
    start_time: float
    end_time: float | None = None
    parent: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    span_id: str = field(default="", kw_only=True, repr=False, compare=False)
    parent_id: str | None = field(default=None, kw_only=True, repr=False, compare=False)

    @property
    def duration_ms(self) -> float:
        """How long the block took; 0 while it runs."""
        return 0.0 if self.end_time is None else (self.end_time - self.start_time) * 1000.0

    @property
    def category(self) -> str:
        """The name up to the first colon."""
        return self.name.partition(":")[0]


def measured(records: Sequence[TimingRecord]) -> Trace:
    """Return the measurements of some records; spans are in the order of the records."""
    return measure(SpanTree.from_spans(_spans(records)), lambda *_args, **_options: None)


def role_of(name: str) -> Role:
    """Return what kind of work a category stands for, by the words that the chapter's readers use."""
    category = name.partition(":")[0].lower()
    return next((role for word, role in _WORDS if word in category), "step")


def step_number(name: str) -> int | None:
    """Return the number of an iteration, such as 3 for ``step_3`` or ``step_3:plan``."""
    match = _STEP.match(name)
    return int(match[1]) if match else None


def _spans(records: Sequence[TimingRecord]) -> list[Span]:
    ids = _ids(records)
    known = set(ids)
    running = _by_name(records, ids)
    return [
        Span(
            trace_id=_TRACE_ID,
            span_id=span_id,
            parent_span_id=_parent_id(record, span_id, known, running),
            name=_kind(record.name),
            start_ns=_ns(record.start_time),
            end_ns=None if record.end_time is None else _ns(record.end_time),
            attributes={semconv.ROLE: role_of(record.name)},
        )
        for record, span_id in zip(records, ids, strict=True)
    ]


def _ids(records: Sequence[TimingRecord]) -> list[str]:
    """Return one id per record; a record that is there twice would otherwise be dropped as a duplicate."""
    ids: dict[str, None] = {}
    for index, record in enumerate(records):
        is_new = record.span_id and record.span_id not in ids
        ids[record.span_id if is_new else f"by hand {index}"] = None
    return list(ids)


def _ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)


def _kind(name: str) -> str:
    """Return the name that equal work shares: ``fetch`` for ``fetch_a``, ``fetch_2`` and ``fetch:page``.

    Iterations keep theirs: each needs the one before it, so they are no equal work.
    """
    category = name.partition(":")[0]
    return category if step_number(name) is not None else _LAST_WORD.sub("", category) or "_"


def _by_name(
    records: Sequence[TimingRecord], ids: Sequence[str]
) -> Mapping[str, list[tuple[TimingRecord, str]]]:
    wanted = {record.parent for record in records if record.parent_id is None and record.parent is not None}
    found: defaultdict[str, list[tuple[TimingRecord, str]]] = defaultdict(list)
    for record, span_id in sorted(zip(records, ids, strict=True), key=lambda pair: pair[0].duration_ms):
        if record.name in wanted:
            found[record.name].append((record, span_id))
    return found


def _parent_id(
    record: TimingRecord,
    span_id: str,
    known: AbstractSet[str],
    running: Mapping[str, list[tuple[TimingRecord, str]]],
) -> str | None:
    if record.parent_id is not None:
        # The parent may still run, or a bounded profiler may have forgotten it.
        return record.parent_id if record.parent_id in known else None
    for candidate, candidate_id in running.get(record.parent or "", ()):
        if candidate_id != span_id and _encloses(candidate, record):
            return candidate_id
    return None


def _encloses(outer: TimingRecord, inner: TimingRecord) -> bool:
    if outer.end_time is None or inner.end_time is None:
        return False
    return outer.start_time <= inner.start_time and inner.end_time <= outer.end_time
