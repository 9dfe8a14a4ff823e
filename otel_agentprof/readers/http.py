"""Answers of an HTTP server, asked patiently and not for ever.

A thread does the asking and this one waits, so that nothing holds longer than the deadline: not a name that
is not resolved, a host with many addresses, nor a server that sends a byte now and then. What has arrived
by then is kept.
"""

from __future__ import annotations

import base64
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from otel_agentprof import environment
from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import http_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.config import Config
    from otel_agentprof.readers.url import Address

_RETRIED: Final = frozenset({429, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 3
_FIRST_PAUSE_S: Final = 0.1  # doubled each time: five tries take 1.5 s
_MAX_TRIES: Final = 5
_CHUNK_BYTES: Final = 1 << 16
_BYTES_PER_S: Final = 1 << 18  # a server that sends faster than this is given the time that it takes
_MAX_BYTES: Final = 1 << 30
_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        body: As it came, packed or not.
        cut: Why there is no more of it; empty where it is whole.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: str = ""

    @property
    def is_found(self) -> bool:
        """Whether the server knows what was asked for."""
        return self.status != _NOT_FOUND

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, for people."""
        kind = self.headers.get("content-type", "")
        return "html" in kind or self.body[:64].lstrip().lower().startswith((b"<!doctype", b"<html"))


class Server:
    """One server, and how it is asked. Use it as a context manager: it keeps connections open."""

    def __init__(self, address: Address, settings: Config) -> None:
        self.address = address
        self._timeout_s = settings.read_timeout_s
        parts = urlsplit(address.origin)
        self._headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "agentprof"}
        if address.user:
            self._headers["authorization"] = f"Basic {base64.b64encode(address.user.encode()).decode()}"
        self._headers |= environment.read_headers(settings, parts.scheme, parts.hostname or "")
        certificate = environment.read_certificate(settings, parts.scheme, parts.hostname or "")
        self._pool = _pool(address.origin, certificate)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Answer:
        """Return the answer to a GET, which may be 404 or a web page.

        Raises:
            UnreadableTraceError: There is no server, it does not answer in time, or it refuses.
        """
        url = f"{self.address.origin}{self.address.base}{path}"
        if parameters:
            url += f"?{urlencode(parameters)}"
        deadline = time.monotonic() + self._timeout_s
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._answer(url, deadline)
            if answer.status not in _REDIRECTS:
                break
            url = self._next_url(url, answer)
        else:
            raise UnreadableTraceError(f"{self.address.origin} sends us round in circles")
        if answer.is_found and answer.status >= _FIRST_ERROR:
            raise UnreadableTraceError(http_errors.refusal(self.address.origin, answer.status, answer.body))
        return answer

    def _answer(self, url: str, deadline: float) -> Answer:
        """Return the first answer that is not worth another try, or the last one."""
        pause_s, tries = _FIRST_PAUSE_S, 1
        while True:
            outcome: Answer | http_errors.PassingError
            try:
                outcome = self._attempt(url, deadline)
            except http_errors.PassingError as error:
                outcome = error
            if isinstance(outcome, Answer):
                if outcome.status not in _RETRIED:
                    return outcome
                asked = outcome.headers.get("retry-after", "")
                pause_s = max(pause_s, float(asked) if asked.isascii() and asked.isdigit() else 0)
            if tries == _MAX_TRIES or time.monotonic() + pause_s > deadline:
                if isinstance(outcome, Answer):
                    return outcome
                raise http_errors.UnansweredError(f"{self.address.origin}: {outcome}") from outcome
            threading.Event().wait(pause_s)
            pause_s, tries = pause_s * 2, tries + 1

    def _attempt(self, url: str, deadline: float) -> Answer:
        """Ask once.

        Raises:
            PassingError: It may go better the next time.
            UnreadableTraceError: It will not.
        """
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        is_over = threading.Event()
        arguments = (self._pool, url, self._headers, self._timeout_s, events, is_over)
        threading.Thread(target=_ask, args=arguments, name="agentprof-read", daemon=True).start()
        try:
            return self._answer_of(events, deadline)
        finally:
            is_over.set()

    def _answer_of(self, events: queue.SimpleQueue[Any], deadline: float) -> Answer:
        """Put an answer together from what the asking thread tells."""
        head, body, cut = None, bytearray(), ""
        while not cut:
            allowed_s = deadline - time.monotonic() + len(body) / _BYTES_PER_S
            try:
                event = events.get(timeout=max(allowed_s, 0.001))
            except queue.Empty:
                cut = f"no answer within {self._timeout_s:g} s" if head is None else "it takes too long"
                break
            if event is None:
                break
            if isinstance(event, bytes):
                body += event
                cut = "it is too large" if len(body) > _MAX_BYTES else ""
            elif isinstance(event, Exception):
                if head is None:
                    raise http_errors.explained(event, self.address.origin)
                cut = "the connection broke"
            else:
                head = event
        if head is None:
            raise http_errors.UnansweredError(f"{self.address.origin}: {cut}")
        return Answer(head[0], head[1], bytes(body), cut)

    def _next_url(self, url: str, answer: Answer) -> str:
        """Return where a redirect leads; to another host it is not followed, for the headers are secrets."""
        target = urljoin(url, answer.headers.get("location", ""))
        here, there = urlsplit(url), urlsplit(target)
        is_same = (here.scheme, here.netloc) == (there.scheme, there.netloc)
        is_upgrade = here.hostname == there.hostname and (here.scheme, there.scheme) == ("http", "https")
        if is_same or is_upgrade:
            return target
        raise UnreadableTraceError(
            f"{self.address.origin} redirects to {there.hostname!r}: is a sign-in in front? "
            f"Name what it asks for in {environment.READ_HEADERS}, or give that address"
        )


def _ask(
    pool: Any,
    url: str,
    headers: Mapping[str, str],
    timeout_s: float,
    events: queue.SimpleQueue[Any],
    is_over: threading.Event,
) -> None:
    """Put status and headers, then the body in pieces, then None; or an error. Stop when it is over.

    Give up a little later than the one who waits: so it is always told in the same words.
    """
    try:
        from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415 - slow import

        with suppress_instrumentation():  # reading traces leaves no trace
            response = pool.request(
                "GET", url, headers=headers, redirect=False, timeout=timeout_s + 1, preload_content=False
            )
            try:
                events.put((response.status, {name.lower(): text for name, text in response.headers.items()}))
                while not is_over.is_set() and (piece := response.read1(_CHUNK_BYTES, decode_content=False)):
                    events.put(piece)
            finally:
                response.close()
        events.put(None)
    except Exception as error:  # noqa: BLE001 - it is for the one who waits to say what it means
        events.put(error)


def _pool(origin: str, certificate: str | None) -> Any:
    """Return urllib3's pool of connections, through the proxy that the environment names."""
    import ssl  # noqa: PLC0415 - only where a server is asked
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - likewise

    import urllib3  # noqa: PLC0415 - likewise

    options: dict[str, Any] = {"retries": False, "maxsize": 1}
    parts = urlsplit(origin)
    if parts.scheme == "https":
        options["ssl_context"] = context = ssl.create_default_context()
        if certificate is not None:
            try:
                context.load_verify_locations(certificate)
            except OSError as error:  # ssl.SSLError is one
                why = getattr(error, "strerror", None) or str(error)
                raise UnreadableTraceError(f"the CA file {certificate!r} cannot be read: {why}") from error
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", **options)
    return urllib3.PoolManager(**options)
