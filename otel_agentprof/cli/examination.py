"""The facts that ``agentprof doctor`` tells, found out by looking: nothing is called, nothing is sent."""

from __future__ import annotations

import importlib
import platform
import sys
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
from opentelemetry.sdk.trace import TracerProvider

from otel_agentprof import __version__, api, config, pricing
from otel_agentprof.errors import UnknownPriceError
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.providers import PROVIDERS
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.instrumentation.registry import State, Target
    from otel_agentprof.instrumentation.spec import ProviderSpec

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
        "clients": [_client(spec, targets) for spec, targets in _patched()],
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


def _patched() -> Iterator[tuple[ProviderSpec, list[Target]]]:
    """Patch as ``instrument()`` would, look, and take it back."""
    if config.is_sdk_disabled():
        yield from ((spec, []) for spec in PROVIDERS)
        return
    chosen = api.chosen_providers()
    REGISTRY.patch(Engine(TracerProvider(shutdown_on_exit=False), version=__version__), chosen)
    try:
        for spec in chosen:
            _import_all(spec)
        targets = REGISTRY.targets()
    finally:
        REGISTRY.unpatch()
    for spec in PROVIDERS:
        yield spec, [target for target in targets if target.provider == spec.name]


def _import_all(spec: ProviderSpec) -> None:
    for path in dict.fromkeys(path.partition(":")[0] for call in spec.calls for path in call.targets):
        try:
            importlib.import_module(path)
        except Exception:  # noqa: BLE001, S112 - a client that is missing, broken or lacks an extra: its methods stay "waiting"
            continue


def _client(spec: ProviderSpec, targets: list[Target]) -> dict[str, Any]:
    version = _version(spec.name)
    states = Counter(target.state for target in targets)
    return {
        "name": spec.name,
        "version": version,
        "supported": spec.distribution,
        "methods": dict(states),
        "notes": list(_notes(spec, version, targets, states)),
    }


def _notes(
    spec: ProviderSpec, version: str | None, targets: list[Target], states: Counter[State]
) -> Iterator[str]:
    if version is None:
        return
    if get_dependency_conflicts([spec.distribution]):
        yield "this version is not known to work"
    if not targets:
        yield "left alone: OTEL_SDK_DISABLED or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS says so"
    if states["patched"]:
        yield f"patched: {states['patched']} methods"
    for owner in sorted({target.detail for target in targets if target.state == "foreign"}):
        methods = [target.path.partition(":")[2] for target in targets if target.detail == owner]
        yield f"wrapped by {owner} and left to it: {', '.join(methods)}"
    if states["missing"]:
        yield f"not in this version: {states['missing']} methods"
    if states["waiting"]:
        yield f"not importable here, perhaps an extra is not installed: {states['waiting']} methods"
    yield from _native(spec)


def _native(spec: ProviderSpec) -> Iterator[str]:
    if spec.native_switch is None:
        return
    variable, off = spec.native_switch
    if (chosen := config.value_of(variable)) is None:
        yield f"can trace itself: switched off by {variable}={off} while we are on"
    elif chosen != off:
        yield f"traces itself, as {variable}={chosen} asks: its own spans are used"


def _destination() -> Iterator[str]:
    if config.is_sdk_disabled():
        yield "nowhere: OTEL_SDK_DISABLED is true"
        return
    names = config.exporters("TRACES")
    for name in names:
        entry = (
            "otlp_proto_http"
            if name == "otlp" and config.otlp_protocol("TRACES").startswith("http")
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
    endpoint = config.value_of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or config.value_of(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    is_http = config.otlp_protocol("TRACES").startswith("http")
    default = f"http://localhost:{4318 if is_http else 4317}"
    return f" to {_without_password(endpoint or default)} ({config.otlp_protocol('TRACES')})"


def _without_password(value: str) -> str:
    if not value.startswith(_HOSTED):
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _prices() -> Iterator[str]:
    own = config.value_of("OTEL_AGENTPROF_PRICES")
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
