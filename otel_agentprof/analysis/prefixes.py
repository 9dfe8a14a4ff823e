"""How much of each prompt had been sent before, as a provider's prompt cache sees it: by equal prefixes.

    chat   [tools][system][question]                        writes the cache
    chat   [tools][system][question][answer][results]       three elements in common: could be read
    chat   [tools][system][another question]                two elements in common

Sizes are known in characters, so tokens are an estimate: the share of the characters, times the tokens.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tokens import TokenUsage

    _Pool = tuple[str, str | None]


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


_reuse: Final = partial(tuple.__new__, Reuse)  # what Reuse() comes down to, without a Python frame


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
    running: list[tuple[int, int, Sequence[str]]] = []  # each chain is read and dropped in turn
    for index in sorted(calls, key=starts.__getitem__):
        # A prefix can be read once the call that wrote it has ended, not by calls beside it.
        while running and running[0][0] <= starts[index]:
            end, done, parts = heappop(running)
            # Of a prompt that grows all but the last parts are known: to look is less work than to write.
            sent.update(dict.fromkeys([part for part in parts if part not in sent], done))
            for part in parts if may_expire else ():
                if starts[done] - used.get(part, end) > life_ns:
                    sent[part] = done
                used[part] = end
        parts, lengths = trace.chain_of(index)
        if not parts or lengths[-1] <= 0:
            continue
        beginnings.add(parts[0])
        sizes[index] = lengths[-1]
        heappush(running, (ends[index], index, parts))
        for place in range(len(parts) - 1, -1, -1):
            part = parts[place]
            if part in sent and starts[index] - used.get(part, starts[index]) <= life_ns:
                source, size = sent[part], lengths[place]
                tokens = _tokens(usages[index], size, sizes[index])
                found.append(_reuse((index, source, tokens, _tokens(usages[source], size, sizes[source]))))
                break
    return tuple(found) if len(beginnings) < len(sizes) else ()  # no two prompts begin alike


def _tokens(usage: TokenUsage | None, size: int, whole: int) -> int:
    return 0 if usage is None else usage.input * min(size, whole) // whole
