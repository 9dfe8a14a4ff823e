"""How much of each prompt had been sent before, as a provider's prompt cache sees it: by equal prefixes.

    chat   [tools][system][question]                        writes the cache
    chat   [tools][system][question][answer][results]       three elements in common: could be read
    chat   [tools][system][another question]                two elements in common

Sizes are known in characters, so tokens are an estimate: the share of the characters, times the tokens.
"""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tokens import TokenUsage

    _Pool = tuple[str, str | None]
    _Chain = tuple[tuple[str, int], ...]


class Reuse(NamedTuple):
    """The prefix that a prompt has in common with an earlier one of the same model.

    Attributes:
        call: Its index.
        source: The call that sent the prefix first, within the life of the cache.
        tokens: Estimated tokens of the prefix, as the later call counts them.
        source_tokens: Likewise, as the earlier one does.
    """

    call: int
    source: int
    tokens: int
    source_tokens: int


def reuses(trace: Trace, life_s: float) -> Mapping[_Pool, tuple[Reuse, ...]]:
    """Return by model and provider the prompts that began like an earlier one, by start.

    Args:
        trace: The trace.
        life_s: Seconds after its last use for which a prefix is kept.
    """
    pools: defaultdict[_Pool, list[int]] = defaultdict(list)
    chains: dict[int, _Chain] = {}
    ledger, spans = trace.ledger, trace.tree.spans
    for index, request in trace.requests.items():
        usage, model, chain = ledger.usage[index], ledger.models[index], request.chain
        is_call = ledger.roles[index] == "llm" and spans[index].status != "ERROR"
        if is_call and usage is not None and usage.input and model is not None and chain and chain[-1][1] > 0:
            chains[index] = chain
            pools[model, ledger.providers[index]].append(index)
    found = {}
    for pool, calls in pools.items():
        beginnings = {chains[index][0][0] for index in calls}
        if len(beginnings) < len(calls):  # else no two prompts begin alike
            found[pool] = tuple(_reuses(trace, calls, chains, round(life_s * 1e9)))
    return found


def _reuses(
    trace: Trace, calls: Sequence[int], chains: Mapping[int, _Chain], life_ns: int
) -> Iterator[Reuse]:
    starts, ends, usages = trace.tree.starts, trace.tree.ends, trace.ledger.usage
    sent: dict[str, int] = {}  # of each prefix: who sent it first
    used: dict[
        str, int
    ] = {}  # and when it was last used, where the calls go on for longer than a cache keeps it
    may_expire = max(map(ends.__getitem__, calls)) - min(map(starts.__getitem__, calls)) > life_ns
    running: list[tuple[int, int]] = []
    for index in sorted(calls, key=starts.__getitem__):
        # A prefix can be read once the call that wrote it has ended, not by calls beside it.
        while running and running[0][0] <= starts[index]:
            end, done = heappop(running)
            for identity, _ in chains[done]:
                sent.setdefault(identity, done)
                if may_expire:
                    if starts[done] - used.get(identity, end) > life_ns:
                        sent[identity] = done
                    used[identity] = end
        heappush(running, (ends[index], index))
        for identity, size in reversed(chains[index]):
            if identity in sent and starts[index] - used.get(identity, starts[index]) <= life_ns:
                source = sent[identity]
                yield Reuse(
                    index,
                    source,
                    _tokens(usages[index], size, chains[index]),
                    _tokens(usages[source], size, chains[source]),
                )
                break


def _tokens(usage: TokenUsage | None, size: int, chain: _Chain) -> int:
    whole = chain[-1][1]
    return 0 if usage is None else usage.input * min(size, whole) // whole
