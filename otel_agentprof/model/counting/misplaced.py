"""Tokens that stand on another span than the one they belong to (R14; dialects.md, section 6.6)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from otel_agentprof import semconv
from otel_agentprof.model.dialects.litellm import RAW_REQUEST, raw_call

if TYPE_CHECKING:
    from otel_agentprof.model.counting.draft import Draft


def split_polluted(draft: Draft) -> None:
    """R14: LiteLLM writes its last call on whatever span is open; the calls are the requests below it.

    Those spans become the leaves, with the tokens that the vendor named. No span is added.
    """
    if True not in draft.polluted:
        return
    tree = draft.tree
    for index, is_polluted in enumerate(draft.polluted):
        if not is_polluted:
            continue
        requests = [child for child in tree.children[index] if tree.spans[child].name == RAW_REQUEST]
        requests.sort(key=lambda request: (tree.starts[request], tree.spans[request].span_id))
        for request in requests:
            _make_leaf(draft, request, index)
        if requests:
            _move(draft, index, requests[-1])
        elif draft.usage[index] is not None:
            draft.coverage_unknown.append(index)


def take_details(draft: Draft) -> None:
    """Give a call of LiteLLM the parts of its tokens that only the vendor's text below it tells."""
    tree, usage = draft.tree, draft.usage
    for index in [index for index, span in enumerate(tree.spans) if span.name == RAW_REQUEST]:
        call = tree.parents[index]
        if call < 0 or draft.roles[call] not in semconv.LEAF_ROLES:
            continue
        told, raw = usage[call], raw_call(tree.spans[index]).usage
        if told is not None and raw is not None and told[:2] == raw[:2]:
            usage[call] = told.with_parts_of(raw)


def _make_leaf(draft: Draft, request: int, polluted: int) -> None:
    usage, model, response = raw_call(draft.tree.spans[request])
    draft.roles[request] = "llm"
    draft.usage[request] = usage
    draft.weights[request] = usage is not None
    draft.models[request] = model or draft.models[polluted]
    draft.providers[request] = draft.providers[polluted]
    draft.responses[request] = response
    if usage is None:
        draft.coverage_unknown.append(request)


def _move(draft: Draft, polluted: int, last: int) -> None:
    """Take the last call's figures off the span that they were written on."""
    if draft.usage[last] is None:
        draft.usage[last] = draft.usage[polluted]
        draft.weights[last] = draft.usage[last] is not None
    draft.costs[last] = draft.costs[polluted]
    draft.usage[polluted] = draft.costs[polluted] = draft.responses[polluted] = None
    draft.weights[polluted] = False


def join_logs(draft: Draft) -> None:
    """Give the tokens of Logfire's log of a stream to the call that was streamed.

    The log is a span without a length beside the call, or inside it; the first call that began before it,
    has no tokens and is not taken yet is the one.
    """
    if True not in draft.logs:
        return
    tree, roles = draft.tree, draft.roles
    calls: defaultdict[int, list[int]] = defaultdict(list)
    logs = []
    for index in sorted(range(len(roles)), key=lambda i: (tree.starts[i], tree.spans[i].span_id)):
        if draft.logs[index]:
            logs.append(index)
        elif roles[index] in semconv.LEAF_ROLES and draft.usage[index] is None:
            calls[tree.parents[index]].append(index)
            calls[index].append(index)
    for log in logs:
        _give_to_call(draft, log, calls[tree.parents[log]])


def _give_to_call(draft: Draft, log: int, calls: list[int]) -> None:
    usage, model = draft.usage[log], draft.models[log]
    before = [
        call
        for call in calls
        if draft.usage[call] is None and draft.tree.starts[call] <= draft.tree.starts[log]
    ]
    if usage is None:
        draft.roles[log] = "other"  # a record of a call is none
    elif before:
        call = next((call for call in before if draft.models[call] == model), before[0])
        draft.usage[call], draft.weights[call] = usage, True
        draft.costs[call] = draft.costs[call] or draft.costs[log]
        draft.models[call] = draft.models[call] or model
        draft.providers[call] = draft.providers[call] or draft.providers[log]
        draft.usage[log] = draft.costs[log] = None
        draft.weights[log] = False
        draft.roles[log] = "other"
