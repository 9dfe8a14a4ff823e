"""Spans on their way to real OTLP servers: all of them arrive, or each one that does not is counted."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from faulty_backend import GrpcBackend, HttpBackend, running
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agentprof import BoundedSpanExporter
from otel_agentprof.config import Config
from otel_agentprof.processor import AgentProfSpanProcessor
from otel_agentprof.processor import exporter as exporter_module
from otel_agentprof.processor.exporter import wire_size
from otel_agentprof.processor.failures import Failures
from otel_agentprof.processor.next_processor import NextProcessor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

OURS = "otel_agentprof.processor.exporter"
MEBIBYTE = 1024 * 1024


@pytest.fixture(params=[GrpcBackend, HttpBackend], ids=["grpc", "http"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running(request.param) as running_backend:
        yield running_backend


class Pipeline:
    """A provider that owns the way to an exporter, and which threads used it."""

    def __init__(self, exporter: SpanExporter, *, bounded: bool = True, **settings: Any) -> None:
        self.seen = _Seen(exporter)
        self.bounded = BoundedSpanExporter(self.seen)
        # A delay that does not come up: batches leave when they are full, and when a test flushes.
        self.batch = BatchSpanProcessor(
            self.bounded if bounded else self.seen, schedule_delay_millis=1_000_000
        )
        self.processor = AgentProfSpanProcessor(self.batch, config=Config(**settings))
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("tests")

    def trace(self, count: int, name: str = "child", **attributes: Any) -> None:
        with self.tracer.start_as_current_span("root"):
            for number in range(count - 1):
                self.tracer.start_span(f"{name} {number}", attributes=attributes).end()

    @property
    def lost(self) -> int:
        return sum(self.processor.stats.lost.values())


class _Seen(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter
        self.threads: set[threading.Thread] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.threads.add(threading.current_thread())
        return self.exporter.export(spans)

    def shutdown(self) -> None:
        self.exporter.shutdown()


def ended_span() -> ReadableSpan:
    span: Any = TracerProvider(shutdown_on_exit=False).get_tracer("tests").start_span("turned away")
    ended: ReadableSpan = span._readable_span()
    return ended


@pytest.fixture
def pipeline(backend: Any) -> Iterator[Pipeline]:
    made = Pipeline(backend.exporter())
    yield made
    backend.gate.set()
    made.provider.shutdown()


# --- size -------------------------------------------------------------------------------------------------


def test_batch_of_nine_mebibytes_arrives_in_parts_below_four(backend: Any, pipeline: Pipeline) -> None:
    pipeline.trace(300, text="é" * 15_000)

    assert pipeline.processor.force_flush()

    assert len(backend.names) == len(set(backend.names)) == 300
    assert sum(backend.sizes) > 8 * MEBIBYTE
    assert max(backend.sizes) < 4 * MEBIBYTE
    assert pipeline.processor.stats.lost == {}


def test_span_that_no_server_takes_goes_alone_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with running(GrpcBackend) as backend:
        pipeline = Pipeline(backend.exporter())
        with pipeline.tracer.start_as_current_span("root"):
            for name, size in (("before", 1), ("huge", 5 * MEBIBYTE), ("after", 1)):
                pipeline.tracer.start_span(name, attributes={"text": "x" * size}).end()

        is_flushed = pipeline.processor.force_flush()

        assert not is_flushed
        assert sorted(backend.names) == ["after", "before", "root"]
        assert pipeline.processor.stats.lost == {"export": 1}
        assert [record.levelname for record in caplog.records if record.name == OURS] == ["WARNING"]
        pipeline.provider.shutdown()


def test_without_the_limit_the_whole_batch_is_lost() -> None:
    """Why the limit is there; if this fails one day, it is no longer needed."""
    with running(GrpcBackend) as backend:
        pipeline = Pipeline(backend.exporter(), bounded=False)
        pipeline.trace(300, text="x" * 30_000)

        is_flushed = pipeline.processor.force_flush()

        assert is_flushed
        assert backend.names == []
        pipeline.provider.shutdown()


_TEXT = st.text(max_size=40)
_SCALARS = st.one_of(_TEXT, st.booleans(), st.integers(-(2**62), 2**62), st.floats(), st.binary(max_size=40))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=8,
)
_ATTRIBUTES = st.dictionaries(_TEXT.filter(bool), _VALUES, max_size=6)


@settings(max_examples=50)
@given(_TEXT, _ATTRIBUTES, _ATTRIBUTES, _ATTRIBUTES, _TEXT)
def test_size_is_never_taken_for_less_than_it_is(
    name: str, attributes: Any, event: Any, link: Any, state: str
) -> None:
    memory = InMemorySpanExporter()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    vendor = trace.TraceState([("vendor", "opaque")])
    above = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1), trace_state=vendor)
    parent = trace.set_span_in_context(trace.NonRecordingSpan(above))
    other = trace.SpanContext(2**127, 2**63, is_remote=True)
    made: Any = tracer.start_span(name, parent, attributes=attributes, links=[trace.Link(other, link)])
    made.add_event(name, event)
    made.set_status(trace.StatusCode.ERROR, state)
    made.end()
    memory.export([made._readable_span()])

    (span,) = memory.get_finished_spans()
    (resource,) = encode_spans([span]).resource_spans

    assert wire_size(span) >= resource.scope_spans[0].spans[0].ByteSize()


# --- a queue with little room -----------------------------------------------------------------------------


def test_trace_larger_than_the_queue_of_the_batch_processor_arrives_whole(
    backend: Any, pipeline: Pipeline
) -> None:
    pipeline.trace(5_000)

    assert pipeline.processor.force_flush(timeout_millis=60_000)

    assert len(set(backend.names)) == len(backend.names) == 5_000
    assert pipeline.processor.stats.lost == {}


def test_batch_processors_behind_several_are_paced_too() -> None:
    memories = [InMemorySpanExporter(), InMemorySpanExporter()]
    several = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # the SDK's own class
    for memory in memories:
        several.add_span_processor(BatchSpanProcessor(BoundedSpanExporter(memory)))
    provider = TracerProvider(shutdown_on_exit=False)
    processor = AgentProfSpanProcessor(several, config=Config())
    provider.add_span_processor(processor)

    with provider.get_tracer("tests").start_as_current_span("root"):
        for _ in range(4_999):
            provider.get_tracer("tests").start_span("child").end()

    assert processor.force_flush(timeout_millis=60_000)
    assert [len(memory.get_finished_spans()) for memory in memories] == [5_000, 5_000]
    provider.shutdown()


def test_backend_that_hangs_costs_bounded_memory_and_every_span_is_accounted_for(backend: Any) -> None:
    pipeline = Pipeline(backend.exporter(timeout_s=600))
    backend.gate.clear()
    pipeline.trace(512)
    assert backend.asked.wait(60)  # one batch is on its way, and 2,048 spans can wait

    for _ in range(3):
        pipeline.trace(1_000)
    is_flushed = pipeline.processor.force_flush(timeout_millis=100)
    assert pipeline.processor._worker.run_now(60)
    reports = pipeline.processor.stats.reports
    backend.gate.set()
    pipeline.processor.force_flush(timeout_millis=60_000)

    assert not is_flushed
    assert reports == 4
    assert pipeline.processor.stats.forwarded == 3_512
    assert pipeline.processor.stats.lost == {"next_queue": 3_512 - 512 - 2_048}
    assert len(backend.names) == pipeline.bounded.sent_count == 512 + 2_048
    assert threading.main_thread() not in pipeline.seen.threads
    pipeline.provider.shutdown()


def test_every_span_of_two_threads_is_sent_or_counted_while_the_queue_overflows() -> None:
    memory = InMemorySpanExporter()
    exporter = BoundedSpanExporter(memory)
    batch = BatchSpanProcessor(exporter, schedule_delay_millis=1e6, max_queue_size=8, max_export_batch_size=8)
    failures = Failures()
    following = NextProcessor(batch, failures)
    spans = [ended_span()] * 20_000
    together = threading.Barrier(2)

    def forward() -> None:
        together.wait(60)
        following.forward(spans, may_wait=False)

    threads = [threading.Thread(target=forward) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change in every place where they can
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    following.force_flush(60)

    assert following.forwarded_count == 40_000
    assert len(memory.get_finished_spans()) == exporter.sent_count == 40_000 - following.lost["next_queue"]
    assert failures.count == 0
    batch.shutdown()  # type: ignore[no-untyped-call]  # the SDK's own


def test_a_full_queue_takes_nothing_from_the_processor_beside_it() -> None:
    asked, gate = threading.Event(), threading.Event()

    class Hanging(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            asked.set()
            gate.wait(60)
            return super().export(spans)

    beside, hanging = InMemorySpanExporter(), Hanging()
    several = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # the SDK's own class
    several.add_span_processor(SimpleSpanProcessor(beside))
    several.add_span_processor(
        BatchSpanProcessor(hanging, schedule_delay_millis=1e6, max_queue_size=8, max_export_batch_size=8)
    )
    following = NextProcessor(several, Failures())

    following.forward([ended_span()] * 8, may_wait=False)
    assert asked.wait(60)
    following.forward([ended_span()] * 10, may_wait=False)
    gate.set()
    following.force_flush(60)

    assert following.lost == {"next_queue": 2}
    assert len(hanging.get_finished_spans()) == 16
    assert len(beside.get_finished_spans()) == following.forwarded_count == 18
    several.shutdown()


def test_a_span_that_a_finaliser_ends_in_the_middle_finds_the_room_that_is_left() -> None:
    memory = InMemorySpanExporter()

    class Ending(BatchSpanProcessor):
        """A processor in which another span ends before one is in the queue."""

        def on_end(self, span: ReadableSpan) -> None:
            if following.forwarded_count < 8:
                following.forward([span], may_wait=False)
            super().on_end(span)

    batch = Ending(memory, schedule_delay_millis=1e6, max_queue_size=4, max_export_batch_size=4)
    following = NextProcessor(batch, Failures())

    following.forward([ended_span()], may_wait=False)
    following.force_flush(60)

    assert following.forwarded_count == 5  # the fifth one does not fit in, and nothing ends in it
    assert following.lost == {"next_queue": 1}
    assert len(memory.get_finished_spans()) == 4
    following.shutdown()


# --- failures ---------------------------------------------------------------------------------------------


def test_refused_spans_are_counted_told_once_and_the_next_ones_arrive(
    backend: Any, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, OURS)
    for refusal in backend.refusals:
        backend.refusal = refusal
        pipeline.trace(10, str(refusal))
        assert not pipeline.processor.force_flush()
    backend.refusal = None

    pipeline.trace(10, "after")
    is_flushed = pipeline.processor.force_flush()

    count = 10 * len(backend.refusals)
    assert is_flushed
    assert pipeline.processor.stats.lost == {"export": count}
    assert len(backend.names) == 10
    told = [record.getMessage() for record in caplog.records if record.name == OURS]
    assert told == [
        "spans cannot be exported; those that are lost are counted",
        f"spans are exported again; {count} were lost",
    ]
    assert threading.main_thread() not in pipeline.seen.threads


def test_backend_that_is_away_for_a_while_gets_the_rest(backend: Any, pipeline: Pipeline) -> None:
    pipeline.trace(10, "before")
    assert pipeline.processor.force_flush()
    backend.stop()
    pipeline.trace(10, "meanwhile")
    assert not pipeline.processor.force_flush()
    backend.start()

    pipeline.trace(10, "after")
    pipeline.processor.force_flush()

    # The client may need a try to find the way again.
    while len(backend.names) < 20 and pipeline.processor.stats.forwarded < 300:
        pipeline.trace(10, "again")
        pipeline.processor.force_flush()
    assert len(backend.names) + pipeline.lost == pipeline.processor.stats.forwarded
    assert pipeline.lost >= 10
    assert len(backend.names) >= 20


def test_server_that_does_not_speak_tls_is_a_failure_like_any_other(backend: Any) -> None:
    pipeline = Pipeline(backend.exporter("https"))

    pipeline.trace(10)
    is_flushed = pipeline.processor.force_flush()
    pipeline.provider.shutdown()

    assert not is_flushed
    assert pipeline.processor.stats.lost == {"export": 10}
    assert pipeline.processor.stats.reports == 1


def test_losses_of_a_parent_are_not_those_of_its_forked_child(backend: Any, pipeline: Pipeline) -> None:
    backend.refusal = backend.fatal
    pipeline.trace(10)
    pipeline.processor.force_flush()
    lost = pipeline.processor.stats.lost

    pipeline.processor._after_fork()  # as os.register_at_fork calls it

    assert lost == {"export": 10}
    assert pipeline.processor.stats.lost == {}


def test_exporter_that_raises_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanExporter):
        def export(self, _spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise ValueError("mine")

        def shutdown(self) -> None:
            raise ValueError("mine too")

    pipeline = Pipeline(Broken())

    pipeline.trace(3)
    pipeline.processor.force_flush()
    pipeline.trace(3)
    pipeline.processor.force_flush()
    pipeline.provider.shutdown()

    assert pipeline.processor.stats.lost == {"export": 6}
    ours = [record for record in caplog.records if record.name == OURS]
    assert [record.exc_info is not None for record in ours] == [True]
    assert pipeline.bounded.force_flush()


def test_end_of_the_process_does_not_wait_for_a_backend_that_keeps_failing(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_module, "_LAST_CHANCE_OF_FAILING_S", 0.1)
    pipeline = Pipeline(backend.exporter(timeout_s=600))
    backend.refusal = backend.fatal
    pipeline.trace(10)
    assert not pipeline.processor.force_flush()
    backend.refusal = backend.transient  # which the exporter would try again for ten minutes

    pipeline.trace(600)
    pipeline.provider.shutdown()

    # The SDK waits for half a minute and goes without a word: then nothing would be counted yet.
    assert pipeline.processor.stats.lost == {"export": 610}


def test_end_of_the_process_does_not_wait_for_a_backend_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter_module, "_LAST_CHANCE_S", 0.1)
    with running(GrpcBackend) as backend:
        pipeline = Pipeline(backend.exporter(timeout_s=600))
        backend.gate.clear()

        pipeline.trace(600)
        pipeline.provider.shutdown()

        assert pipeline.processor.stats.lost == {"export": 600}


def test_backend_that_is_back_when_the_process_ends_gets_the_last_spans(backend: Any) -> None:
    pipeline = Pipeline(backend.exporter())
    backend.refusal = backend.fatal
    pipeline.trace(10)
    assert not pipeline.processor.force_flush()
    backend.refusal = None

    pipeline.trace(600)
    pipeline.provider.shutdown()

    assert pipeline.processor.stats.lost == {"export": 10}
    assert len(backend.names) == 600


@pytest.mark.parametrize("is_known_to_fail", [True, False])
def test_end_of_the_process_gives_up_soon_where_no_thread_can_be_started(
    backend: Any, monkeypatch: pytest.MonkeyPatch, *, is_known_to_fail: bool
) -> None:
    memory = InMemorySpanExporter()
    pipeline = Pipeline(memory)
    pipeline.trace(2)
    pipeline.provider.shutdown()
    spans = memory.get_finished_spans()
    exporter = BoundedSpanExporter(backend.exporter())
    backend.refusal = backend.fatal
    if is_known_to_fail:
        exporter.export(spans)
    monkeypatch.setattr(threading.Thread, "start", _refuse)
    exporter.hurry()
    monkeypatch.undo()

    for _ in range(3):
        exporter.export(spans)
        backend.refusal = None  # nothing is sent any more though it would be taken

    assert exporter.sent_count == 0
    assert exporter.lost_count == 6 + 2 * is_known_to_fail


def _refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread at interpreter shutdown")


def test_flush_returns_in_time_though_the_batch_processor_knows_no_limit(
    backend: Any, pipeline: Pipeline
) -> None:
    backend.gate.clear()
    pipeline.trace(10)

    flushes = [pipeline.processor.force_flush(timeout_millis=10) for _ in range(3)]
    threads = [thread for thread in threading.enumerate() if thread.name == "agentprof flush"]
    backend.gate.set()

    assert flushes == [False, False, False]
    assert len(threads) == 1
    threads[0].join(60)


def test_flush_works_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(InMemorySpanExporter())
    pipeline.trace(3)
    assert pipeline.processor._worker.run_now(60)

    monkeypatch.setattr(threading.Thread, "start", _refuse)

    assert pipeline.processor.force_flush()
    monkeypatch.undo()
    pipeline.provider.shutdown()
