"""An OTLP backend that fails as told: it refuses, hangs, goes away and comes back on the same port."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from otel_agentprof.cli import local_http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace.export import SpanExporter

_Request = trace_service_pb2.ExportTraceServiceRequest
_Response = trace_service_pb2.ExportTraceServiceResponse
_TIMEOUT_S = 1.0  # of an export, so that the retries of a backend that is down do not take long


class _Taking:
    """What both kinds have in common.

    Attributes:
        names: Of the spans that it took.
        sizes: Bytes of the requests that it took.
        refusal: Status of its answers while it refuses, None: it takes everything.
        gate: Cleared while it does not answer.
        delay_s: How long each answer takes.
        asked: Set when a request has come.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.refusal: Any = None
        self.gate, self.asked = threading.Event(), threading.Event()
        self.gate.set()
        self.delay_s = 0.0
        self.port = 0

    def take(self, request: Any) -> bool:
        self.asked.set()
        self.gate.wait(60)
        time.sleep(self.delay_s)
        if self.refusal is not None:
            return False
        self.sizes.append(request.ByteSize())
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
        return True


class GrpcBackend(_Taking):
    """gRPC, with the limit of 4 MiB that its servers have by default."""

    fatal, transient = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE
    too_large = grpc.StatusCode.RESOURCE_EXHAUSTED
    refusals = (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
    )

    def start(self) -> None:
        backend = self

        class Service(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
                if not backend.take(request):
                    context.abort(backend.refusal, "as told")
                return _Response()

        self._pool = ThreadPoolExecutor(4)
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(Service(), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
        self._pool.shutdown()

    def exporter(self, scheme: str = "http", timeout_s: float = _TIMEOUT_S) -> SpanExporter:
        return GrpcExporter(endpoint=f"{scheme}://127.0.0.1:{self.port}", timeout=timeout_s)


class HttpBackend(_Taking):
    """HTTP with protobuf."""

    fatal, transient, too_large = 400, 503, 413
    refusals = (400, 401, 413, 429, 500, 503)

    def start(self) -> None:
        backend = self

        class Handler(local_http.Request):
            def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
                is_taken = backend.take(_Request.FromString(self.body()))
                self.send_data(200 if is_taken else backend.refusal, b"", {"connection": "close"})

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def exporter(self, scheme: str = "http", timeout_s: float = _TIMEOUT_S) -> SpanExporter:
        return HttpExporter(endpoint=f"{scheme}://127.0.0.1:{self.port}/v1/traces", timeout=timeout_s)


@contextmanager
def running(kind: type[GrpcBackend | HttpBackend]) -> Iterator[Any]:
    """Run a backend until the block ends."""
    backend = kind()
    backend.start()
    try:
        yield backend
    finally:
        backend.gate.set()
        backend.stop()
