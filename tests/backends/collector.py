"""The OpenTelemetry Collector with the configuration of docker-compose.yml, and the files that it writes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backends import composed
from backends.running import Start, started

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.loaded import read_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from backends.stores import Store

    from otel_agentprof.model import Span

# Every shape that its file exporter has, beside the JSON lines of the configuration itself.
OTHER_FILES: Final[Mapping[str, dict[str, str]]] = {
    "traces.jsonl.zst": {"compression": "zstd"},
    "traces.otlp": {"format": "proto"},
    "traces.otlp.zst": {"format": "proto", "compression": "zstd"},
}


@dataclass(frozen=True)
class Collector:
    """A Collector that runs.

    Attributes:
        grpc_url: Where it takes OTLP over gRPC.
        http_url: Where it takes OTLP over HTTP, below ``/v1/traces``.
        directory: Where ``traces.jsonl`` and the files of other shapes grow.
    """

    grpc_url: str
    http_url: str
    directory: Path

    @property
    def file(self) -> Path:
        """The JSON lines."""
        return self.directory / "traces.jsonl"

    def look(self, *trace_ids: str) -> list[Span]:
        """Return the spans of some traces that are in the file now."""
        try:
            spans = read_spans(self.file).spans
        except UnreadableTraceError:  # nothing has been written yet
            return []
        return [span for span in spans if span.trace_id in trace_ids]


@contextmanager
def running_collector(
    program: str, directory: Path, backends: Mapping[str, Store] | None = None
) -> Iterator[Collector]:
    """Run the Collector with free ports.

    Args:
        program: Its path.
        directory: Where its configuration, its log and its files go.
        backends: What it sends to, by the names of the configuration: ``jaeger``, ``tempo``.
    """

    def prepare(ports: Sequence[int]) -> Start:
        config = composed.collector(ports, directory, backends or {})
        for name, shape in OTHER_FILES.items():
            config["exporters"][f"file/{name}"] = {"path": str(directory / name), **shape}
            config["service"]["pipelines"]["traces"]["exporters"].append(f"file/{name}")
        place = directory / "collector.json"
        place.write_text(json.dumps(config))
        return Start([program, f"--config={place}"], f"http://127.0.0.1:{ports[2]}/")

    with started(prepare, port_count=3, log=directory / "collector.log") as ports:
        grpc, http, _ = (f"http://127.0.0.1:{port}" for port in ports)
        yield Collector(grpc, http, directory)
