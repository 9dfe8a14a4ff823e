"""Traces that others made, read into spans: from files, from servers, and from the SDK of this process.

Names are loaded when they are first used: a program under a profiler needs ``sdk`` and no file format.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_agentprof.readers.loaded import Loaded as Loaded
    from otel_agentprof.readers.loaded import read as read
    from otel_agentprof.readers.loaded import read_spans as read_spans
    from otel_agentprof.readers.sdk import span_of as span_of
    from otel_agentprof.readers.sdk import spans_of as spans_of

_HOMES = {"Loaded": "loaded", "read": "loaded", "read_spans": "loaded", "span_of": "sdk", "spans_of": "sdk"}

__all__ = ["Loaded", "read", "read_spans", "span_of", "spans_of"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
