"""The surroundings of a choice of models: prices are there, and nobody listens to spans afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from otel_agentprof import pricing
from otel_agentprof.optimize.span_listeners import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def prices_and_no_new_listeners() -> Iterator[None]:
    """Wait for the prices; at the end, remove what has begun to listen since."""
    assert pricing.wait()
    before = LISTENERS.present
    yield
    for listener in LISTENERS.present:
        if listener not in before:
            LISTENERS.remove(listener)
