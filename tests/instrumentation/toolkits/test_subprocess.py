"""Processes: one span each, inside a trace only, and nothing else about them changes."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

import otel_agentprof
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Spans
    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan

_CANARY = "the canary sings of Paris"
_PRINTED: Any = (b"1\n", None)
_PROGRAM = sys.executable.rpartition("/")[2]
_ORIGINALS = {name: vars(subprocess.Popen)[name] for name in ("__init__", "wait", "poll", "__del__")}


@pytest.fixture(autouse=True)
def _without_analysis_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_EMIT_ANALYSIS_SPAN", "false")  # it comes when it comes


def _python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"{code} # {_CANARY}"]


def _run(work: Callable[[], Any], spans: Spans) -> tuple[ReadableSpan, ReadableSpan]:
    with otel_agentprof.step("outer"):
        work()
    span, outer = spans.all()
    return span, outer


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return {key: value for key, value in (span.attributes or {}).items() if key != "agentprof.lane"}


def _waited() -> None:
    process = subprocess.Popen(_python("pass"))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    process.wait()
    process.wait()


def _polled() -> None:
    process = subprocess.Popen(_python("pass"))
    while process.poll() is None:
        pass


def _as_context() -> None:
    with subprocess.Popen(_python("print(1)"), stdout=subprocess.PIPE) as process:
        assert process.communicate() == _PRINTED


async def _async_waited() -> None:
    process = await asyncio.create_subprocess_exec(*_python("pass"))
    await process.wait()


async def _async_communicated() -> None:
    process = await asyncio.create_subprocess_exec(*_python("print(1)"), stdout=asyncio.subprocess.PIPE)
    assert await process.communicate() == _PRINTED


_WAYS: dict[str, Callable[[], Any]] = {
    "run": lambda: subprocess.run(_python("pass"), check=True),
    "check_output": lambda: subprocess.check_output(_python("pass")),
    "wait": _waited,
    "poll": _polled,
    "context": _as_context,
    "async": lambda: asyncio.run(_async_waited()),
    "async communicate": lambda: asyncio.run(_async_communicated()),
}


@pytest.mark.parametrize("way", _WAYS)
def test_a_process_is_one_span_with_its_program_and_exit_code(way: str, spans: Spans) -> None:
    span, outer = _run(_WAYS[way], spans)

    assert span.name == f"execute_tool {_PROGRAM}"
    assert span.parent is not None
    assert span.parent.span_id == outer.context.span_id
    assert _facts(span) == {
        "gen_ai.operation.name": "execute_tool",
        "agentprof.role": "tool",
        "gen_ai.tool.name": _PROGRAM,
        "gen_ai.tool.type": "extension",
        "process.exit.code": 0,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert _CANARY not in span.to_json()


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [("raise SystemExit(3)", 3, "exit 3"), ("import os; os.kill(os.getpid(), 9)", -9, "signal 9")],
)
def test_a_failure_is_told(code: str, exit_code: int, reason: str, spans: Spans) -> None:
    span, _ = _run(lambda: subprocess.run(_python(code), check=False), spans)

    assert _facts(span)["process.exit.code"] == exit_code
    assert _facts(span)["error.type"] == reason
    assert span.status.status_code is StatusCode.ERROR


def test_a_program_that_is_not_there_is_an_error_too(spans: Spans) -> None:
    def work() -> None:
        with pytest.raises(FileNotFoundError):
            subprocess.run(["/nowhere/at-all", _CANARY], check=False)

    span, _ = _run(work, spans)

    assert span.name == "execute_tool at-all"
    assert _facts(span)["error.type"] == "FileNotFoundError"
    assert "process.exit.code" not in _facts(span)
    assert _CANARY not in span.to_json()


@pytest.mark.parametrize(
    ("work", "program"),
    [
        (lambda: subprocess.run(f"true {_CANARY}", shell=True, check=True), "sh"),  # noqa: S602 - the claim
        (lambda: subprocess.run(b"true", check=True), "true"),
        (lambda: subprocess.run([_CANARY], executable="/bin/true", check=True), "true"),
        (lambda: asyncio.run(_shell()), "sh"),
    ],
)
def test_only_the_program_is_named(work: Callable[[], Any], program: str, spans: Spans) -> None:
    span, _ = _run(work, spans)

    assert span.name == f"execute_tool {program}"
    assert _CANARY not in span.to_json()


async def _shell() -> None:
    await (await asyncio.create_subprocess_shell(f"true {_CANARY}")).wait()


def test_a_process_that_nobody_waits_for_shows_its_start_when_it_is_dropped(spans: Spans) -> None:
    with otel_agentprof.step("outer"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # what CPython says of such processes, as before
        process = subprocess.Popen(["sleep", "30"])  # noqa: S607 - any
        pid = process.pid
        before = len(spans.all())
        del process
        gc.collect()

    subprocess.run(["kill", str(pid)], check=True)  # noqa: S607 - likewise
    span, outer = spans.all()
    assert before == 0
    assert span.name == "execute_tool sleep"
    assert "process.exit.code" not in _facts(span)
    assert (span.end_time or 0) <= (outer.end_time or 0)


def test_outside_of_a_trace_there_is_no_span(spans: Spans) -> None:
    subprocess.run(_python("pass"), check=True)

    assert spans.all() == ()


def test_it_can_be_left_out(pipeline: Spans) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, exclude=["subprocess"]):
        assert {name: vars(subprocess.Popen)[name] for name in _ORIGINALS} == _ORIGINALS
        with otel_agentprof.step("outer"):
            subprocess.run(_python("pass"), check=True)

    assert [span.name for span in pipeline.all()] == ["outer"]


def test_everything_is_put_back(pipeline: Spans) -> None:
    waiting = asyncio.subprocess.Process.wait
    signature = inspect.signature(subprocess.Popen)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        during = inspect.signature(subprocess.Popen)
        told = [target for target in REGISTRY.targets() if target.provider == "subprocess"]

    assert [target.state for target in told] == ["attached"]
    assert during == signature
    assert {name: vars(subprocess.Popen)[name] for name in _ORIGINALS} == _ORIGINALS
    assert asyncio.subprocess.Process.wait is waiting


def test_a_subclass_and_its_files_work_as_before(tmp_path: Path, spans: Spans) -> None:
    class Own(subprocess.Popen[bytes]):
        pass

    def work() -> None:
        with (tmp_path / "out").open("wb") as file:
            code = f"import os; os.write({file.fileno()}, b'x')"
            with Own(_python(code), pass_fds=(file.fileno(),)) as process:
                process.wait()

    span, _ = _run(work, spans)

    assert (tmp_path / "out").read_bytes() == b"x"
    assert span.name == f"execute_tool {_PROGRAM}"


def test_a_tracer_that_fails_harms_nobody(
    spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = REGISTRY.slots["subprocess"].engine
    assert engine is not None

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no more spans")

    with otel_agentprof.step("outer"):
        monkeypatch.setattr(engine.attachment.tracer, "start_span", fail)
        done = subprocess.run(_python("pass"), check=True)

    assert done.returncode == 0
    assert [span.name for span in spans.all()] == ["outer"]


def test_what_a_client_runs_inside_a_model_call_is_no_tool(server: Loopback, spans: Spans) -> None:
    openai = pytest.importorskip("openai")
    done: list[int] = []

    def running(_request: Any) -> None:
        done.append(subprocess.run(_python("pass"), check=True).returncode)

    client = openai.OpenAI(api_key="none", base_url=server.url)
    client._client.event_hooks = {"request": [running], "response": []}
    client.embeddings.create(model="text-embedding-3-small", input="x")
    client.close()

    assert done == [0]
    assert spans.only().name == "embeddings text-embedding-3-small"


def test_what_a_library_starts_for_itself_is_no_tool(spans: Spans, tmp_path: Path) -> None:
    library: dict[str, Any] = {"__name__": "openai._base_client"}
    exec("import subprocess\ndef ask(command): return subprocess.run(command, check=True)", library)  # noqa: S102 - a module of that name

    with otel_agentprof.step("outer"):
        library["ask"](_python("pass"))

    assert [span.name for span in spans.all()] == ["outer"]
