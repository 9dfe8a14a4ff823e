"""The traces of a file, and the one among them that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.errors import AgentProfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.model.tree import SpanTree

_TRACE_DIGITS: Final = 32
_NAMED_TRACES: Final = 5
_SHORT_ID: Final = 8


def read(source: str) -> tuple[Sequence[SpanTree], tuple[tuple[str, str], ...]]:
    """Return the traces of a source, and what its reader has to say, as (code, message)."""
    from otel_agentprof.model.tree import by_trace  # noqa: PLC0415 - after the arguments are known to be good
    from otel_agentprof.readers import read_spans  # noqa: PLC0415 - likewise

    loaded = read_spans(source)
    return tuple(by_trace(loaded.spans)), loaded.notes


def chosen(trees: Sequence[SpanTree], asked: str) -> SpanTree:
    """Return the trace whose id begins as asked.

    Raises:
        AgentProfError: None does, or several do.
    """
    wanted = asked.strip().lower()
    found = [tree for tree in trees if (tree.trace_id or "").startswith(wanted)]
    if not found:  # Jaeger leaves leading zeros out
        found = [tree for tree in trees if tree.trace_id == wanted.zfill(_TRACE_DIGITS)]
    if len(found) == 1:
        return found[0]
    if found:
        raise AgentProfError(f"--trace {asked} fits {len(found)} traces, give more digits: {ids(found)}")
    raise AgentProfError(f"there is no trace {asked!r}; there are {ids(trees)}")


def ids(trees: Sequence[SpanTree]) -> str:
    """Return the ids of some traces for people: the first few, short if that tells them apart."""
    every = [tree.trace_id or "" for tree in trees]
    shown = every[:_NAMED_TRACES]
    short = {trace_id[:_SHORT_ID] for trace_id in every}
    if len(short) == len(every):
        shown = [trace_id[:_SHORT_ID] for trace_id in shown]
    return ", ".join(shown) + (f" and {len(every) - len(shown):,} more" if len(every) > len(shown) else "")
