"""Settings: argument before our variable before OpenTelemetry's before the default; mistakes are told."""

from __future__ import annotations

import logging
from dataclasses import fields

import pytest

from otel_agentprof import Config, config, environment


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in fields(Config):
        monkeypatch.delenv(setting.metadata["variable"], raising=False)
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)


def test_the_defaults_are_the_defaults() -> None:
    assert Config.from_env() == Config()


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("OTEL_AGENTPROF_MAX_TRACES", "7", "max_traces", 7),
        ("OTEL_AGENTPROF_GRACE_S", "0.5", "grace_s", 0.5),
        ("OTEL_AGENTPROF_EMIT_ANALYSIS_SPAN", "off", "emit_analysis_span", False),
        ("OTEL_AGENTPROF_CAPTURE_CONTENT", "YES", "capture_content", True),
        ("OTEL_AGENTPROF_PRICES", "prices.json", "prices", "prices.json"),
        ("OTEL_AGENTPROF_PRICES", "", "prices", None),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "Span_And_Event", "capture_content", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY", "capture_content", False),
    ],
)
def test_a_variable_sets_its_field(
    variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)

    assert getattr(Config.from_env(), name) == value


def test_an_argument_wins_and_none_means_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_TRACES", "7")

    assert Config.from_env(max_traces=3).max_traces == 3
    assert Config.from_env(max_traces=None).max_traces == 7


def test_our_variable_wins_over_opentelemetrys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    monkeypatch.setenv("OTEL_AGENTPROF_CAPTURE_CONTENT", "false")

    assert Config.from_env().capture_content is False


@pytest.mark.parametrize("text", ["many", "-1", "nan", "1.5"])
def test_a_value_that_cannot_be_read_is_told_and_left_alone(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_TRACES", text)

    with caplog.at_level(logging.WARNING):
        found = Config.from_env()

    assert found == Config()
    assert "OTEL_AGENTPROF_MAX_TRACES" in caplog.text


def test_an_unknown_variable_is_told_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_TRACE", "7")

    with caplog.at_level(logging.WARNING):
        Config.from_env()

    assert "did you mean OTEL_AGENTPROF_MAX_TRACES?" in caplog.text


def test_variables_are_read_once_and_again_when_one_of_ours_changes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_MAX_TRACES", "three")
    with caplog.at_level(logging.WARNING):
        first = Config.from_env()
        monkeypatch.setenv("SOMETHING_ELSE", "1")
        again = Config.from_env()
        monkeypatch.setenv("OTEL_AGENTPROF_MAX_TRACES", "3")
        changed = Config.from_env()
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        with_content = Config.from_env()

    assert again is first
    assert len(caplog.records) == 1
    assert (changed.max_traces, changed.capture_content) == (3, False)
    assert (with_content.max_traces, with_content.capture_content) == (3, True)


def test_every_setting_is_documented_with_its_variable() -> None:
    documentation = " ".join((Config.__doc__ or "").split())

    for setting in fields(Config):
        assert f"{setting.name}: " in documentation
        assert setting.metadata["variable"] in documentation


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, ()),
        ({"OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp", "console")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_TRACES_EXPORTER": "none"}, ()),
    ],
)
def test_exporters_are_what_the_variables_ask_for(
    variables: dict[str, str], wanted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert environment.exporters("TRACES") == wanted


def test_the_protocol_of_the_signal_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.otlp_protocol("TRACES") == "grpc"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    assert environment.otlp_protocol("TRACES") == "http/protobuf"


def test_headers_are_a_secret_even_under_a_misspelt_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_READ_HEADERS", "authorization=s3cret")
    monkeypatch.setenv("OTEL_AGENTPROF_READ_HEADER", "authorization=s3cret")

    assert "s3cret" not in repr((config.variables(), Config.from_env()))
    assert Config.from_env().read_headers == "authorization=s3cret"
