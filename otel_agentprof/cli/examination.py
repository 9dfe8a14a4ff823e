"""The facts that ``agentprof doctor`` tells, found out by looking: nothing is called, nothing is sent."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from otel_agentprof import __version__, config, environment, pricing
from otel_agentprof.cli import library_check
from otel_agentprof.errors import UnknownPriceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHERS: Final = (  # distributions that trace the calls of these clients; exact names, as pip knows them
    "opentelemetry-instrumentation-openai",
    "opentelemetry-instrumentation-openai-v2",
    "opentelemetry-instrumentation-anthropic",
    "opentelemetry-instrumentation-genai-openai",
    "opentelemetry-instrumentation-genai-anthropic",
    "openinference-instrumentation-openai",
    "openinference-instrumentation-anthropic",
    "openlit",
    "traceloop-sdk",
    "logfire",
    "langfuse",
    "ddtrace",
)
_ADVICE: Final = "where it wraps a method first we leave that method to it; switch one of the two off"
_HOSTED: Final = ("http://", "https://")


def facts() -> dict[str, Any]:
    """Return everything, as plain JSON types."""
    return {
        "versions": {
            "agentprof": __version__,
            "Python": f"{platform.python_version()} ({sys.executable})",
            "OTel API": _version("opentelemetry-api") or "missing",
            "OTel SDK": _version("opentelemetry-sdk") or "missing",
        },
        "libraries": list(library_check.rows()),
        "others": [
            {"name": name, "version": version, "advice": _ADVICE}
            for name in _OTHERS
            if (version := _version(name)) is not None
        ],
        "destination": list(_destination()),
        "prices": list(_prices()),
        "variables": [
            {"name": name, "value": _without_password(value), "problem": problem}
            for name, value, problem in config.variables()
        ],
    }


def _destination() -> Iterator[str]:
    if environment.is_sdk_disabled():
        yield "nowhere: OTEL_SDK_DISABLED is true"
        return
    names = environment.exporters("TRACES")
    for name in names:
        entry = (
            "otlp_proto_http"
            if name == "otlp" and environment.otlp_protocol("TRACES").startswith("http")
            else name
        )
        known = list(metadata.entry_points(group="opentelemetry_traces_exporter", name=entry))
        missing = "" if known else ", but no such exporter is installed"
        yield f"exporter {name}{_endpoint(name)}{missing}; whether it can be reached is not tried here"
    if not names:
        yield "reports only: no OTEL_TRACES_EXPORTER and no OTLP endpoint is set"
    yield "a tracer provider of your program's own comes before this"


def _endpoint(name: str) -> str:
    if not name.startswith("otlp"):
        return ""
    endpoint = environment.value_of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.value_of(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    is_http = environment.otlp_protocol("TRACES").startswith("http")
    default = f"http://localhost:{4318 if is_http else 4317}"
    return f" to {_without_password(endpoint or default)} ({environment.otlp_protocol('TRACES')})"


def _without_password(value: str) -> str:
    if not value.startswith(_HOSTED):
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _prices() -> Iterator[str]:
    own = environment.value_of("OTEL_AGENTPROF_PRICES")
    try:
        pricing.configure(own or None, is_strict=True)
    except UnknownPriceError as error:
        yield f"your own are ignored: {error}"
    else:
        if own:
            yield f"your own first: {own}"
    table = pricing.price_table()
    if not table:
        yield "no table: genai-prices cannot be loaded, costs stay unknown"
        return
    yield table
    from otel_agentprof.pricing import offers  # noqa: PLC0415 - needs genai-prices

    known = offers.describe("gpt-4o")
    if known is not None and known.newest is not None:
        yield f"newest price in it is of {known.newest}"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
