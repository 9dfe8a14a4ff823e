"""``PerformanceProfiler``: named timers around blocks of code, with a real span under each of them."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import defaultdict
from contextvars import ContextVar
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis.outline import outline
from otel_agentprof.analysis.waterfall import waterfall
from otel_agentprof.instrumentation import tracing
from otel_agentprof.instrumentation.open_span import OpenSpan
from otel_agentprof.profilers.records import TimingRecord, measured, role_of
from otel_agentprof.report import text
from otel_agentprof.report.sheet import ASCII, cut, pad, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.trace import Tracer, TracerProvider

    from otel_agentprof.analysis.waterfall import Row

_NS_PER_MS: Final = 1_000_000
_LEAST_BAR: Final = 10
_LONGEST_NAME: Final = 40  # cells; a deep or chatty name must not eat the bars


class PerformanceProfiler:
    """Times named blocks and says which of them decided how long everything took.

        profiler = PerformanceProfiler()
        with profiler.timer("llm_call:plan", model="gpt-4o"):
            ...
        profiler.get_summary()["llm_call"]["avg_ms"]

    Threads and asyncio tasks can share one profiler: a timer's parent is the one that encloses it in its own
    context. Works without any tracing set up; where there is a provider, each timer is a span as well.

    Attributes:
        records: Finished timers in the order in which they ended.
        dropped_count: How many records were forgotten because of ``max_records``.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, max_records: int | None = None
    ) -> None:
        """Start with no records.

        Args:
            tracer_provider: Where spans come from; None follows ``instrument()`` and the global provider.
            max_records: Keep only the latest ones; None keeps all.
        """
        self.records: list[TimingRecord] = []
        self.dropped_count = 0
        self._max_records = max_records
        self._tracer: Tracer | None = tracing.tracer_of(tracer_provider) if tracer_provider else None
        self._numbers = itertools.count(1)

    def timer(self, name: str, **metadata: Any) -> Timer:
        """Return a context manager that times its block and gives the record; sync or async.

        The record is kept also when the block raises.

        Args:
            name: ``category:detail``, or a category alone; summaries are per category.
            metadata: Kept with the record. Plain values also go on the span, ``agentprof.metadata.*``.
        """
        return Timer(self, name, metadata)

    def get_summary(self) -> dict[str, dict[str, float]]:
        """Return figures per category, times in ms.

        ``count``, ``total_ms``, ``avg_ms``, ``min_ms``, ``max_ms``; and ``self_ms`` (not covered by inner
        timers), ``p50_ms``, ``p95_ms`` (nearest rank), ``critical_ms`` (on the critical path).
        """
        records = list(self.records)
        times = measured(records).times
        durations: defaultdict[str, list[float]] = defaultdict(list)
        own_ns: defaultdict[str, int] = defaultdict(int)
        critical_ns: defaultdict[str, int] = defaultdict(int)
        for record, own, critical in zip(records, times.own, times.critical, strict=True):
            durations[record.category].append(record.duration_ms)
            own_ns[record.category] += own
            critical_ns[record.category] += critical
        return {
            category: {
                **_figures(sorted(taken)),
                "self_ms": own_ns[category] / _NS_PER_MS,
                "critical_ms": critical_ns[category] / _NS_PER_MS,
            }
            for category, taken in durations.items()
        }

    def get_critical_path(self) -> list[TimingRecord]:
        """Return the records that decided the wall time, outer before inner, by start.

        Walking back from the end, the block that finished last was the one waited for; what ran beside it
        is not in the list, and an enclosing block is.
        """
        records = list(self.records)
        trace = measured(records)
        on_path: set[int] = set()
        for index, critical_ns in enumerate(trace.times.critical):
            holder = index if critical_ns else -1
            while holder >= 0 and holder not in on_path:
                on_path.add(holder)
                holder = trace.tree.parents[holder]
        return [
            records[index]
            for index in sorted(on_path, key=lambda i: (trace.tree.starts[i], -trace.tree.ends[i]))
        ]

    def get_waterfall(self, width: int = 80) -> str:
        """Return one line per record: indented name, duration, and a bar (``#`` is on the critical path).

        Args:
            width: Terminal cells per line.
        """
        records = list(self.records)
        if not records:
            return "No records"
        trace = measured(records)
        names = {span.span_id: record.name for span, record in zip(trace.tree.spans, records, strict=True)}
        return "\n".join(_drawn(waterfall(outline(trace)), names, width))

    def _keep(self, record: TimingRecord) -> None:
        self.records.append(record)
        if self._max_records is not None and len(self.records) > self._max_records:
            self.dropped_count += 1
            del self.records[0]


