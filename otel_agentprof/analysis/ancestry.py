"""What is around spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_agentprof.model.tree import SpanTree


def above(tree: SpanTree, indices: Iterable[int]) -> set[int]:
    """Return all spans that some spans are inside of, by the parents that they name."""
    parents = tree.parents
    found: set[int] = set()
    for index in indices:
        around = parents[index]
        while around >= 0 and around not in found:  # so that what they share is climbed once
            found.add(around)
            around = parents[around]
    return found
