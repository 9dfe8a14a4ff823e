"""Ledgers asked by the names of the spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drawing import Drawing

    from otel_agentprof.model.counting import Ledger


def tokens(trace: Drawing, ledger: Ledger) -> dict[str, int]:
    """Return the input tokens that count, by the name of the span that has them."""
    return {
        s.name: usage.input for s, usage in zip(trace.spans, ledger.usage, strict=True) if usage is not None
    }
