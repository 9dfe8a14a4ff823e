"""The formats that a report can be written in, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.report.report import Report


class Render(Protocol):
    """What every format is: a function from a report to text."""

    def __call__(self, report: Report, *, width: int, color: bool) -> str:
        """Return the report as text; equal text for equal reports."""
        ...


def _lazily(module: str) -> Render:
    def render(report: Report, *, width: int, color: bool) -> str:
        written: str = import_module(f"otel_agentprof.report.{module}").render(
            report, width=width, color=color
        )
        return written

    return render


FORMATS: Final[Mapping[str, Render]] = MappingProxyType(
    {
        "text": _lazily("terminal"),
        "json": _lazily("json_text"),
        "markdown": _lazily("markdown"),
        "html": _lazily("html"),
        "folded": _lazily("folded"),
        "perfetto": _lazily("perfetto"),
        "speedscope": _lazily("speedscope"),
    }
)
