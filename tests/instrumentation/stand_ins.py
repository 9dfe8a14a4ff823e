"""Frameworks that are not installed here, as far as their hooks go: modules in their shape."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recording import Recorder

from otel_agentprof.instrumentation.framework import Attachment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from otel_agentprof.instrumentation.framework import FrameworkSpec


def stand_in(patch: pytest.MonkeyPatch, name: str, **contents: Any) -> ModuleType:
    """Put a module where ``import`` finds it, until the test is over."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    patch.setitem(sys.modules, name, module)
    return module


@contextmanager
def attached(spec: FrameworkSpec, *, captures_content: bool = False) -> Iterator[Recorder]:
    """Attach an adapter to what stands in for its framework, and detach it."""
    made = Recorder()
    detach = spec.attach(Attachment(made.provider, made.provider.get_tracer("tests"), captures_content))
    try:
        yield made
    finally:
        detach()


def fail(error: BaseException) -> None:
    """Raise an error, out of a function as the real ones do."""
    raise error
