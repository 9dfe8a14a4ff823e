"""Which spans a change is about: from ids, names, roles, models and tools to indices."""

from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal

from otel_agentprof.analysis.model_names import called
from otel_agentprof.analysis.transport import as_their_calls, transports
from otel_agentprof.model import dialects
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_agentprof.analysis.forward import Forward
    from otel_agentprof.model.counting import Ledger
    from otel_agentprof.model.tree import SpanTree

NOT_HERE: Final = "nothing in this trace goes by that name"
Kind = Literal["span", "name", "role", "model", "tool"]
_CALLS: Final = frozenset({"llm", "tool", "retrieval", "embedding"})


class Selection:
    """Spans of one trace, as they are chosen.

    Attributes:
        factors: What the own time of each chosen span is multiplied by.
    """

    def __init__(self, tree: SpanTree, model: Forward, ledger: Ledger | None = None) -> None:
        self.factors: dict[int, float] = {}
        self._tree = tree
        self._model = model
        self._known_ledger = ledger

    def scale_ids(self, factors: Mapping[str, float]) -> None:
        """Choose spans by id."""
        self._scale("span", factors)

    def scale_names(self, factors: Mapping[str, float]) -> None:
        """Choose spans by name."""
        self._scale("name", factors)

    def scale_roles(self, factors: Mapping[str, float]) -> None:
        """Choose spans by role."""
        self._scale("role", factors)

    def scale_models(self, factors: Mapping[str, float]) -> None:
        """Choose calls by model, named as :func:`~otel_agentprof.analysis.model_names.called` takes it.

        Agents name models too, but their own time is not the model's.
        """
        for name, factor in factors.items():
            _check({name: factor})
            self._scale("model", dict.fromkeys(called(self.names("model"), name), factor))

    def scale_tools(self, factors: Mapping[str, float]) -> None:
        """Choose tool calls by the name of the tool."""
        self._scale("tool", factors)

    def names(self, kind: Kind) -> Sequence[str | None]:
        """Return what each span can be chosen by; None where it cannot be."""
        if kind == "span":
            return [span.span_id for span in self._tree.spans]
        if kind == "name":
            return [span.name for span in self._tree.spans]
        roles = self._ledger.roles
        if kind == "role":
            return as_their_calls(roles, self._parts)
        if kind == "model":
            rows = zip(self._ledger.models, roles, strict=True)
            return as_their_calls([model if role in _CALLS else None for model, role in rows], self._parts)
        spans = zip(self._tree.spans, roles, strict=True)
        return [dialects.operation_of(span, role) if role == "tool" else None for span, role in spans]

    def below(self, span_ids: Iterable[str]) -> set[int]:
        """Return spans and everything that was made inside them, hoisted spans too."""
        wanted = set(span_ids)
        found: set[int] = set()
        if wanted:
            for index in self._tree.top_down:
                if self._tree.parents[index] in found or self._tree.spans[index].span_id in wanted:
                    found.add(index)
        return found

    def follows(self, groups: Iterable[Iterable[str]]) -> dict[int, int]:
        """Return for each span that is to start together with siblings the one that starts just before it.

        Raises:
            ValueError: Some of them are no siblings.
        """
        indices = {span.span_id: index for index, span in enumerate(self._tree.spans)}
        parents = self._model.parents
        follows: dict[int, int] = {}
        for group in groups:
            members = sorted(
                {indices[span_id] for span_id in group if indices.get(span_id) in self._positions},
                key=self._positions.__getitem__,
            )
            top = self._model.top
            if len({None if member == top else parents[member] for member in members}) > 1:
                names = ", ".join(sorted({self._tree.spans[member].name for member in members}))
                raise ValueError(f"only siblings can start together, and these are none: {names}")
            follows.update(zip(members[1:], members, strict=False))
        return follows

    def calls(self) -> frozenset[int]:
        """Return the calls without further calls inside: each of them takes a place of its own."""
        ledger, parents = self._ledger, self._model.parents
        around: set[int] = set()
        found = set()
        for event in reversed(self._model.events):
            if not 0 <= event < len(ledger.roles):
                continue
            if event in around:
                around.add(parents[event])
            elif ledger.counted[event] and ledger.roles[event] in _CALLS:
                found.add(event)
                around.add(parents[event])
        return frozenset(found)

    @cached_property
    def _ledger(self) -> Ledger:
        return count(self._tree) if self._known_ledger is None else self._known_ledger

    @cached_property
    def _parts(self) -> Mapping[int, int]:
        return transports(self._tree, self._ledger)

    @cached_property
    def _positions(self) -> Mapping[int, int]:
        return {event: position for position, event in enumerate(self._model.events) if event >= 0}

    def _scale(self, kind: Kind, factors: Mapping[str, float]) -> None:
        _check(factors)
        for index, key in enumerate(self.names(kind) if factors else ()):
            if key is not None and key in factors:
                self.factors[index] = self.factors.get(index, 1.0) * factors[key]


def _check(factors: Mapping[str, float]) -> None:
    for name, factor in factors.items():
        if not isfinite(factor) or factor < 0:
            raise ValueError(f"a factor must be a finite number from 0 on, not {factor!r} for {name!r}")
