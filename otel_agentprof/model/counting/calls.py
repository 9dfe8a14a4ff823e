"""Rules about spans that show a call: of several that show the same one, one counts (R2, R3, R4, R13)."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from otel_agentprof import semconv
from otel_agentprof.model import dialects
from otel_agentprof.model.counting.draft import LEAF_KINDS
from otel_agentprof.model.tree import NO_PARENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.model.counting.draft import Draft
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.model.tree import SpanTree

_NEVER: Final = float("inf")
_SEVERAL: Final = -2
_TRANSPARENT: Final = frozenset({"step", "other"})  # between an agent's tool span and its client's
_TRANSPARENT_OR_TOOL: Final = _TRANSPARENT | {"tool"}
LEAST_OVERLAP: Final = 0.9  # of the shorter of two twins
NEIGHBOURS: Final = 32  # twins start at nearly the same time; more would be quadratic
_VERSION: Final = re.compile(r"[-@](?:\d{4}-\d\d-\d\d|\d{8}|latest)$")


def join_same_responses(draft: Draft, leaves: Sequence[int]) -> None:
    """R2: of the leaves that name the same response only the innermost with tokens counts.

    One instrumentation makes one span per call: leaves of the same scope, one beside the other, are several
    calls that got the same answer (a cache, a replay, a test server), and all of them count. Where one of
    them fetched what another had asked for in the background, all show one call.
    """
    spans, responses = draft.tree.spans, draft.responses
    named = [index for index in leaves if responses[index]]
    if len(set(map(responses.__getitem__, named))) == len(named):
        return
    groups: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
    for index in named:
        groups[spans[index].trace_id, responses[index]].append(index)
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
        is_fetched = any(semconv.RESPONSE_FETCHED in spans[index].attributes for index in members)
        for other in others:
            if not scope or spans[other].scope != scope:
                draft.join(other, chosen)
            elif is_fetched:
                draft.join(other, chosen, is_double=False)


def _depths(tree: SpanTree) -> list[int]:
    depths = [0] * (len(tree.spans) + 1)
    for index in tree.top_down:
        depths[index] = depths[tree.parents[index]] + 1
    return depths


def join_twins(draft: Draft, leaves: Sequence[int]) -> None:
    """R4: leaves side by side, of different scopes, with equal tokens at the same time, are one call.

    Each call has at most one span per scope: calls that are equal and run at once stay as many as they are.
    """
    tree, usage = draft.tree, draft.usage
    if len({tree.spans[index].scope for index in leaves}) < 2:  # noqa: PLR2004 - one scope shows calls once
        return
    groups: dict[tuple[int, str, str | None, int, int], list[int]] = {}
    for index in leaves:
        tokens = usage[index]
        if tokens is not None and tokens.total:
            model = family(draft.models[index])
            key = (tree.parents[index], draft.kinds[index], model, tokens.input, tokens.output)
            groups.setdefault(key, []).append(index)
    twins = [members for members in groups.values() if len(members) > 1]
    if not twins:
        return
    shown_by: defaultdict[int, set[str]] = defaultdict(set)
    for index in leaves:
        shown_by[draft.stands_for(index)].add(tree.spans[index].scope)

    def begun(index: int) -> tuple[int, int, str]:
        return tree.starts[index], tree.ends[index], tree.spans[index].span_id or ""

    for members in twins:
        members.sort(key=begun)
    for members in sorted(twins, key=lambda members: begun(members[0])):
        _join_pairs(draft, members, shown_by)


def family(model: str | None) -> str | None:
    """Return a model without what only some instrumentations tell: its vendor and its version."""
    return None if model is None else _VERSION.sub("", model.lower().rpartition("/")[2])


def _join_pairs(draft: Draft, members: Sequence[int], shown_by: dict[int, set[str]]) -> None:
    for place, later in enumerate(members):
        for earlier in reversed(members[max(0, place - NEIGHBOURS) : place]):
            one, other = draft.stands_for(earlier), draft.stands_for(later)
            if one == other or not shown_by[one].isdisjoint(shown_by[other]):
                continue
            if draft.responses[one] and draft.responses[other]:
                continue  # equal ids are joined already, different ones are two calls
            if _are_at_once(draft.tree, earlier, later):
                if one == earlier and (other != later or _yields(draft, one, other)):
                    one, other = other, one
                draft.join(other, one)
                draft.responses[one] = draft.responses[one] or draft.responses[other]
                shown_by[one] |= shown_by[other]


def _are_at_once(tree: SpanTree, earlier: int, later: int) -> bool:
    starts, ends = tree.starts, tree.ends
    shorter = min(ends[earlier] - starts[earlier], ends[later] - starts[later])
    overlap = min(ends[earlier], ends[later]) - starts[later]
    return overlap >= 0 and overlap >= LEAST_OVERLAP * shorter


def _yields(draft: Draft, earlier: int, later: int) -> bool:
    """Return whether the earlier of two twins is the one to leave out."""
    are_wrappers = [_has_call_below(draft, index) for index in (earlier, later)]
    if are_wrappers[0] != are_wrappers[1]:
        return are_wrappers[1]  # a wrapper stays, so that the call inside it takes its place
    return draft.dialects[earlier].is_gateway and not draft.dialects[later].is_gateway


def _has_call_below(draft: Draft, index: int) -> bool:
    children = draft.tree.children
    todo = list(children[index])
    while todo:
        below = todo.pop()
        if draft.kinds[below] == draft.kinds[index] and draft.usage[below] is not None:
            return True
        todo.extend(children[below])
    return False


def leave_out_wrappers(draft: Draft, kind: str) -> None:
    """R3: a leaf around leaves of its kind is no call of its own, if it has no tokens or they have some.

    Leaves that start after it ended do not count: a leaked context hangs later calls below earlier ones.
    """
    tree, usage = draft.tree, draft.usage
    starts, ends, parents = tree.starts, tree.ends, tree.parents
    size = len(tree.spans) + 1
    first_any, first_with_tokens = [_NEVER] * size, [_NEVER] * size
    heirs = [NO_PARENT] * size  # the call with tokens below, if it is one
    calls = [NO_PARENT] * size  # the call below, if it is one
    for index in reversed(tree.top_down):
        parent, heir, call = parents[index], heirs[index], calls[index]
        any_start, with_tokens_start = first_any[index], first_with_tokens[index]
        if draft.kinds[index] == kind:
            has_tokens = usage[index] is not None
            if (with_tokens_start if has_tokens else any_start) <= ends[index]:
                _leave_out_wrapper(draft, index, heir)
                draft.show_again(index, call if heir == NO_PARENT else heir)
            else:
                call = _either(call, draft.stands_for(index))
                if has_tokens:
                    heir = _either(heir, draft.stands_for(index))
            any_start = min(any_start, starts[index])
            if has_tokens:
                with_tokens_start = min(with_tokens_start, starts[index])
        if any_start < _NEVER:  # most spans are around no call
            first_any[parent] = min(first_any[parent], any_start)
            first_with_tokens[parent] = min(first_with_tokens[parent], with_tokens_start)
            heirs[parent] = _either(heirs[parent], heir)
            calls[parent] = _either(calls[parent], call)


def _leave_out_wrapper(draft: Draft, index: int, heir: int) -> None:
    draft.counted[index] = draft.weights[index] = False
    if draft.usage[index] is not None:
        draft.roll_ups.append(index)
    if heir >= 0:
        draft.gifts.append((index, heir))
        spans = draft.tree.spans
        if _is_same(draft.usage[index], draft.usage[heir]) and spans[index].scope != spans[heir].scope:
            draft.doubles.append(index)


def _is_same(one: TokenUsage | None, other: TokenUsage | None) -> bool:
    # Input and output: not every tracer names what was cached or thought.
    return one is not None and other is not None and one[:2] == other[:2]


def _either(one: int, other: int) -> int:
    if other in (one, NO_PARENT):
        return one
    return other if one == NO_PARENT else _SEVERAL


def leave_out_covered(draft: Draft) -> None:
    """R3 the other way round: a leaf without tokens inside a call with tokens is a part of that call."""
    tree, kinds = draft.tree, draft.kinds
    around = [NO_PARENT] * (len(tree.spans) + 1)  # the call with tokens that a span is in
    for index in tree.top_down:
        call = around[tree.parents[index]]
        if kinds[index] in LEAF_KINDS:
            if draft.weights[index]:
                call = index
            elif draft.counted[index] and _is_part_of(tree, index, call) and kinds[index] == kinds[call]:
                draft.counted[index] = False
                draft.gifts.append((index, call))
                draft.show_again(index, call)
        around[index] = call


def _is_part_of(tree: SpanTree, inner: int, outer: int) -> bool:
    """Return whether there is an outer span and it was still running when the inner one began."""
    return outer >= 0 and tree.starts[inner] <= tree.ends[outer]


def leave_out_inner_tools(draft: Draft) -> None:
    """R13: a client's tool span inside an agent's tool span for the same call is the same call."""
    tree, roles = draft.tree, draft.roles
    rows = zip(roles, tree.parents, strict=True)
    above = {parent for role, parent in rows if role == "tool" and parent >= 0}
    if _TRANSPARENT_OR_TOOL.isdisjoint(map(roles.__getitem__, above)):
        return
    around = [NO_PARENT] * (len(tree.spans) + 1)  # the tool that a span directly works for
    for index in tree.top_down:
        outer = around[tree.parents[index]]
        if roles[index] == "tool":
            if outer >= 0 and _is_part_of(tree, index, outer) and _is_same_tool_call(tree, outer, index):
                draft.counted[index] = False
                draft.show_again(index, draft.stands_for(outer))
            around[index] = index
        elif roles[index] in _TRANSPARENT:
            around[index] = outer


def _is_same_tool_call(tree: SpanTree, outer: int, inner: int) -> bool:
    outer_name, outer_id = dialects.tool_of(tree.spans[outer])
    inner_name, inner_id = dialects.tool_of(tree.spans[inner])
    if outer_id and inner_id:
        return outer_id == inner_id
    # A tool of an MCP server is "mcp__server__tool" to Claude's program, and "tool" to the server.
    return outer_name == inner_name or outer_name.endswith(f"__{inner_name}")
