"""The report as JSON, for programs; the schema is ``agentprof.report/1``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.report.report import Report

# What a terminal or a decoder would act on: DEL, C1, soft hyphen, bidi and zero-width signs, surrogates, ...
_HIDDEN: Final = re.compile(
    "[\\x7f-\\x9f\\xad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e"
    "\\u2060-\\u206f\\ud800-\\udfff\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)

# Made once: json.dumps would make an encoder for each event of a file.
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return the report as indented JSON; width and colour do not apply."""
    return dump(report.to_dict())


def render_many(reports: Iterable[Report]) -> str:
    """Return a JSON list of reports."""
    return dump([report.to_dict() for report in reports])


def dump(value: Any) -> str:
    """Return plain types as indented JSON in which nothing could steer a terminal."""
    return _HIDDEN.sub(_escape, json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def compact(value: Any) -> str:
    """Return plain types as JSON on one line, likewise."""
    return _HIDDEN.sub(_escape, _COMPACT.encode(value))


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match.group())[1:-1]  # such signs occur inside strings only
