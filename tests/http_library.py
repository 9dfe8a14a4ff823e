"""The HTTP library under each client: httpx2, or httpx in older ones; a process may hold both."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import anthropic._base_client
import openai._base_client

if TYPE_CHECKING:
    from types import ModuleType


def http_library_of(client: ModuleType) -> Any:
    """Return the module that a client package takes its ``URL`` from; untyped, for it may be either."""
    return importlib.import_module(client._base_client.URL.__module__.partition(".")[0])


OPENAI_HTTP = http_library_of(openai)
ANTHROPIC_HTTP = http_library_of(anthropic)
