"""Other packages at work on the same client: who wrapped a method before us, who traces beneath us."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

_TRACERS: Final = frozenset(  # packages that make spans of their own for the calls of these clients
    {
        "agentops",
        "ddtrace",
        "langfuse",
        "logfire",
        "mlflow",
        "openinference",
        "openlit",
        "opentelemetry",
        "sentry_sdk",
        "traceloop",
        "weave",
    }
)
_DECORATORS: Final = frozenset({"contextlib", "typing_extensions", "warnings"})  # a library's own use of them


def wrapper_of(function: Any, module: Any) -> str | None:
    """Return who wrapped a function of a module; None for the client's own, decorated by itself or not."""
    package = _home(module.__name__)
    while function is not None:
        wrapt_wrapper = getattr(function, "_self_wrapper", None)
        if wrapt_wrapper is not None:
            return str(getattr(wrapt_wrapper, "__module__", None) or type(function).__module__)
        code = getattr(function, "__code__", None)
        if code is not None and not Path(code.co_filename).is_relative_to(package):
            home = str(getattr(function, "__globals__", {}).get("__name__", code.co_filename))
            if home not in _DECORATORS:
                return home
        function = getattr(function, "__wrapped__", None)
    return None


def _home(name: str) -> Path:
    """Return the folder of a module's outermost package, which may be a namespace (``google``, ``azure``)."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        file = getattr(sys.modules.get(".".join(parts[:end])), "__file__", None)
        if file:
            return Path(file).parents[end - 1]  # azure.core decorates what is in azure.ai
    return Path()


def traces(method: Any) -> bool:
    """Return whether a method is a known tracer's: every call that goes through it has a span already."""
    home = getattr(getattr(method, "_self_wrapper", method), "__module__", None)
    return isinstance(home, str) and home.partition(".")[0] in _TRACERS
