"""Backends that keep traces: how each one is started, and how a trace is read back through its own API.

What an API answers is OTLP in JSON, each in its own manner; the reader of files takes all of them.
"""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from backends import composed
from backends.running import Start, fetch, or_none, started

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.loaded import read_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from otel_agentprof.model import Span


@dataclass(frozen=True)
class Store:
    """A backend that runs.

    Attributes:
        api_url: Where traces are asked for.
        grpc_url: Where it takes OTLP over gRPC.
        http_url: Where it takes OTLP over HTTP, below ``/v1/traces``.
    """

    api_url: str
    grpc_url: str
    http_url: str
    path: ClassVar[str]

    def look(self, *trace_ids: str) -> list[Span]:
        """Return the spans of some traces that it shows now."""
        return [span for trace_id in trace_ids for span in self._trace(trace_id)]

    def ask(self, path: str, **parameters: object) -> Any:
        """Return what its API answers, as JSON."""
        return json.loads(fetch(f"{self.api_url}{path}?{urlencode(parameters)}") or b"null")

    def _trace(self, trace_id: str) -> list[Span]:
        document = or_none(lambda: fetch(self.api_url + self.path.format(trace_id)))
        return _spans(document) if document else []


class Jaeger(Store):
    """Jaeger 2, traces in its memory."""

    path = "/api/v3/traces/{}"

    def find(self, service: str, since_s: float, until_s: float, **tags: object) -> set[str]:
        """Return the ids of the traces of a service that have one span with all these attributes.

        Jaeger 2.13 looks for attributes in its old API only, which 2.20 does not have any more.
        """
        wanted = json.dumps({name: _as_tag(value) for name, value in tags.items()})
        old = {"service": service, "start": int(since_s * 1e6), "end": int(until_s * 1e6), "limit": 1_000}
        new = {
            "query.service_name": service,
            "query.start_time_min": _rfc3339(since_s),
            "query.start_time_max": _rfc3339(until_s),
            "query.search_depth": 1_000,
            "query.attributes": wanted,
        }
        for path, query in (("traces", {**old, "tags": wanted}), ("v3/traces", new)):
            address = f"{self.api_url}/api/{path}?{urlencode(query)}"
            if document := or_none(lambda here=address: fetch(here)):  # type: ignore[misc]
                return {span.trace_id for span in _spans(document)}
        return set()


class Tempo(Store):
    """Tempo, everything in one process."""

    path = "/api/v2/traces/{}"

    def search(self, query: str) -> list[str]:
        """Return the ids of the traces that a TraceQL query finds."""
        found = self.ask("/api/search", q=query, limit=100)
        return [trace["traceID"].zfill(32) for trace in found.get("traces", [])]


class Phoenix(Store):
    """Arize Phoenix."""

    path = "/v1/projects/default/spans/otlpv1?limit=1000&trace_id={}"

    def _trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, page after page."""
        found: list[Span] = []
        address: str | None = self.api_url + self.path.format(trace_id)
        first = address
        while address:
            document = or_none(lambda here=address: json.loads(fetch(here)))  # type: ignore[misc]
            if not document:
                break
            if document["data"]:
                found += _spans(json.dumps({"resourceSpans": [_group(document["data"])]}).encode())
            cursor = document.get("next_cursor")
            address = f"{first}&cursor={quote(cursor)}" if cursor else None
        return found


@contextmanager
def running_jaeger(program: str, directory: Path) -> Iterator[Jaeger]:
    """Run Jaeger with free ports."""

    def prepare(ports: Sequence[int]) -> Start:
        config = directory / "jaeger.json"
        config.write_text(json.dumps(_jaeger_config(*(f"127.0.0.1:{port}" for port in ports))))
        ready_url = f"http://127.0.0.1:{ports[4]}/status"
        # It would trace its own API, and wait ten seconds at its end for a server that is not there.
        return Start([program, f"--config={config}"], ready_url, {"OTEL_TRACES_SAMPLER": "always_off"})

    with started(prepare, port_count=5, log=directory / "jaeger.log") as ports:
        api, _, grpc, http, _ = (f"http://127.0.0.1:{port}" for port in ports)
        yield Jaeger(api, grpc, http)


@contextmanager
def running_tempo(program: str, directory: Path) -> Iterator[Tempo]:
    """Run Tempo with free ports."""

    def prepare(ports: Sequence[int]) -> Start:
        config = directory / "tempo.json"
        config.write_text(json.dumps(composed.tempo(ports, directory)))
        return Start([program, "-target=all", f"-config.file={config}"], f"http://127.0.0.1:{ports[0]}/ready")

    with started(prepare, port_count=4, log=directory / "tempo.log") as ports:
        api, _, grpc, http = (f"http://127.0.0.1:{port}" for port in ports)
        yield Tempo(api, grpc, http)


@contextmanager
def running_phoenix(program: str, directory: Path) -> Iterator[Phoenix]:
    """Run Phoenix with free ports."""

    def prepare(ports: Sequence[int]) -> Start:
        api, grpc = ports
        places = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(api),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_WORKING_DIR": str(directory),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        return Start([program, "serve"], f"http://127.0.0.1:{api}/healthz", places)

    with started(prepare, port_count=2, log=directory / "phoenix.log") as ports:
        api, grpc = (f"http://127.0.0.1:{port}" for port in ports)
        yield Phoenix(api, grpc, api)


def at(kind: type[Store], url: str) -> Any:
    """Return a backend that runs already; it takes OTLP at the usual ports of its host."""
    address = urlsplit(url)
    host = f"{address.scheme}://{address.hostname}"
    if kind is Phoenix:  # which takes it beside its pages
        return kind(url.rstrip("/"), f"{host}:4317", url.rstrip("/"))
    return kind(url.rstrip("/"), f"{host}:4317", f"{host}:4318")


def _spans(document: bytes) -> list[Span]:
    try:
        loaded = read_spans(io.BytesIO(document))
    except UnreadableTraceError:  # it answers, and there are no spans (yet)
        return []
    assert loaded.notes == ()
    return list(loaded.spans)


def _group(spans: list[Any]) -> dict[str, Any]:
    return {"scopeSpans": [{"spans": spans}]}


def _as_tag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rfc3339(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _jaeger_config(api: str, api_grpc: str, grpc: str, http: str, health: str) -> dict[str, Any]:
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
        "extensions": {
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": api},
                "grpc": {"endpoint": api_grpc},
            },
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 100_000}}}},
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": health}},
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }
