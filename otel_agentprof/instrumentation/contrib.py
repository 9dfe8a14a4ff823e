"""OpenTelemetry's own instrumentations of what lies below the calls of agents: HTTP clients and databases.

    chat gpt    |-----------------------|     ours
      POST        |----| 429                  theirs: every attempt is seen
      POST                  |-----------|

Those that are installed are switched on together with ours, unless the program did so itself, and switched
off again with ours. What happens outside of any trace starts none: a server that polls has no reports of it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import trace

from otel_agentprof.instrumentation.framework import FrameworkSpec, LeftAloneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.framework import Attachment

_PREFIX: Final = "opentelemetry.instrumentation."


class Contrib(NamedTuple):
    """One of those instrumentations.

    Attributes:
        module: Its import makes the instrumentation needed.
        distribution: What to install, without the common prefix.
        instrumentor: Its class, without the common prefix of the module.
    """

    module: str
    distribution: str
    instrumentor: str


# By the name that ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` knows. Without botocore: it makes spans with
# tokens for the calls of Bedrock, which have ours; what botocore sends is seen through urllib3.
TABLE: Final = {
    "requests": Contrib("requests", "requests", "requests:RequestsInstrumentor"),
    "urllib3": Contrib("urllib3", "urllib3", "urllib3:URLLib3Instrumentor"),
    "httpx": Contrib("httpx", "httpx", "httpx:HTTPXClientInstrumentor"),
    "httpx2": Contrib("httpx2", "httpx", "httpx:HTTPX2ClientInstrumentor"),
    "aiohttp-client": Contrib("aiohttp", "aiohttp-client", "aiohttp_client:AioHttpClientInstrumentor"),
    "redis": Contrib("redis", "redis", "redis:RedisInstrumentor"),
    "psycopg": Contrib("psycopg", "psycopg", "psycopg:PsycopgInstrumentor"),
    "psycopg2": Contrib("psycopg2", "psycopg2", "psycopg2:Psycopg2Instrumentor"),
    "asyncpg": Contrib("asyncpg", "asyncpg", "asyncpg:AsyncPGInstrumentor"),
    "sqlalchemy": Contrib("sqlalchemy", "sqlalchemy", "sqlalchemy:SQLAlchemyInstrumentor"),
    "sqlite3": Contrib("sqlite3", "sqlite3", "sqlite3:SQLite3Instrumentor"),
    "pymongo": Contrib("pymongo", "pymongo", "pymongo:PymongoInstrumentor"),
}


def spec_of(name: str) -> FrameworkSpec:
    """Return what we know of one of them."""
    row = TABLE[name]
    return FrameworkSpec(
        name=name,
        distribution=f"opentelemetry-instrumentation-{row.distribution}>=0.61b0",
        attach=partial(_switch_on, row),
        note="switched on, for spans inside a trace",
    )


def preload(name: str) -> None:
    """Import one that will be needed; what fails here fails again, and is told, when it is switched on."""
    with suppress(Exception):
        import_module(_PREFIX + TABLE[name].instrumentor.partition(":")[0])


def _switch_on(row: Contrib, attachment: Attachment) -> Callable[[], None]:
    home, _, kind = row.instrumentor.partition(":")
    try:
        make = getattr(import_module(_PREFIX + home), kind, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{_PREFIX}{home}".startswith(error.name):
            raise  # it is there, and lacks something
        make = None
    if make is None:
        raise LeftAloneError(f"{_PREFIX}{home} is not installed, or too old for {row.module}")
    instrumentor: Any = make()
    if instrumentor.is_instrumented_by_opentelemetry:
        raise LeftAloneError("the program has switched it on itself")
    try:
        instrumentor.instrument(
            tracer_provider=_InsideTraces(attachment.tracer_provider),
            meter_provider=attachment.meter_provider,
            raise_exception_on_conflict=True,
        )
    except Exception as error:
        if type(error).__name__ != "DependencyConflictError":  # its home has moved between versions
            raise
        raise LeftAloneError(str(error)) from error
    return partial(_switch_off, instrumentor)


def _switch_off(instrumentor: Any) -> None:
    if instrumentor.is_instrumented_by_opentelemetry:  # the program may have done it
        instrumentor.uninstrument()


class _InsideTraces(trace.TracerProvider):
    """A tracer provider whose spans all have a parent: without one they record nothing."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        return _InsideTracer(self._provider.get_tracer(*args, **kwargs))


class _InsideTracer(trace.Tracer):
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def start_span(self, name: str, context: Any = None, *args: Any, **kwargs: Any) -> trace.Span:
        return _inside(self._tracer, context).start_span(name, context, *args, **kwargs)

    def start_as_current_span(self, name: str, context: Any = None, *args: Any, **kwargs: Any) -> Any:
        return _inside(self._tracer, context).start_as_current_span(name, context, *args, **kwargs)


def _inside(tracer: trace.Tracer, context: Any) -> trace.Tracer:
    is_inside = trace.get_current_span(context).get_span_context().is_valid
    return tracer if is_inside else _NO_TRACER


_NO_TRACER: Final = trace.NoOpTracer()
