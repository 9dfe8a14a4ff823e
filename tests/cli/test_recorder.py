from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from programs import agentprof, program

from otel_agentprof import semconv
from otel_agentprof.cli.recorded import load
from otel_agentprof.cli.recorder import Recorder
from otel_agentprof.stand_in import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from otel_agentprof.model.span import Span


def _provider(recorder: Recorder) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(recorder)
    return provider


def _loaded(path: Path) -> dict[str, Span]:
    found = load(str(path), name="run x")
    assert found is not None
    return {span.name: span for span in found.spans}


def test_everything_hangs_below_the_run_whatever_trace_it_is_of(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "x"), limit=10)
    tracer = _provider(recorder).get_tracer("t")
    with tracer.start_as_current_span("first"), tracer.start_as_current_span("below"):
        pass
    tracer.start_span("second").end()

    recorder.close()

    spans = _loaded(tmp_path / "x")
    run = spans["run x"]
    assert {span.trace_id for span in spans.values()} == {run.trace_id}
    assert spans["first"].parent_span_id == spans["second"].parent_span_id == run.span_id
    assert spans["below"].parent_span_id == spans["first"].span_id
    assert [link.span_id for link in run.links] == [spans["second"].span_id]
    assert run.attributes == {semconv.ROLE: "step"}


def test_a_provider_that_is_shut_down_is_not_the_end(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "x"), limit=10)
    provider = _provider(recorder)
    late = provider.get_tracer("t").start_span("late")
    assert provider.force_flush()
    provider.shutdown()
    late.end()

    recorder.close()

    assert _loaded(tmp_path / "x")["late"].end_ns is not None


def test_a_span_that_never_ends_is_written_as_open(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "x"), limit=1)
    tracer = _provider(recorder).get_tracer("t")
    spans = [tracer.start_span("open"), tracer.start_span("one too many")]

    recorder.close()

    assert len(spans) == 2
    loaded = _loaded(tmp_path / "x")
    assert loaded["open"].end_ns is None
    assert "one too many" not in loaded


def test_a_span_that_starts_while_the_writer_is_being_started_does_not_wait(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "x"), limit=2)
    tracer = _provider(recorder).get_tracer("t")

    with recorder._lock:  # as a signal handler finds it
        tracer.start_span("within").end()

    assert recorder._thread is None
    recorder.close()
    assert _loaded(tmp_path / "x")["within"].end_ns is not None


def test_analysis_spans_are_left_out(tmp_path: Path) -> None:
    recorder = Recorder(str(tmp_path / "x"), limit=10)
    tracer = _provider(recorder).get_tracer(semconv.SCOPE)
    tracer.start_span(semconv.ANALYSIS_SPAN_NAME).end()

    recorder.close()

    assert list(_loaded(tmp_path / "x")) == ["run x"]


def test_a_file_that_cannot_be_written_any_more_costs_the_program_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    recorder = Recorder(str(directory / "x"), limit=10)
    (directory / "x").rename(tmp_path / "kept")
    directory.rmdir()
    _provider(recorder).get_tracer("t").start_span("lost").end()

    recorder.close()

    found = load(str(tmp_path / "kept"), name="run x")
    assert found is not None
    assert found.is_empty
    assert not found.has_ended
    assert found.notes[0][0] == "killed"


def test_the_stand_in_follows_the_provider_of_the_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    ours, theirs = Recorder(str(tmp_path / "ours"), limit=9), Recorder(str(tmp_path / "theirs"), limit=9)
    StandIn(lambda: _provider(ours)).install()
    tracer = trace.get_tracer("t")

    @tracer.start_as_current_span("decorated")
    def work() -> None:
        tracer.start_span("inner").end()

    work()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", _provider(theirs))
    work()
    ours.close()
    theirs.close()

    for name in ("ours", "theirs"):
        assert set(_loaded(tmp_path / name)) == {"run x", "decorated", "inner"}


def test_a_provider_that_was_there_first_is_recorded_too(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    early = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
from otel_agentprof.cli import recording
recording.begin({path!r})
with trace.get_tracer("t").start_as_current_span("work"):
    pass
"""
    path = program(tmp_path, early.format(path=str(tmp_path / "x")))

    assert agentprof("run", "--quiet", path).returncode == 0

    assert set(_loaded(tmp_path / "x")) == {"run x", "work"}


def test_a_provider_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    text = f"""
from opentelemetry import trace
trace.set_tracer_provider(trace.NoOpTracerProvider())
from otel_agentprof.cli import recording
recording.begin({str(tmp_path / "x")!r})
print(type(trace.get_tracer_provider()).__name__)
"""

    assert agentprof("run", "--quiet", program(tmp_path, text)).stdout == "NoOpTracerProvider\n"


def test_where_recording_fails_the_program_runs_and_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "site" / "opentelemetry").mkdir(parents=True)
    program(tmp_path / "site" / "opentelemetry", "raise ImportError('broken\\x1b')", "__init__.py")

    ours = agentprof("run", program(tmp_path, "print('runs')"), PYTHONPATH=str(tmp_path / "site"))

    assert (ours.returncode, ours.stdout) == (0, "runs\n")
    assert "agentprof: nothing is recorded: ImportError" in ours.stderr


@pytest.mark.parametrize("text", ["import nowhere", "1 / 0"])
def test_a_broken_sitecustomize_of_the_users_is_told_as_python_tells_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "site").mkdir()
    program(tmp_path / "site", text, "sitecustomize.py")

    ours = agentprof("run", "--quiet", program(tmp_path, "print('runs')"), PYTHONPATH=str(tmp_path / "site"))

    told = "Error in sitecustomize; set PYTHONVERBOSE for traceback:"
    assert (ours.returncode, ours.stdout) == (0, "runs\n")
    assert ours.stderr.count(told) == 2  # once for the command line itself
