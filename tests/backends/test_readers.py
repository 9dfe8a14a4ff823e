"""One trace: live, in each file that the Collector writes, and read from each backend. One report."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from backends.collector import OTHER_FILES
from backends.running import until
from backends.sending import PROTOCOLS, an_agent, arrived, sending
from programs import agentprof

import otel_agentprof as ap
from otel_agentprof.errors import UnreadableTraceError

if TYPE_CHECKING:
    from pathlib import Path

    from backends.collector import Collector
    from backends.stores import Jaeger

_SPANS = 5


def sent_to(place: Any, protocol: str = "grpc", **naming: str) -> tuple[str, dict[str, Any]]:
    """Send the run of an agent; return its id and the report that was made while it was sent."""
    with sending(place, protocol, **naming) as (tracer, sent):
        trace_id = an_agent(tracer, time.time_ns())
    (report,) = sent.reports
    return trace_id, report.to_dict()


def report_of(source: Any, trace_id: str) -> dict[str, Any]:
    """Return the report of one of the traces in a source, as soon as it is there; {} in vain is no report."""

    def look() -> dict[str, Any]:
        try:
            trees = [tree for tree in ap.read(source) if tree.trace_id == trace_id]
        except UnreadableTraceError:  # nothing has been written yet
            return {}
        return ap.analyze(trees[0]).to_dict() if trees and len(trees[0].spans) == _SPANS else {}

    return until(look, f"{trace_id} in {source}")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["jaeger", "tempo"])
def test_a_backend_gives_the_live_report(name: str, protocol: str, request: pytest.FixtureRequest) -> None:
    backend: Any = request.getfixturevalue(name)
    trace_id, live = sent_to(backend, protocol)

    read = report_of(f"{name}+{backend.api_url}/{trace_id}", trace_id)

    assert read == live
    assert live["cost"]["total_usd"] > 0


@pytest.mark.parametrize("name", ["traces.jsonl", *OTHER_FILES])
def test_a_file_of_the_collector_gives_the_live_report(collector: Collector, name: str) -> None:
    trace_id, live = sent_to(collector)

    assert report_of(collector.directory / name, trace_id) == live


def test_a_file_of_the_collector_packed_by_gzip_gives_the_live_report(
    collector: Collector, tmp_path: Path
) -> None:
    trace_id, live = sent_to(collector)
    arrived(collector, _SPANS, trace_id)
    packed = tmp_path / "traces.jsonl.gz"
    packed.write_bytes(gzip.compress(collector.file.read_bytes()))

    assert report_of(packed, trace_id) == live


def test_the_command_line_reads_one_trace_or_a_search_from_jaeger(jaeger: Jaeger) -> None:
    service = f"read-{time.time_ns()}"
    runs = dict(sent_to(jaeger, service=service) for _ in range(3))
    arrived(jaeger, 3 * _SPANS, *runs)
    trace_id = next(iter(runs))

    one = agentprof("report", f"jaeger+{jaeger.api_url}/{trace_id}", "--format", "json")
    several = agentprof("report", f"jaeger+{jaeger.api_url}?service={service}&limit=20", "--format", "json")

    assert (one.returncode, several.returncode) == (0, 0), one.stderr + several.stderr
    assert json.loads(one.stdout) == runs[trace_id]
    assert {report["trace_id"]: report for report in json.loads(several.stdout)} == runs
