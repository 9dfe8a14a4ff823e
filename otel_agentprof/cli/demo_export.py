"""The demo's spans, sent to a Collector or a backend; what became of that in one line.

Nobody listens: a connection tells at once, where the exporter would try again for seconds. It tells of other
failures in log records only, one for each try: they are kept off the terminal, the last one is the reason.
"""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_agentprof.errors import AgentProfError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from urllib.parse import SplitResult

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

DEFAULT_ENDPOINT: Final = "http://localhost:4317"
_GRPC_PORT: Final = 4317
_HTTP_PORT: Final = 4318
_JAEGER_PORT: Final = 16686
_PATH: Final = "/v1/traces"
_TIMEOUT_S: Final = 5.0
_LONGEST_REASON: Final = 200


def checked(endpoint: str) -> str:
    """Return an endpoint as a URL; one without scheme is plain HTTP, one without port gRPC's.

    Raises:
        AgentProfError: It is none.
    """
    url = endpoint if "://" in endpoint else f"http://{endpoint}"
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        if is_good and parts.port is None:
            url = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{_port(parts)}").geturl()
    except ValueError:  # a port that is no number
        is_good = False
    if not is_good:
        raise AgentProfError(f"--otlp {endpoint!r} is no endpoint; give one such as {DEFAULT_ENDPOINT}")
    return url


def send(spans: Sequence[ReadableSpan], endpoint: str) -> str | None:
    """Send spans; return what went wrong, in one line, None where they were taken."""
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - slow imports, only for the demo

    parts = urlsplit(endpoint)
    try:
        socket.create_connection((parts.hostname or "", _port(parts)), _TIMEOUT_S).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    with _overheard() as told:
        exporter = _exporter(endpoint)
        result = exporter.export(spans)
        exporter.shutdown()
    if result is SpanExportResult.SUCCESS:
        return None
    return " ".join(told[-1].split())[:_LONGEST_REASON] if told else "no answer"


def places(trace_id: str, endpoint: str) -> tuple[str, str]:
    """Return where Jaeger shows a trace, and what to give ``agentprof report`` for it."""
    host = urlsplit(endpoint).hostname or ""
    jaeger = f"http://{f'[{host}]' if ':' in host else host}:{_JAEGER_PORT}"
    return f"{jaeger}/trace/{trace_id}", f"jaeger+{jaeger}/{trace_id}"


def _exporter(endpoint: str) -> SpanExporter:
    parts = urlsplit(endpoint)
    has_path = _has_path(parts)
    if has_path or parts.port == _HTTP_PORT:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415 - as above

        url = endpoint if has_path else endpoint.rstrip("/") + _PATH
        return http.OTLPSpanExporter(url, timeout=_TIMEOUT_S)
    from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc  # noqa: PLC0415 - as above

    return grpc.OTLPSpanExporter(endpoint, timeout=_TIMEOUT_S)


def _has_path(parts: SplitResult) -> bool:
    return parts.path not in ("", "/")


def _port(parts: SplitResult) -> int:
    if parts.port is not None:
        return parts.port
    if not _has_path(parts):
        return _GRPC_PORT
    return 443 if parts.scheme == "https" else 80


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Keep what the exporters log from everybody else, and give it."""
    told: list[str] = []
    logger = logging.getLogger("opentelemetry.exporter")
    propagated, ear = logger.propagate, _Ear(told)
    logger.propagate = False
    logger.addHandler(ear)
    try:
        yield told
    finally:
        logger.removeHandler(ear)
        logger.propagate = propagated


class _Ear(logging.Handler):
    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(record.getMessage())
