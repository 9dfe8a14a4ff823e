"""Which spans of a tree stand for a call, so that no token is counted twice.

    agent            in=300      its tokens repeat those below: left out (R5)
      chat gateway   in=100      wraps the call below: no call of its own (R3)
        chat         in=100      the call
      chat           in=200      the call
      openai.chat    in=200      shows the same response again: no call of its own (R2)

Every span keeps its timing; only one span per call keeps its tokens. R-numbers: dialects.md, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects
from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.semconv import Role

_NEVER: Final = float("inf")
_SEVERAL: Final = -2
_TRANSPARENT: Final = frozenset({"step", "other"})  # between an agent's tool span and its client's


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each span of a tree is, and which of its tokens count. All tuples are indexed like ``tree.spans``.

    Attributes:
        roles: What kind of work each span is.
        counted: False where another span already stands for the same call.
        usage: The tokens that count; None where the span has none or another span has them.
        models: The model that the tokens belong to.
        providers: The vendor that is paid for them.
        costs_reported: US dollars that the span itself names, or another span that shows the same call; None
            where the money is told by another span.
        roll_ups: Spans whose tokens were left out because spans below them have them.
    """

    roles: tuple[Role, ...]
    counted: tuple[bool, ...]
    usage: tuple[TokenUsage | None, ...]
    models: tuple[str | None, ...]
    providers: tuple[str | None, ...]
    costs_reported: tuple[float | None, ...]
    roll_ups: frozenset[int]


def count(tree: SpanTree) -> Ledger:
    """Return the ledger of a tree: roles, and tokens once per call."""
    draft = _Draft(tree)
    _join_same_responses(draft)
    present = set(draft.roles)
    for role in sorted(semconv.LEAF_ROLES & present):
        _leave_out_wrappers(draft, role)
    _leave_out_covered(draft)
    _leave_out_repeated_sums(draft)
    if "tool" in present:
        _leave_out_inner_tools(draft)
    _gather(draft)
    return Ledger(
        roles=tuple(draft.roles),
        counted=tuple(draft.counted),
        usage=tuple(usage if has else None for usage, has in zip(draft.usage, draft.weights, strict=True)),
        models=tuple(draft.models),
        providers=tuple(draft.providers),
        costs_reported=tuple(draft.costs),
        roll_ups=frozenset(draft.roll_ups),
    )


class _Draft:
    """A ledger in the making: first every span counts, then rule after rule takes some out.

    Attributes:
        counted: Whether a span stands for a call.
        weights: Whether a span's tokens count.
        gifts: Pairs (giver, taker): what the taker does not know of its call, the giver may.
    """

    __slots__ = (
        "costs",
        "counted",
        "gifts",
        "models",
        "providers",
        "roles",
        "roll_ups",
        "same_call",
        "tree",
        "usage",
        "weights",
    )

    def __init__(self, tree: SpanTree) -> None:
        self.tree = tree
        self.roles = list(map(dialects.role_of, tree.spans))
        self.usage = list(map(dialects.usage_of, tree.spans))
        self.models = list(map(dialects.model_of, tree.spans))
        self.providers = list(map(dialects.provider_of, tree.spans))
        self.costs = list(map(dialects.reported_cost_of, tree.spans))
        self.counted = [True] * len(tree.spans)
        self.weights = [usage is not None for usage in self.usage]
        self.same_call = list(range(len(tree.spans)))
        self.gifts: list[tuple[int, int]] = []
        self.roll_ups: list[int] = []


def _join_same_responses(draft: _Draft) -> None:
    """R2: of the leaves that name the same response only the innermost with tokens counts.

    One instrumentation makes one span per call: leaves of the same scope, one beside the other, are several
    calls that got the same answer (a cache, a replay, a test server), and all of them count.
    """
    spans = draft.tree.spans
    groups: dict[tuple[str, str], list[int]] = {}
    for index, role in enumerate(draft.roles):
        if role in semconv.LEAF_ROLES and (response := dialects.response_id_of(spans[index])):
            groups.setdefault((spans[index].trace_id, response), []).append(index)
    shared = [members for members in groups.values() if len(members) > 1]
    if not shared:
        return
    tree = draft.tree
    depths = _depths(tree)

    def innermost(index: int) -> tuple[bool, int, int, int, str, int]:
        duration = tree.ends[index] - tree.starts[index]
        name = spans[index].span_id or ""
        return draft.usage[index] is None, -depths[index], duration, tree.starts[index], name, index

    for members in shared:
        members.sort(key=innermost)
        chosen, *others = members
        scope = spans[chosen].scope
        for other in others:
            if scope and spans[other].scope == scope:
                continue
            draft.same_call[other] = chosen
            draft.counted[other] = draft.weights[other] = False
            draft.gifts.append((other, chosen))


