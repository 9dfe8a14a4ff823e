"""What becomes of our provider when the program sets its own, before, meanwhile or never: whole programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from otlp_receiver import receiving
from programs import agentprof, program, python

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = """
import threading
import otel_agentprof as ap
from opentelemetry import trace
early = trace.get_tracer("early")
def is_unset():
    return trace._TRACER_PROVIDER is None and trace._set_tracer_provider.__module__ == "opentelemetry.trace"
def own():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter
def names(exporter):
    return sorted(span.name for span in exporter.get_finished_spans())
"""
_SET = "provider, exporter = own()\ntrace.set_tracer_provider(provider)\n"


def test_a_program_sets_its_provider_after_instrument_and_all_spans_go_there() -> None:
    out, told = python(
        _NAMES
        + """
reports = []
handle = ap.instrument(on_report=reports.append)
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
between = trace.get_tracer("between")
"""
        + _SET
        + """
assert trace.get_tracer_provider() is provider
with trace.get_tracer("app").start_as_current_span("app"):
    with ap.tool("t"):
        early.start_span("early").end()
        between.start_span("between").end()
handle.uninstrument()
print(names(exporter), [(report.root_name, report.span_count) for report in reports])
print(trace.get_tracer_provider() is provider, trace._set_tracer_provider.__module__)
with ap.profile("later") as run:
    pass
print(run.report.span_count)
"""
    )

    spans = ["agentprof.analysis", "app", "between", "early", "execute_tool t"]
    assert out == f"{spans} [('app', 4)]\nTrue opentelemetry.trace\n1\n"
    assert told == ""


def test_after_a_profile_nothing_of_ours_is_left_and_a_program_sets_its_own() -> None:
    out, told = python(
        _NAMES
        + """
for number in range(2):
    with ap.profile("warm up") as run, ap.tool("t"):
        early.start_span("early").end()
    print(run.report.span_count, is_unset())
early.start_span("of nobody").end()
"""
        + _SET
        + """
early.start_span("mine").end()
print(trace.get_tracer_provider() is provider, names(exporter))
"""
    )

    assert out == "3 True\n3 True\nTrue ['mine']\n"
    assert told == ""


def test_a_profile_in_which_the_program_sets_its_provider_up_is_one_report() -> None:
    out, _ = python(
        _NAMES
        + 'with ap.profile("main") as run:\n    provider, exporter = own()\n'
        + """
    trace.set_tracer_provider(provider)
    with ap.tool("t"):
        pass
print(run.report.root_name, run.report.span_count, names(exporter))
"""
    )

    assert out == "main 2 ['execute_tool t']\n"


def test_exporters_that_the_variables_name_get_no_span_of_the_programs_provider() -> None:
    with receiving() as receiver:
        out, _ = python(
            _NAMES
            + """
handle = ap.instrument()
with ap.agent("before"), ap.tool("t"):
    pass
"""
            + _SET
            + """
with ap.agent("after"), ap.tool("t"):
    pass
handle.processor.force_flush()
print(names(exporter))
""",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.http_url,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        )
        arrived = sorted(span.name for span in receiver.spans)

    assert out == "['agentprof.analysis', 'execute_tool t', 'invoke_agent after']\n"
    assert arrived == ["execute_tool t", "invoke_agent before"]


def test_our_provider_is_used_as_the_sdks_own_while_it_is_there() -> None:
    out, _ = python(
        _NAMES
        + """
_, exporter = own()
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
ap.instrument()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
with ap.tool("t"):
    pass
print(trace.get_tracer_provider().force_flush(), names(exporter), hasattr(trace.get_tracer_provider(), "x"))
print(hasattr(trace.get_tracer_provider(), "__length_hint__"))
again = ap.instrument(tracer_provider=trace.get_tracer_provider())
print(again is ap.instrument())
"""
    )

    assert out == "True ['execute_tool t'] False\nFalse\nTrue\n"


def test_profiles_in_threads_while_another_one_sets_the_provider() -> None:
    out, told = python(
        _NAMES
        + """
from concurrent.futures import ThreadPoolExecutor
provider, exporter = own()
gate = threading.Barrier(8)
def work(number):
    gate.wait(60)
    if number == 3:
        trace.set_tracer_provider(provider)
        return 2
    with ap.profile("part") as run, ap.tool("t"):
        pass
    return run.report.span_count
with ThreadPoolExecutor(8) as pool:
    print(set(pool.map(work, range(8))), trace.get_tracer_provider() is provider)
