"""Threads and asyncio tasks of real spans, from the program to the critical path."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import types
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from pipelines import drop_in, owning

from otel_agentprof import semconv
from otel_agentprof.processor.lanes import LANES, Lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from otel_agentprof.report.report import Report


def _milliseconds(report: Report) -> Counter[str | None]:
    taken: Counter[str | None] = Counter()
    for step in report.critical_path:
        taken[step.name] += step.end_ns - step.start_ns
    return Counter({name: round(ns / 1e6) for name, ns in taken.items()})


async def _sleep(tracer: Any, name: str, seconds: float) -> None:
    with tracer.start_as_current_span(name):
        await asyncio.sleep(seconds)


async def _stream(tracer: Any) -> AsyncIterator[int]:
    span = tracer.start_span("llm_stream")
    for number in range(2):
        await asyncio.sleep(0.03)
        yield number
    span.end()


@pytest.mark.parametrize("mode", [drop_in, owning])
def test_a_tool_in_the_loop_over_a_stream_is_on_the_path(mode: Any) -> None:
    pipeline = mode()

    async def consume() -> None:
        with pipeline.tracer.start_as_current_span("agent"):
            async for number in _stream(pipeline.tracer):
                if number == 0:
                    await _sleep(pipeline.tracer, "tool", 0.06)

    asyncio.run(consume())

    pipeline.flush()
    (report,) = pipeline.reports
    taken = _milliseconds(report)
    tool_ms, stream_ms = (report.by_name[name].total_ns / 1e6 for name in ("tool", "llm_stream"))
    assert taken["tool"] == pytest.approx(tool_ms, abs=1)
    assert taken["llm_stream"] == pytest.approx(stream_ms - tool_ms, abs=2)


def test_a_chain_in_gather_is_not_blamed_on_another_chain() -> None:
    pipeline = drop_in()

    async def chain() -> None:
        await _sleep(pipeline.tracer, "foo1", 0.03)
        await asyncio.sleep(0.05)
        await _sleep(pipeline.tracer, "foo3", 0.03)

    async def both() -> None:
        with pipeline.tracer.start_as_current_span("parent"):
            await asyncio.gather(chain(), _sleep(pipeline.tracer, "foo2", 0.06))

    asyncio.run(both())

    pipeline.flush()
    taken = _milliseconds(pipeline.reports[0])
    assert set(taken) == {"parent", "foo1", "foo3"}
    assert taken["parent"] >= 45


def test_a_main_task_waits_for_its_tools_though_the_root_was_started_outside() -> None:
    pipeline = drop_in()

    async def turns() -> None:
        await _sleep(pipeline.tracer, "llm1", 0.02)
        tools = (_sleep(pipeline.tracer, f"tool{number}", number * 0.02) for number in (1, 2))
        await asyncio.gather(*tools)
        await _sleep(pipeline.tracer, "llm2", 0.02)

    with pipeline.tracer.start_as_current_span("run"):
        asyncio.run(turns())

    pipeline.flush()
    assert {"llm1", "tool2", "llm2"} <= set(_milliseconds(pipeline.reports[0]))


def test_our_own_spans_carry_their_lane_and_foreign_ones_do_not() -> None:
    pipeline = drop_in()
    ours = pipeline.provider.get_tracer(semconv.SCOPE)

    with pipeline.tracer.start_as_current_span("theirs"), ours.start_as_current_span("ours"):
        pass

    assert semconv.LANE not in (pipeline.exported["theirs"].attributes or {})
    assert (pipeline.exported["ours"].attributes or {})[semconv.LANE]


def test_forwarded_spans_carry_their_lanes() -> None:
    pipeline = owning()

    with pipeline.tracer.start_as_current_span("one"):
        thread = threading.Thread(target=pipeline.tracer.start_span("two").end)
        thread.start()
        thread.join()
        pipeline.tracer.start_span("three").end()

    pipeline.flush()
    lanes = {name: (span.attributes or {})[semconv.LANE] for name, span in pipeline.exported.items()}
    assert lanes["one"] == lanes["three"]
    assert LANES.current(pipeline.tracer.start_span("now")) == lanes["one"]


def test_threads_get_a_lane_each_though_their_ids_come_again() -> None:
    lanes, seen = Lanes(), list[Any]()
    tracer: Any = TracerProvider().get_tracer("tests")

    for _ in range(5):
        thread = threading.Thread(target=lambda: seen.append(lanes.current(tracer.start_span("x"))))
        thread.start()
        thread.join()

    assert len(set(seen)) == 5


def test_tasks_get_a_lane_each_and_are_forgotten_with_their_ids() -> None:
    lanes, seen = Lanes(), list[Any]()
    tracer: Any = TracerProvider().get_tracer("tests")

    async def look() -> None:
        seen.append((lanes.current(tracer.start_span("x")), lanes.current(tracer.start_span("y"))))

    async def several() -> None:
        for _ in range(20):
            await asyncio.create_task(look())

    asyncio.run(several())

    gc.collect()
    assert all(one == other for one, other in seen)
    assert len(set(seen)) == 20
    assert not lanes._tasks


def test_a_callback_of_the_loop_has_no_lane() -> None:
    seen = list[str | None]()
    tracer: Any = TracerProvider().get_tracer("tests")

    async def call_back() -> None:
        asyncio.get_running_loop().call_soon(lambda: seen.append(LANES.current(tracer.start_span("x"))))
        await asyncio.sleep(0)

    asyncio.run(call_back())

    assert seen == [None]


def test_a_processor_in_a_pool_of_threads_knows_no_lanes() -> None:
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor())
    tracer: Any = provider.get_tracer("tests")

    assert LANES.current(tracer.start_span("x")) is None


@pytest.mark.parametrize(("in_run", "is_known"), [(True, False), (False, True), (None, False)])
def test_tasks_of_trio_share_a_thread_and_have_no_lane(
    monkeypatch: pytest.MonkeyPatch, *, in_run: bool | None, is_known: bool
) -> None:
    trio: Any = types.ModuleType("trio")
    if in_run is not None:
        trio.lowlevel = types.SimpleNamespace(in_trio_run=lambda: in_run)
    monkeypatch.setitem(sys.modules, "trio", trio)

    tracer: Any = TracerProvider().get_tracer("tests")
    lane = LANES.current(tracer.start_span("x"))

    assert (lane is not None) == is_known


def test_a_span_with_a_start_time_of_its_own_has_no_lane() -> None:
    pipeline = owning()

    pipeline.tracer.start_span("past", start_time=1).end(end_time=2)

    pipeline.flush()
    assert semconv.LANE not in (pipeline.exported["past"].attributes or {})


def test_a_forked_child_names_its_lanes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lanes()
    tracer: Any = TracerProvider().get_tracer("tests")
    before = lanes.current(tracer.start_span("x"))
    lanes.renew_after_fork()
    same = lanes.current(tracer.start_span("x"))
    monkeypatch.setattr(lanes, "_pid", -1)

    lanes.renew_after_fork()

    assert before == same != lanes.current(tracer.start_span("x"))


def test_a_span_that_is_not_the_sdks_has_no_lane() -> None:
    assert LANES.current(object()) is None  # type: ignore[arg-type]  # what another SDK may pass