def _depths(tree: SpanTree) -> list[int]:
    depths = [0] * (len(tree.spans) + 1)
    for index in tree.top_down:
        depths[index] = depths[tree.parents[index]] + 1
    return depths


def _leave_out_wrappers(draft: _Draft, role: Role) -> None:
    """R3: a leaf around leaves of its role is no call of its own, if it has no tokens or they have some.

    Leaves that start after it ended do not count: a leaked context hangs later calls below earlier ones.
    """
    tree, usage = draft.tree, draft.usage
    starts, ends, parents = tree.starts, tree.ends, tree.parents
    size = len(tree.spans) + 1
    first_any, first_with_tokens = [_NEVER] * size, [_NEVER] * size
    heirs = [NO_PARENT] * size  # the call with tokens below, if it is one
    for index in reversed(tree.top_down):
        parent, heir = parents[index], heirs[index]
        any_start, with_tokens_start = first_any[index], first_with_tokens[index]
        if draft.roles[index] == role:
            has_tokens = usage[index] is not None
            if (with_tokens_start if has_tokens else any_start) <= ends[index]:
                draft.counted[index] = draft.weights[index] = False
                if has_tokens:
                    draft.roll_ups.append(index)
                if heir >= 0:
                    draft.gifts.append((index, heir))
            elif has_tokens:
                heir = _either(heir, draft.same_call[index])
            any_start = min(any_start, starts[index])
            if has_tokens:
                with_tokens_start = min(with_tokens_start, starts[index])
        first_any[parent] = min(first_any[parent], any_start)
        first_with_tokens[parent] = min(first_with_tokens[parent], with_tokens_start)
        heirs[parent] = _either(heirs[parent], heir)


def _either(one: int, other: int) -> int:
    if other in (one, NO_PARENT):
        return one
    return other if one == NO_PARENT else _SEVERAL


def _leave_out_covered(draft: _Draft) -> None:
    """R3 the other way round: a leaf without tokens inside a call with tokens is a part of that call."""
    tree, roles = draft.tree, draft.roles
    around = [NO_PARENT] * (len(tree.spans) + 1)  # the call with tokens that a span is in
    for index in tree.top_down:
        call = around[tree.parents[index]]
        if roles[index] in semconv.LEAF_ROLES:
            if draft.weights[index]:
                call = index
            elif draft.counted[index] and _is_part_of(tree, index, call) and roles[index] == roles[call]:
                draft.counted[index] = False
                draft.gifts.append((index, call))
        around[index] = call


def _is_part_of(tree: SpanTree, inner: int, outer: int) -> bool:
    """Return whether there is an outer span and it was still running when the inner one began."""
    return outer >= 0 and tree.starts[inner] <= tree.ends[outer]


def _leave_out_repeated_sums(draft: _Draft) -> None:
    """R5: tokens of a span that is no leaf are a sum of those below; without any below they are the data."""
    tree, weights = draft.tree, draft.weights
    has_below = bytearray(len(tree.spans) + 1)
    for index in reversed(tree.top_down):
        if has_below[index] and weights[index] and draft.roles[index] not in semconv.LEAF_ROLES:
            weights[index] = False
            draft.roll_ups.append(index)
        if has_below[index] or weights[index]:
            has_below[tree.parents[index]] = True


def _leave_out_inner_tools(draft: _Draft) -> None:
    """R13: a client's tool span inside an agent's tool span for the same call is the same call."""
    tree, roles = draft.tree, draft.roles
    around = [NO_PARENT] * (len(tree.spans) + 1)  # the tool that a span directly works for
    for index in tree.top_down:
        outer = around[tree.parents[index]]
        if roles[index] == "tool":
            if _is_part_of(tree, index, outer) and _is_same_tool_call(tree, outer, index):
                draft.counted[index] = False
            around[index] = index
        elif roles[index] in _TRANSPARENT:
            around[index] = outer


def _is_same_tool_call(tree: SpanTree, outer: int, inner: int) -> bool:
    outer_name, outer_id = dialects.tool_of(tree.spans[outer])
    inner_name, inner_id = dialects.tool_of(tree.spans[inner])
    return outer_id == inner_id if outer_id and inner_id else outer_name == inner_name


def _gather(draft: _Draft) -> None:
    """Let each call know what only other spans of it know, and tell its money once."""
    models, providers, costs = draft.models, draft.providers, draft.costs
    for giver, taker in draft.gifts:
        models[taker] = models[taker] or models[giver]
        providers[taker] = providers[taker] or providers[giver]
        if costs[taker] is None:
            costs[taker] = costs[giver]
    for index, is_counted in enumerate(draft.counted):
        if not is_counted:
            costs[index] = None
    for index in draft.roll_ups:
        costs[index] = None
