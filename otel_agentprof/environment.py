"""The environment of the process, but for our settings (``config.py``): what it says, what we change."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_agentprof.config import Config

_LOGGER = logging.getLogger(__name__)
READ_HEADERS: Final = "OTEL_AGENTPROF_READ_HEADERS"
READ_CERTIFICATE: Final = "OTEL_AGENTPROF_READ_CERTIFICATE"
_RECORDING: Final = "AGENTPROF_RECORDING"  # from `agentprof run` to the interpreter that it starts
_HEADER_NAME: Final = r"[!#$%&'*+.^_`|~0-9a-z-]+"
_CREDENTIAL: Final = re.compile(
    "KEY|TOKEN|SECRET|CREDENTIAL|PROFILE|PROJECT|ORG|ACCOUNT|BASE|URL|ENDPOINT|ROLE"
)
_OFF: Final = frozenset({"0", "false", "no", "off", ""})


def is_sdk_disabled() -> bool:
    """Return whether ``OTEL_SDK_DISABLED`` switches all telemetry off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def disabled_instrumentations() -> frozenset[str]:
    """Return the names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``; ``*`` stands for all."""
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def exporters(signal: str) -> tuple[str, ...]:
    """Return what ``OTEL_{SIGNAL}_EXPORTER`` asks for; an OTLP endpoint alone asks for otlp too."""
    asked = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if not asked and (
        os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    ):
        asked = "otlp"
    return tuple(name.strip() for name in asked.split(",") if name.strip() not in ("", "none"))


def wants_metrics() -> bool:
    """Return whether metrics are asked for by name: a generic OTLP endpoint may take traces only."""
    names = ("OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    return any(os.environ.get(name) for name in names) and bool(exporters("METRICS"))


def otlp_protocol(signal: str) -> str:
    """Return the OTLP protocol for ``TRACES`` or ``METRICS``: grpc, the specification's default, or HTTP."""
    generic = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", generic).strip().lower()


def read_headers(settings: Config, scheme: str, host: str) -> dict[str, str]:
    """Return the headers to send to a server that traces are read from; what is none is warned of."""
    from urllib.parse import unquote  # noqa: PLC0415 - only where a server is asked

    variable, text = READ_HEADERS, settings.read_headers
    if text is None:
        variable, text = _of_exporter("HEADERS", scheme, host)
    found: dict[str, str] = {}
    for place, pair in enumerate(filter(str.strip, (text or "").split(",")), 1):
        name, _, value = pair.partition("=")
        name, value = name.strip().lower(), unquote(value).strip()
        if not re.fullmatch(_HEADER_NAME, name) or not (value.isprintable() and value.isascii()):
            _LOGGER.warning("%s: header %d is no name=value, and is not sent", variable, place)
            continue
        found[name] = value
    return found


def read_certificate(settings: Config, scheme: str, host: str) -> str | None:
    """Return the file of the CA of a server that traces are read from, None where the system's will do."""
    return settings.read_certificate or _of_exporter("CERTIFICATE", scheme, host)[1]


def _of_exporter(setting: str, scheme: str, host: str) -> tuple[str, str | None]:
    """Return the exporter's variable and its value, if the exporter sends it to that host at all.

    Credentials that are meant for one host are a secret to every other one, and to whoever listens where
    they would go unencrypted for the first time.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - as above

    for infix in ("TRACES_", ""):
        variable = f"OTEL_EXPORTER_OTLP_{infix}{setting}"
        if os.environ.get(variable):
            endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get(
                "OTEL_EXPORTER_OTLP_ENDPOINT", ""
            )
            try:
                there = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
                is_meant = there.hostname == host.lower() and scheme in ("https", there.scheme)
            except ValueError:
                is_meant = False
            return variable, os.environ[variable] if is_meant else None
    return "", None


def set_if_unset(variable: str, value: str) -> bool:
    """Set a variable for libraries that read it, unless the user did; return whether it was set."""
    if variable in os.environ:
        return False
    os.environ[variable] = value
    return True


def unset(variable: str) -> None:
    """Take a variable back that :func:`set_if_unset` set."""
    os.environ.pop(variable, None)


def value_of(variable: str) -> str | None:
    """Return a variable that belongs to somebody else, None where it is not set."""
    return os.environ.get(variable)


def is_color_wanted(*, is_terminal: bool) -> bool:
    """Return whether to write in colour: ``NO_COLOR``, else ``FORCE_COLOR``, else as the place allows."""
    if os.environ.get("NO_COLOR"):
        return False
    if (forced := os.environ.get("FORCE_COLOR")) is not None:
        return forced.strip().lower() not in _OFF
    return is_terminal and os.environ.get("TERM") != "dumb"


def columns() -> int | None:
    """Return the width that ``COLUMNS`` asks for, in cells; None where it asks for none."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else None


def recording_environment(directory: str, recording: str) -> dict[str, str]:
    """Return the environment of an interpreter that first imports from a directory, and records to a file."""
    path = [directory, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), _RECORDING: recording}


def take_recording(directory: str) -> str | None:
    """Return the file that :func:`recording_environment` named, and make the environment as it was before."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if path[0] == directory:
        if len(path) > 1:
            os.environ["PYTHONPATH"] = os.pathsep.join(path[1:])
        else:
            del os.environ["PYTHONPATH"]
    return os.environ.pop(_RECORDING, None)


def credentials() -> dict[str, str]:
    """Return the variables that say for whom a program asks; never kept, only hashed."""
    return {name: text for name, text in os.environ.items() if _CREDENTIAL.search(name)}
