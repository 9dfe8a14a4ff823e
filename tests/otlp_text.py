"""OTLP JSON lines, made by hand."""

from __future__ import annotations

import json
from typing import Any

TRACE, OTHER = "ab" * 16, "cd" * 16


def span(number: int, *, parent: int | None = None, trace: str = TRACE, **more: Any) -> dict[str, Any]:
    """Return a span; the smaller its number, the earlier it starts and the later it ends."""
    made = {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "name": f"span {number}",
        "startTimeUnixNano": str(number * 1_000_000),
        "endTimeUnixNano": str(100_000_000 - number),
    }
    if parent is not None:
        made["parentSpanId"] = f"{parent:016x}"
    return {**made, **more}


def line(*spans: dict[str, Any]) -> str:
    """Return a line of the Collector's file format."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}) + "\n"
