from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import openai.resources.chat.completions as chat
import pytest
import wrapt

from otel_agentprof import config, pricing
from otel_agentprof.cli import examination, library_check, main
from otel_agentprof.instrumentation import libraries, versions
from otel_agentprof.instrumentation.providers.openai import SPEC as OPENAI
from otel_agentprof.instrumentation.registry import Target

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _, _ in config.variables():
        monkeypatch.delenv(name)
    monkeypatch.delenv("ANTHROPIC_OPEN_TELEMETRY", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "180")


def _facts(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["doctor", "--format", "json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def _notes_of(name: str, facts: dict[str, Any]) -> list[str]:
    notes: list[str] = next(row["notes"] for row in facts["libraries"] if row["name"] == name)
    return notes


def test_it_tells_what_is_installed_and_patched(capsys: pytest.CaptureFixture[str]) -> None:
    before = chat.Completions.create

    assert main(["doctor"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert f"  openai           {metadata.version('openai')} (openai>=2)\n" in out
    assert "patched: " in out
    assert "ANTHROPIC_OPEN_TELEMETRY=false" in out
    assert "genai-prices@" in out
    assert "reports only" in out
    assert "    none is set\n" in out
    assert chat.Completions.create is before


def test_every_method_is_patched_and_none_is_foreign(capsys: pytest.CaptureFixture[str]) -> None:
    facts = _facts(capsys)

    found = {row["name"]: row["methods"] for row in facts["libraries"]}
    assert set(found["openai"]) == {"patched"}
    assert set(found["anthropic"]) == {"patched"}


def test_a_method_that_somebody_else_wrapped_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def passing_on(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    monkeypatch.setattr(
        chat.Completions, "create", wrapt.FunctionWrapper(chat.Completions.create, passing_on)
    )

    notes = _notes_of("openai", _facts(capsys))

    assert any(note.startswith(f"wrapped by {__name__} and left to it: Completions.create") for note in notes)


def test_variables_are_told_with_what_is_wrong_and_without_passwords(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_SLOWLLM_MS", "5")
    monkeypatch.setenv("OTEL_AGENTPROF_SLOW_TOOL_MS", "soon\x1b[31m")
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_CALLS", "7")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@collector:4318/x?key=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert "OTEL_AGENTPROF_SLOWLLM_MS=5  (unknown; did you mean OTEL_AGENTPROF_SLOW_LLM_MS?)" in out
    assert "(not a float; the default 1000.0 is used)" in out
    assert "OTEL_AGENTPROF_MAX_CALLS=7\n" in out
    assert "exporter otlp to http://collector:4318/x (http/protobuf)" in out
    assert "secret" not in out
    assert "\x1b" not in out


def test_an_exporter_that_is_not_installed_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console,zipkin,otlp")

    destination = " | ".join(_facts(capsys)["destination"])

    assert "exporter console;" in destination
    assert "exporter zipkin, but no such exporter is installed" in destination
    assert "exporter otlp to http://localhost:4317 (grpc);" in destination


def test_what_is_switched_off_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    facts = _facts(capsys)

    assert facts["destination"] == ["nowhere: OTEL_SDK_DISABLED is true"]
    assert "left alone: " in _notes_of("openai", facts)[0]


def test_a_client_that_traces_itself_because_the_user_asked_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")

    notes = " | ".join(_notes_of("anthropic", _facts(capsys)))

    assert "traces itself, as ANTHROPIC_OPEN_TELEMETRY=true asks" in notes


def test_a_client_whose_own_spans_have_no_switch_is_told() -> None:
    spec = libraries.known()["mistral"].load()

    (note,) = list(library_check.notes_of(spec, [Target("mistral", "m:C.f", "patched")]))[1:]

    assert note.startswith("can trace itself")
    assert "counted once" in note


def test_what_is_missing_too_old_or_doubled_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"openai": "1.0", "openlit": "1.45.0", "opentelemetry-api": "1.45.2"}
    monkeypatch.setattr(examination, "_version", known.get)
    monkeypatch.setattr(versions, "installed", lambda wanted: known.get(wanted.partition(">")[0]))
    before = chat.Completions.create

    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert "not installed: anthropic" in out
    assert "left alone: 1.0 is installed, openai>=2 is known to work" in out
    assert "openlit 1.45.0: where it wraps a method first" in out
    assert "OTel SDK         missing" in out
    assert chat.Completions.create is before


def test_methods_that_a_version_lacks_are_counted() -> None:
    targets = [Target("openai", "openai:A.b", "missing"), Target("openai", "openai:A.c", "waiting")]

    notes = list(library_check.notes_of(OPENAI, targets))

    assert "not in this version: 1 method" in notes
    assert "not importable here: openai was not imported" in notes


def test_prices_of_your_own_are_told_and_so_is_a_missing_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    own = tmp_path / "prices.json"
    own.write_text("{")
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(own))
    assert _facts(capsys)["prices"][0].startswith("your own are ignored: ")

    own.write_text("{}")
    assert _facts(capsys)["prices"][0] == f"your own first: {own}"

    monkeypatch.setattr(pricing, "price_table", lambda: "")
    assert "no table" in _facts(capsys)["prices"][1]


def test_clients_that_are_not_asked_for_stay_unexamined(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "agentprof_openai")

    rows = {row["name"]: row for row in _facts(capsys)["libraries"]}

    assert rows["openai"]["notes"][0].startswith("left alone")
    assert rows["anthropic"]["methods"]["patched"] > 0