class _Running(NamedTuple):
    """A timer that is open in this context, and the ones around it."""

    profiler: PerformanceProfiler
    record: TimingRecord
    outer: _Running | None


_INNERMOST: ContextVar[_Running | None] = ContextVar("otel_agentprof.timer", default=None)


class Timer:
    """One use of ``PerformanceProfiler.timer``."""

    def __init__(self, profiler: PerformanceProfiler, name: str, metadata: dict[str, Any]) -> None:
        self._profiler = profiler
        self._name = name
        self._metadata = metadata
        self._entered: list[tuple[TimingRecord, OpenSpan, Token[_Running | None]]] = []

    def __enter__(self) -> TimingRecord:
        profiler = self._profiler
        outer = _INNERMOST.get()
        enclosing = outer
        while enclosing is not None and enclosing.profiler is not profiler:
            enclosing = enclosing.outer
        parent = enclosing.record if enclosing else None
        span = OpenSpan(self._name, _attributes(self._name, self._metadata), profiler._tracer)  # noqa: SLF001 - two halves of one thing
        record = TimingRecord(
            name=self._name,
            start_time=time.perf_counter(),
            parent=parent.name if parent else None,
            metadata=self._metadata,
            span_id=span.span_id or f"{next(profiler._numbers):016x}",  # noqa: SLF001 - likewise
            parent_id=parent.span_id if parent else None,
        )
        self._entered.append((record, span, _INNERMOST.set(_Running(profiler, record, outer))))
        span.enter()
        return record

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        record, span, token = self._entered.pop()
        record.end_time = time.perf_counter()
        with contextlib.suppress(ValueError):  # a block that ends in another context has nothing to restore
            _INNERMOST.reset(token)
        span.leave()
        span.end(error)
        self._profiler._keep(record)  # noqa: SLF001 - likewise

    async def __aenter__(self) -> TimingRecord:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _attributes(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    role = role_of(name)
    attributes: dict[str, Any] = {semconv.ROLE: role}
    model = metadata.get("model")
    if role in semconv.LEAF_ROLES and isinstance(model, str):
        attributes[semconv.REQUEST_MODEL] = model
    for key, value in metadata.items():
        if isinstance(value, str | bool | int | float):
            attributes[semconv.METADATA_PREFIX + key] = value
    return attributes


def _figures(durations: Sequence[float]) -> dict[str, float]:
    count = len(durations)
    total = sum(durations)
    return {
        "count": count,
        "total_ms": total,
        "avg_ms": total / count,
        "min_ms": durations[0],
        "max_ms": durations[-1],
        "p50_ms": durations[ceil(count * 0.50) - 1],
        "p95_ms": durations[ceil(count * 0.95) - 1],
    }


def _drawn(rows: Sequence[Row], names: Mapping[str, str], width: int) -> list[str]:
    labels = ["  " * row.depth + text.name(names[row.span_id]) for row in rows]
    times = [text.duration(row.end_ns - row.start_ns) for row in rows]
    label_cells = min(max(map(width_of, labels)), _LONGEST_NAME)
    time_cells = max(map(len, times))
    bar_cells = max(width - label_cells - time_cells - 4, _LEAST_BAR)
    return [
        f"{pad(cut(label, label_cells, ASCII.ellipsis), label_cells)} {took:>{time_cells}} |{bar}|"
        for label, took, bar in zip(labels, times, _bars(rows, bar_cells), strict=True)
    ]


def _bars(rows: Sequence[Row], cells: int) -> list[str]:
    start_ns = min(row.start_ns for row in rows)
    length_ns = max(row.end_ns for row in rows) - start_ns or 1
    bars = []
    for row in rows:
        # Rounded: the few µs between two inner timers are no cell of their own.
        first = min(round((row.start_ns - start_ns) * cells / length_ns), cells - 1)
        last = max(round((row.end_ns - start_ns) * cells / length_ns), first + 1)
        bar = [" "] * first + [ASCII.off_path] * (last - first) + [" "] * (cells - last)
        if last - first == 1 and row.on_path:
            bar[first] = ASCII.on_path
        for stretch in row.on_path:
            left, right = (round((ns - start_ns) * cells / length_ns) for ns in stretch)
            bar[left:right] = [ASCII.on_path] * (right - left)
        bars.append("".join(bar))
    return bars
