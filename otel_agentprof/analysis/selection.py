"""Which spans a change is about: from ids, names, roles, models and tools to indices."""

from __future__ import annotations

from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal

from otel_agentprof.analysis.doubles import doubles
from otel_agentprof.analysis.model_names import called
from otel_agentprof.analysis.transport import as_their_calls, transports
from otel_agentprof.model import dialects
from otel_agentprof.model.counting import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_agentprof.analysis.doubles import Doubles
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
        """Choose spans by id: just these, whatever else shows their calls."""
        self._scale("span", factors)

    def scale_names(self, factors: Mapping[str, float]) -> None:
        """Choose spans by name; with a call all spans that show it."""
        self._scale("name", factors)
        spans = self._tree.spans
        chosen = {index for index, span in enumerate(spans) if span.name in factors} if factors else set()
        # What is counted is only asked for where it can matter: it takes longer than all of this.
        for index in [index for index in chosen if dialects.read(spans[index]).role in _CALLS]:
            for other in self._doubles.whole([index]):
                if other not in chosen:
                    self.factors[other] = self.factors.get(other, 1.0) * factors[spans[index].name]

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
            return as_their_calls(roles, self._calls)
        if kind == "model":
            rows = zip(self._ledger.models, roles, strict=True)
            return as_their_calls([model if role in _CALLS else None for model, role in rows], self._calls)
        spans = zip(self._tree.spans, roles, strict=True)
        tools = [dialects.operation_of(span, role) if role == "tool" else None for span, role in spans]
        return as_their_calls(tools, self._calls)

    def below(self, span_ids: Iterable[str]) -> set[int]:
        """Return spans, others that show the same calls, and everything inside them, hoisted spans too."""
        wanted = set(span_ids)
        found: set[int] = set()
        if wanted:
            indices = [index for index, span in enumerate(self._tree.spans) if span.span_id in wanted]
            chosen = {*indices, *self._doubles.whole(map(self._doubles.call_of, indices))}
            for index in self._tree.top_down:
                if self._tree.parents[index] in found or index in chosen:
                    found.add(index)
        return found

    def follows(self, groups: Iterable[Iterable[str]]) -> dict[int, int]:
        """Return for each span that is to start together with siblings the one that starts just before it.

        Raises:
            ValueError: Some of them are no siblings.
        """
        indices = {span.span_id: index for index, span in enumerate(self._tree.spans)}
        parents, positions, top = self._model.parents, self._positions, self._model.top
        follows: dict[int, int] = {}
        for group in groups:
            calls = [self._doubles.call_of(indices[span_id]) for span_id in group if span_id in indices]
            members = sorted(
                {self._doubles.place_of(call) for call in calls}.intersection(positions),
                key=positions.__getitem__,
            )
            if len({None if member == top else parents[member] for member in members}) > 1:
                names = ", ".join(sorted({self._tree.spans[member].name for member in members}))
                raise ValueError(f"only siblings can start together, and these are none: {names}")
            follows.update(zip(members[1:], members, strict=False))
        return self._doubles.followed(follows, self._model) if follows else follows

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
    def _calls(self) -> Mapping[int, int]:
        """The call of each span that is a part of one, or that shows it again."""
        return {**self._ledger.shown_again, **transports(self._tree, self._ledger)}

    @cached_property
    def _doubles(self) -> Doubles:
        return doubles(self._tree, self._ledger)

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
