"""An OTLP receiver inside this process: gRPC and HTTP on free ports, and what came in as traces."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from otel_agentprof.cli import local_http
from otel_agentprof.model.tree import by_trace
from otel_agentprof.readers.losses import Losses
from otel_agentprof.readers.otlp_json import spans_of_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_agentprof.model import Span, SpanTree

PATIENCE_S: Final = 120.0  # of a machine that is busy with other things
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024


class Receiver:
    """What has come in.

    Attributes:
        grpc_url: Where OTLP over gRPC is answered.
        http_url: Where OTLP over HTTP is answered, below ``/v1/traces``.
        requests: Every export, as it came.
    """

    def __init__(self) -> None:
        self.grpc_url = self.http_url = ""
        self.requests: list[Any] = []
        self._changed = threading.Condition()

    def take(self, request: Any) -> None:
        """Keep one export, and wake who waits for it."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    @property
    def spans(self) -> list[Span]:
        """All spans so far, in the order in which they came."""
        losses = Losses()
        found = [
            span
            for request in list(self.requests)
            for span in spans_of_groups(MessageToDict(request).get("resourceSpans", []), losses)
        ]
        assert losses.notes() == ()
        return found

    @property
    def trees(self) -> list[SpanTree]:
        """The same as traces, in order of first appearance."""
        return list(by_trace(self.spans))

    def look(self, *trace_ids: str) -> list[Span]:
        """Return the spans of some traces so far."""
        return [span for span in self.spans if span.trace_id in trace_ids]

    def wait_for(self, is_there: Callable[[list[Span]], object]) -> list[Span]:
        """Return all spans as soon as they are what is waited for; fail after two minutes."""
        with self._changed:
            came = self._changed.wait_for(lambda: is_there(self.spans), PATIENCE_S)
        assert came, f"waited in vain; there are {sorted(span.name for span in self.spans)}"
        return self.spans


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive OTLP, plain or gzip, for as long as the block lasts."""
    receiver = Receiver()

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - gRPC's name
            receiver.take(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    def answer(request: local_http.Request) -> None:
        body = request.body()
        if request.path != "/v1/traces":
            return request.send_data(404, b"", {})
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        receiver.take(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        return request.send_data(200, b"", {"content-type": "application/x-protobuf"})

    with ThreadPoolExecutor(4) as pool, local_http.serving(answer) as receiver.http_url:
        server = grpc.server(pool, options=[("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)])
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
        receiver.grpc_url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield receiver
        finally:
            server.stop(grace=None).wait()
