"""OpenTelemetry's own instrumentations beside ours; skipped where they are not installed."""

from __future__ import annotations

import importlib
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Answer

import otel_agentprof
from otel_agentprof.cli import library_check
from otel_agentprof.instrumentation import contrib, libraries
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Spans
    from loopback import Loopback

_HOME = "opentelemetry.instrumentation"


def _has(*names: str) -> bool:
    try:
        return all(find_spec(f"{_HOME}.{name}") for name in names)
    except ModuleNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(
        not _has("requests", "urllib3", "httpx", "sqlite3"), reason="[http] and [db] are not here"
    ),
    pytest.mark.filterwarnings("ignore"),  # of packages that are not ours
]


@pytest.fixture(autouse=True)
def _without_analysis_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_EMIT_ANALYSIS_SPAN", "false")  # it comes when it comes


def _client(server: Loopback) -> Any:
    return importlib.import_module("openai").OpenAI(api_key="none", base_url=server.url)


def _ask(client: Any) -> None:
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])


def _instrumentor(name: str) -> Any:
    home, _, kind = contrib.TABLE[name].instrumentor.partition(":")
    return getattr(importlib.import_module(f"{_HOME}.{home}"), kind)()


def test_each_attempt_of_a_call_is_a_span_below_the_one_call(server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("openai_error_429.json", 429, headers={"retry-after-ms": "50"}))

    with _client(server) as client, otel_agentprof.agent("a"):
        _ask(client)

    first, second, call, agent = spans.all()
    assert [span.name for span in (first, second, call)] == ["POST", "POST", "chat gpt-4o"]
    assert [span.parent and span.parent.span_id for span in (first, second)] == [call.context.span_id] * 2
    assert call.parent is not None
    assert call.parent.span_id == agent.context.span_id
    report = otel_agentprof.analyze(spans.all())
    figures = report.by_role["llm"]
    assert figures.critical_ns == figures.self_ns == figures.total_ns
    assert report.by_role["other"].critical_ns == 0
    assert report.findings[0].rule == "retry_waste"


def test_what_happens_outside_of_a_trace_starts_none(server: Loopback, spans: Spans) -> None:
    requests = importlib.import_module("requests")

    requests.post(f"{server.url}/embeddings", json={})
    with otel_agentprof.step("inside"):
        requests.post(f"{server.url}/embeddings", json={})
        with sqlite3.connect(":memory:") as connection:
            connection.cursor().execute("select 1")
    connection.close()

    assert [span.name.partition(" ")[0] for span in spans.all()] == ["POST", "select", "inside"]
    assert not any(name in span.to_json() for span in spans.all() for name in ("localhost:4318",))


def test_they_are_taken_back_with_ours() -> None:
    requests = importlib.import_module("requests")
    before = requests.Session.send

    with otel_agentprof.instrument():
        assert requests.Session.send is not before
        assert _instrumentor("requests").is_instrumented_by_opentelemetry

    assert not _instrumentor("requests").is_instrumented_by_opentelemetry
    assert requests.Session.send is before


def test_what_the_program_has_switched_on_stays_the_programs() -> None:
    theirs = _instrumentor("requests")
    theirs.instrument()
    try:
        with otel_agentprof.instrument():
            importlib.import_module("requests")
            (told,) = [target for target in REGISTRY.targets() if target.provider == "requests"]
        is_on = theirs.is_instrumented_by_opentelemetry
    finally:
        theirs.uninstrument()

    assert (told.state, told.detail) == ("unfit", "the program has switched it on itself")
    assert is_on


@pytest.mark.parametrize("variable", ["agentprof_requests", "requests"])
def test_they_can_be_left_out(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("requests")
    with otel_agentprof.instrument(exclude=["requests"]):
        by_argument = _instrumentor("requests").is_instrumented_by_opentelemetry
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", variable)

    with otel_agentprof.instrument():
        by_variable = _instrumentor("requests").is_instrumented_by_opentelemetry

    assert (by_argument, by_variable) == (False, False)


def test_doctor_says_what_became_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_instrumentor("urllib3"), "instrumentation_dependencies", lambda: ["urllib3 < 1"])

    rows = {row["name"]: row for row in library_check.rows() if row["kind"] == "contrib"}

    assert set(rows) == set(contrib.TABLE)
    assert rows["requests"]["notes"] == ["attached: switched on, for spans inside a trace"]
    assert rows["urllib3"]["notes"][0].startswith("left alone: ")
    assert not _instrumentor("requests").is_instrumented_by_opentelemetry


@pytest.mark.parametrize("name", [name for name, row in contrib.TABLE.items() if find_spec(row.module)])
def test_each_one_whose_library_is_here_is_switched_on_or_says_why_not(name: str) -> None:
    importlib.import_module(contrib.TABLE[name].module)
    if not _has(contrib.TABLE[name].instrumentor.partition(":")[0]):
        pytest.skip("not installed")

    with otel_agentprof.instrument(include=[name]):
        (told,) = REGISTRY.targets()

    assert told.state == "attached" or (told.state == "unfit" and name in told.detail)


def test_a_library_that_is_imported_later_is_switched_on_then() -> None:
    program = """
import sys, otel_agentprof
otel_agentprof.instrument()
assert "requests" not in sys.modules
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
print(RequestsInstrumentor().is_instrumented_by_opentelemetry)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"


def test_libraries_know_them_by_opentelemetrys_own_names() -> None:
    known = libraries.known()

    assert all(known[name].kind == "contrib" for name in contrib.TABLE)
    assert "botocore" not in known
