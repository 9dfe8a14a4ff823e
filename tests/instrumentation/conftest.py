"""A loopback server, and a pipeline whose finished spans a test can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import certifi
import pytest
from garbage import collect
from loopback import serve
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agentprof
from otel_agentprof import pricing
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan
    from surfaces import Surface


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have clients trust one authority: to load all takes 20 ms for each client, and none is met here."""
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    path = tmp_path_factory.mktemp("authorities") / "one.pem"
    path.write_text(first + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session")
def _server() -> Iterator[Loopback]:
    with serve() as server:
        yield server


@pytest.fixture
def server(_server: Loopback) -> Loopback:
    _server.begin_anew()
    return _server


@dataclass
class Spans:
    """The spans that have ended."""

    provider: TracerProvider
    exporter: InMemorySpanExporter

    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def only(self) -> ReadableSpan:
        (span,) = self.all()
        return span

    def facts(self) -> dict[str, Any]:
        return dict(self.only().attributes or {})


@pytest.fixture
def pipeline() -> Iterator[Spans]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Spans(provider, exporter)
    provider.shutdown()


@pytest.fixture
def spans(pipeline: Spans) -> Iterator[Spans]:
    """An instrumented process; at its end nothing of ours may have failed, and nothing may stay patched."""
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        assert pricing.wait(600)  # however busy the machine is
        engine = REGISTRY.slots["openai"].engine
        assert engine is not None
        yield pipeline
        collect()
        assert engine.failures == {}
        last = REGISTRY.slots["openai"].engine  # a test may instrument anew
        assert last is None or last.failures == {}
    otel_agentprof.uninstrument()


class Connect(Protocol):
    """Makes a sync client of the loopback server; it is closed when the test is over."""

    def __call__(self, surface: Surface, **options: Any) -> Any: ...


@pytest.fixture
def connect(server: Loopback) -> Iterator[Connect]:
    clients = []

    def make(surface: Surface, **options: Any) -> Any:
        clients.append(surface.make(server.url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