"""
    )

    assert out == "{2} True\n"
    assert told == ""


def test_a_provider_that_we_cannot_join_is_set_all_the_same() -> None:
    out, told = python(
        _NAMES
        + """
class Odd(trace.NoOpTracerProvider):
    def add_span_processor(self, processor):
        raise ValueError("not here")
odd = Odd()
ap.instrument()
trace.set_tracer_provider(odd)
print(trace.get_tracer_provider() is odd)
with ap.tool("t"):
    print("runs")
"""
    )

    assert out == "True\nruns\n"
    assert told.count("otel_agentprof cannot see the spans of") == 1


@pytest.mark.parametrize("set_first", [True, False])
def test_a_program_that_wants_no_spans_gets_its_provider(set_first: bool) -> None:  # noqa: FBT001 - a parameter
    no_spans = "trace.set_tracer_provider(trace.NoOpTracerProvider())\n"
    out, told = python(
        _NAMES
        + (no_spans if set_first else "")
        + "with ap.profile('p') as run:\n    pass\n"
        + ("" if set_first else no_spans)
        + "print(run.report.span_count, type(trace.get_tracer_provider()).__name__)"
    )

    assert (out, told) == ("1 NoOpTracerProvider\n", "")


def test_a_program_that_wants_no_spans_from_now_on_gets_none() -> None:
    out, told = python(
        _NAMES
        + """
with ap.profile("p") as run:
    trace.set_tracer_provider(trace.NoOpTracerProvider())
    with ap.tool("t"):
        pass
print(run.report.span_count, type(trace.get_tracer_provider()).__name__)
"""
    )

    assert (out, told) == ("1 NoOpTracerProvider\n", "")


def test_what_somebody_else_put_around_the_setting_stays_and_works() -> None:
    out, told = python(
        _NAMES
        + """
ap.instrument()
ours = trace._set_tracer_provider
theirs = trace._set_tracer_provider = lambda *args, **kwargs: ours(*args, **kwargs)
ap.uninstrument()
"""
        + _SET
        + """
early.start_span("mine").end()
print(trace._set_tracer_provider is theirs, trace.get_tracer_provider() is provider, names(exporter))
"""
    )

    assert (out, told) == ("True True ['mine']\n", "")


def test_a_processor_of_ours_that_the_program_brings_is_the_only_one() -> None:
    out, _ = python(
        _NAMES
        + """
ap.instrument()
provider, exporter = own()
provider.add_span_processor(ap.AgentProfSpanProcessor())
trace.set_tracer_provider(provider)
with ap.agent("a"), ap.tool("t"):
    pass
provider.force_flush()
print(names(exporter))
"""
    )

    assert out == "['agentprof.analysis', 'execute_tool t', 'invoke_agent a']\n"


def test_zero_code_tracers_that_were_there_first_follow() -> None:
    out, _ = python(
        _NAMES
        + """
from otel_agentprof.instrumentation.instrumentor import AgentProfInstrumentor
AgentProfInstrumentor().instrument()
with ap.profile("p") as run, early.start_as_current_span("early"):
    pass
"""
        + _SET
        + """
early.start_span("late").end()
print(run.report.span_count, names(exporter))
"""
    )

    assert out == "2 ['late']\n"


_LATE = """
import threading
import otel_agentprof as ap
main = threading.main_thread()
def work():
    main.join()
    {}
threading.Thread(target=work).start()
"""


@pytest.mark.parametrize(
    "work",
    [
        "with ap.profile('p') as run: print('runs')",
        "ap.profile('p')(lambda: print('runs'))()",
        "ap.instrument(); print('runs')",
    ],
    ids=["profile", "decorator", "instrument"],
)
def test_a_thread_that_outlives_the_main_thread_works(work: str) -> None:
    assert python(_LATE.format(work)) == ("runs\n", "")


def test_a_recorded_program_profiles_first_and_sets_its_provider_then(tmp_path: Path) -> None:
    text = (
        _NAMES
        + "with ap.profile('warm up'), ap.tool('t'):\n    pass\nearly.start_span('nobody set any').end()\n"
        + _SET
        + "with early.start_as_current_span('app'), ap.tool('t'):\n    pass\nprint(names(exporter))"
    )

    ours = agentprof("run", "--format", "json", program(tmp_path, text))

    assert ours.stdout == "['app', 'execute_tool t']\n"
    assert {"run app.py", "warm up", "nobody set any", "app"} <= set(json.loads(ours.stderr)["by_name"])
