"""Addresses of traces that a server keeps.

jaeger+http://localhost:16686/TRACEID            tempo+https://host/base/path/TRACEID
jaeger+http://localhost:16686?service=x&limit=5  tempo+http://host:3200?q={ span.x > 1 }
phoenix+http://localhost:6006/PROJECT/TRACEID    phoenix+http://localhost:6006?project=PROJECT
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from otel_agentprof.errors import UnreadableTraceError

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPECTED: Final = (
    "an address is jaeger+http://HOST:PORT/TRACEID or ?service=NAME, tempo+http://HOST:PORT/TRACEID or "
    "?q=TRACEQL, phoenix+http://HOST:PORT/PROJECT/TRACEID or ?project=NAME; https works likewise"
)
DEFAULT_LIMIT: Final = 20
_IS_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9]*\+)?https?://", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=://)[^/@?#]*@")
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{1,32}")
_WINDOW: Final = ("limit", "lookback", "start", "end")
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "jaeger": ("service", "operation", "min_duration", "max_duration", *_WINDOW),
    "tempo": ("q", *_WINDOW),
    "phoenix": ("project", *_WINDOW),
}
_PAGES: Final[Mapping[str, re.Pattern[str]]] = {  # what stands before the id where people copy it from
    "jaeger": re.compile(r"/trace$"),
    "tempo": re.compile(r"/api(/v2)?/traces$"),
    "phoenix": re.compile(r"/projects/(?P<project>[^/]+)/(traces|spans)$"),
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DEFAULT_LOOKBACK: Final = "24h"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what is wanted of it.

    Attributes:
        kind: ``jaeger``, ``tempo`` or ``phoenix``.
        origin: Scheme, host and port, such as ``http://localhost:16686``.
        base: The path that the server's own paths begin with, without a slash at its end.
        trace_id: The one trace, in lower case; None for a search.
        parameters: Of the search, or Phoenix's project; only known ones.
        user: ``name:password``, where the address has them.
    """

    kind: str
    origin: str
    base: str
    trace_id: str | None
    parameters: Mapping[str, str]
    user: str = ""

    @property
    def limit(self) -> int:
        """How many traces a search gives at most."""
        return int(self.parameters.get("limit", DEFAULT_LIMIT))

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return when the traces of a search began: from, to; the last 24 hours unless it says otherwise."""
        end = _moment(self.parameters["end"]) if "end" in self.parameters else now
        if "start" in self.parameters:
            return _moment(self.parameters["start"]), end
        back = seconds_of(self.parameters.get("lookback", _DEFAULT_LOOKBACK))
        return end - timedelta(seconds=back), end


def is_address(source: object) -> bool:
    """Return whether a source is on a server rather than in a file."""
    return isinstance(source, str) and _IS_ADDRESS.match(source) is not None


def shown(text: str) -> str:
    """Return an address for people: without what stands for a user and a password."""
    return _USER.sub("", text)


def parse(text: str) -> Address:
    """Return what an address says.

    Raises:
        UnreadableTraceError: It does not say what kind of server, where, or what is wanted.
    """
    scheme, _, rest = text.partition("://")
    kind, plus, scheme = scheme.lower().rpartition("+")
    if not plus or kind not in _PARAMETERS:
        raise UnreadableTraceError(f"{shown(text)!r} does not say what kind of server it is; {EXPECTED}")
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError as error:
        raise UnreadableTraceError(f"{shown(text)!r}: {error}; {EXPECTED}") from error
    if not parts.hostname:
        raise UnreadableTraceError(f"{shown(text)!r} names no host; {EXPECTED}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{scheme}://{host}" + (f":{port}" if port is not None else "")
    parameters = _parameters(kind, text, rest.partition("#")[0].partition("?")[2])
    base, trace_id = _path(kind, text, parts, parameters)
    user = "" if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Address(kind, origin, base, trace_id, parameters, user)


def seconds_of(text: str) -> float:
    """Return a duration such as ``90s``, ``1.5h`` or ``2d`` in seconds.

    Raises:
        ValueError: It is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration such as 30m, 24h or 7d")
    return float(found[1]) * _SECONDS[found[2]]


def _path(kind: str, text: str, parts: SplitResult, parameters: dict[str, str]) -> tuple[str, str | None]:
    """Return the base path and the trace id; a project on the way is put among the parameters."""
    path = parts.path.rstrip("/")
    base, _, last = path.rpartition("/")
    is_search = bool(parameters.keys() & {"service", "q"}) or (kind == "phoenix" and "project" in parameters)
    if not _TRACE_ID.fullmatch(last) or not last.strip("0"):
        if not is_search:
            raise UnreadableTraceError(
                f"{shown(text)!r} names no trace: {last!r} is no trace id of 16 or 32 hex digits; {EXPECTED}"
                if last
                else f"{shown(text)!r} names no trace and no search; {EXPECTED}"
            )
        return path, None
    page = _PAGES[kind].search(base)
    if page is not None:
        base = base[: page.start()]
        for name, value in page.groupdict().items():
            parameters.setdefault(name, unquote(value))
    elif kind == "phoenix" and "project" not in parameters and base:
        base, _, project = base.rpartition("/")
        parameters["project"] = unquote(project)
    return base, last.lower()


def _parameters(kind: str, text: str, query: str) -> dict[str, str]:
    known = _PARAMETERS[kind]
    found: dict[str, str] = {}
    # TraceQL has "&&" in it, and people do not escape what their shell lets through.
    between = rf"&(?=(?:{'|'.join(known)})=)" if kind == "tempo" else "&"
    for pair in filter(None, re.split(between, query)):
        name, _, value = pair.partition("=")
        if name not in known:
            raise UnreadableTraceError(
                f"{shown(text)!r}: there is no parameter {name!r}; there are {', '.join(known)}"
            )
        is_escaped = name != "q" or not re.search(r"[ {]", value)
        found[name] = unquote_plus(value) if is_escaped else unquote(value)
    given = {name: value for name, value in found.items() if value}
    try:
        _check(given)
    except (ValueError, OverflowError) as error:
        raise UnreadableTraceError(f"{shown(text)!r}: {error}") from error
    return given


def _check(parameters: Mapping[str, str]) -> None:
    limit = parameters.get("limit", "1")
    if not (limit.isascii() and limit.isdigit() and int(limit)):
        raise ValueError(f"limit={limit} is no number of traces")
    for name in ("lookback", "min_duration", "max_duration"):
        if name in parameters:
            timedelta(seconds=seconds_of(parameters[name]))
    for name in ("start", "end"):
        if name in parameters:
            _moment(parameters[name])


def _moment(text: str) -> datetime:
    """Return a time that is written in seconds since 1970, or as ISO 8601 (UTC where it does not say).

    Raises:
        ValueError: It is neither.
    """
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time such as 2026-11-29T18:00:00Z or 1796061600") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
