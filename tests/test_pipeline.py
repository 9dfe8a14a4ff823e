"""What instrument() sets up as the OTEL_* variables ask, in a process of its own each time."""

from __future__ import annotations

from typing import Any

import pytest
from faulty_backend import HttpBackend, running
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from programs import python

from otel_agentprof.cli import local_http

_PROGRAM = """
import otel_agentprof as ap
handle = ap.instrument()
with ap.agent("planner"):
    with ap.tool("search"):
        pass
"""


def exported(code: str = _PROGRAM, **environment: str) -> tuple[list[str], dict[str, Any]]:
    """Return the paths that a program asked at an OTLP server, and the metrics that came there by name."""
    paths: list[str] = []
    found: dict[str, Any] = {}

    def answer(request: local_http.Request) -> None:
        body = request.body()
        paths.append(request.path)
        if request.path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    found.update({metric.name: metric for metric in scope.metrics})
        request.send_data(200, b"", {})

    with local_http.serving(answer) as url:
        given = {name: value.format(url=url) for name, value in environment.items()}
        python(code, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", **given)
    return paths, found


def test_metrics_exporter_that_is_asked_for_gets_the_last_run_of_the_process() -> None:
    paths, found = exported(OTEL_METRICS_EXPORTER="otlp", OTEL_SERVICE_NAME="mine")

    (duration,) = found["agentprof.run.duration"].histogram.data_points
    (spans,) = found["agentprof.processor.spans"].sum.data_points
    assert {attribute.key: attribute.value.string_value for attribute in duration.attributes} == {
        "gen_ai.agent.name": "planner"
    }
    assert spans.as_int == 2
    assert sorted(set(paths)) == ["/v1/metrics", "/v1/traces"]


@pytest.mark.parametrize(
    "asked",
    [{}, {"OTEL_METRICS_EXPORTER": "none"}, {"OTEL_METRICS_EXPORTER": ""}],
    ids=["unset", "none", "empty"],
)
def test_endpoint_alone_asks_for_no_metrics(asked: dict[str, str]) -> None:
    paths, _ = exported(**asked)

    assert set(paths) == {"/v1/traces"}


def test_endpoint_of_metrics_asks_for_metrics() -> None:
    _, found = exported(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="{url}/v1/metrics")

    assert "agentprof.run.duration" in found


def test_meter_provider_of_the_program_is_left_alone() -> None:
    out, _ = python(
        "from opentelemetry import metrics\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "mine = MeterProvider()\n"
        "metrics.set_meter_provider(mine)\n" + _PROGRAM + "print(metrics.get_meter_provider() is mine)",
        OTEL_METRICS_EXPORTER="console",
    )

    assert out == "True\n"


def test_metric_reader_that_is_named_as_an_exporter_is_used_as_one(tmp_path: Any) -> None:
    (tmp_path / "mine.py").write_text(
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "class Reader(InMemoryMetricReader):\n"
        "    def shutdown(self, *_args, **_options):\n"
        "        data = self.get_metrics_data().resource_metrics[0].scope_metrics\n"
        "        names = {metric.name for scope in data for metric in scope.metrics}\n"
        "        print('agentprof.run.duration' in names)\n"
    )
    information = tmp_path / "mine-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[opentelemetry_metrics_exporter]\nmine = mine:Reader\nbroken = mine:Nothing\n"
    )

    out, told = python(_PROGRAM, OTEL_METRICS_EXPORTER="mine,broken", PYTHONPATH=str(tmp_path))

    assert out == "True\n"
    assert "exporter 'broken' cannot be made; OTEL_METRICS_EXPORTER is not followed there" in told


def test_settings_that_an_exporter_refuses_do_not_end_the_program() -> None:
    out, told = python(
        _PROGRAM + "print(handle.processor.force_flush())",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_COMPRESSION="zip",
    )

    assert out == "True\n"
    assert "exporter 'otlp' cannot be made" in told


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_program_whose_backend_is_down_ends_well_and_its_losses_are_counted(protocol: str) -> None:
    with running(HttpBackend) as backend:
        port = backend.port  # nobody listens there from here on

    out, told = python(
        _PROGRAM + "handle.processor.force_flush()\nprint(dict(handle.processor.stats.lost))",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )

    assert out == "{'export': 2}\n"
    assert told.count("spans cannot be exported; those that are lost are counted") == 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_metrics_that_nobody_takes_do_not_hold_the_end_of_the_program_up(protocol: str) -> None:
    with running(HttpBackend) as backend:
        port = backend.port  # nobody listens there from here on

    _, told = python(
        "import otel_agentprof.pipeline as p\np._LAST_CHANCE_S = 0.1\n" + _PROGRAM,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_TIMEOUT="600",  # for as long as the SDK would try
    )

    assert "Shutdown in progress, aborting retry." in told
