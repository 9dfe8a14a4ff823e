"""What went wrong with a server, in one line that says what to do."""

from __future__ import annotations

import io
import json
import re
from typing import Final

from otel_agentprof import environment
from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.inflated import GZIP, Inflated
from otel_agentprof.readers.losses import Losses, one_line

_MAX_BODY: Final = 20_000
_MAX_TEXT: Final = 200  # of a server's own words
_REFUSED: Final = {401: "wants to know who asks", 403: "does not allow this"}


class UnansweredError(UnreadableTraceError):
    """There is no server, or it does not answer: asking it anything else is of no use."""


class PassingError(Exception):
    """What may be over the next time; the text says what it was."""


def explained(error: Exception, origin: str) -> Exception:
    """Return the error to raise for one of urllib3's, met before there was an answer."""
    from urllib3 import exceptions as known  # noqa: PLC0415 - slow import, only where a server is asked

    if isinstance(error, known.NewConnectionError) and not isinstance(error, known.NameResolutionError):
        return PassingError(f"no server can be reached there: {_cause(error)}")
    if isinstance(error, known.ProtocolError):
        return PassingError(f"the connection was closed without an answer ({_cause(error)}): http, or https?")
    if isinstance(error, known.SSLError):
        why = _tls(str(error))
    elif isinstance(error, known.NameResolutionError):
        why = "the host name is not known"
    elif isinstance(error, known.ProxyError):
        why = f"the proxy cannot be used: {_cause(error)}"
    else:
        why = f"{type(error).__name__}: {_cause(error)}"
    return UnansweredError(f"{origin}: {why}")


def refusal(origin: str, status: int, body: bytes) -> str:
    """Return what to say about an answer that is an error."""
    said = words_of(body)
    if status in _REFUSED:
        return (
            f"{origin} {_REFUSED[status]} ({status}){said}; give it what it asks for in "
            f"{environment.READ_HEADERS}, such as authorization=Bearer%20TOKEN"
        )
    return f"{origin} answered with an error ({status}){said}"


def words_of(body: bytes) -> str:
    """Return what a server says about an error, as the end of a sentence; empty where it says nothing."""
    if body.startswith(GZIP.magic):
        body = Inflated(io.BufferedReader(io.BytesIO(body)), Losses(), GZIP).read(_MAX_BODY)
    text = body[:_MAX_BODY].decode("utf-8", "replace").strip()
    try:
        text = _message(json.loads(text)) or text
    except (ValueError, RecursionError):
        if text.startswith("<"):
            return ""
    words = one_line(text)[:_MAX_TEXT]
    return f": {words}" if words else ""


def _message(document: object) -> str:
    """Return the message in an error of gRPC's gateway, of Jaeger, or of FastAPI."""
    if isinstance(document, list):
        document = document[0] if document else None
    if isinstance(document, str):
        return document
    if not isinstance(document, dict):
        return ""
    for key in ("error", "errors", "message", "msg", "detail"):
        if found := _message(document.get(key)):
            return found
    return ""


def _tls(text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = re.search(r"certificate verify failed: ([^(\]]+)", text)
        return (
            f"its certificate cannot be verified ({why[1].strip() if why else 'no reason given'}); "
            f"name the file of its CA in {environment.READ_CERTIFICATE}"
        )
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text:
        return "there is no TLS there; is it http, not https?"
    return f"TLS failed: {text[:_MAX_TEXT]}"


def _cause(error: BaseException) -> str:
    """Return the system's own words where it has some, else the error's."""
    here: BaseException | None = error
    while here is not None:
        if isinstance(here, OSError) and here.strerror:
            return here.strerror[:1].lower() + here.strerror[1:]
        here = here.__cause__ or here.__context__
    return str(error)[:_MAX_TEXT]
