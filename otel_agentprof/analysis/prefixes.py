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
    from collections.abc import Mapping, Sequence

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
    ledger, spans = trace.ledger, trace.tree.spans
    for index in trace.requests:
        usage, model = ledger.usage[index], ledger.models[index]
        is_call = ledger.roles[index] == "llm" and spans[index].status != "ERROR"
        if is_call and usage is not None and usage.input and model is not None:
            pools[model, ledger.providers[index]].append(index)
    life_ns = round(life_s * 1e9)
    return {pool: _reuses(trace, calls, life_ns) for pool, calls in pools.items() if len(calls) > 1}


def _reuses(trace: Trace, calls: Sequence[int], life_ns: int) -> tuple[Reuse, ...]:
    starts, ends, usages = trace.tree.starts, trace.tree.ends, trace.ledger.usage
    sent: dict[str, int] = {}  # of each prefix: who sent it first
    used: dict[str, int] = {}  # and when it was last used; only kept where one may get too old
    may_expire = max(map(ends.__getitem__, calls)) - min(map(starts.__getitem__, calls)) > life_ns
    found: list[Reuse] = []
    beginnings: set[str] = set()
    sizes: dict[int, int] = {}
    running: list[tuple[int, int, _Chain]] = []  # chains are many and long: each is read and dropped in turn
    for index in sorted(calls, key=starts.__getitem__):
        # A prefix can be read once the call that wrote it has ended, not by calls beside it.
        while running and running[0][0] <= starts[index]:
            end, done, chain = heappop(running)
            # Of a prompt that grows all but the last parts are known: to look is less work than to write.
            sent.update(dict.fromkeys([identity for identity, _ in chain if identity not in sent], done))
            for identity, _ in chain if may_expire else ():
                if starts[done] - used.get(identity, end) > life_ns:
                    sent[identity] = done
                used[identity] = end
        chain = trace.chain_of(index)
        if not chain or chain[-1][1] <= 0:
            continue
        beginnings.add(chain[0][0])
        sizes[index] = chain[-1][1]
        heappush(running, (ends[index], index, chain))
        for identity, size in reversed(chain):
            if identity in sent and starts[index] - used.get(identity, starts[index]) <= life_ns:
                source = sent[identity]
                tokens = _tokens(usages[index], size, sizes[index])
                found.append(Reuse(index, source, tokens, _tokens(usages[source], size, sizes[source])))
                break
    return tuple(found) if len(beginnings) < len(sizes) else ()  # no two prompts begin alike


def _tokens(usage: TokenUsage | None, size: int, whole: int) -> int:
    return 0 if usage is None else usage.input * min(size, whole) // whole
