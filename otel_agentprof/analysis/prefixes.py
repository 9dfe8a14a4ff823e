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
    from collections.abc import Set as AbstractSet

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.model.tokens import TokenUsage

    _Pool = tuple[str, str | None]


class Reuse(NamedTuple):
    """The prefix that a prompt has in common with an earlier one of the same model.

    Attributes:
        call: Its index.
        source: The call that sent the prefix first, within the life of the cache.
        tokens: Estimated tokens of the prefix, as the later call counts them.
        missed: How many of them it did not read from the cache.
        source_tokens: Estimated tokens of the prefix, as the earlier call counts them.
    """

    call: int
    source: int
    tokens: int
    missed: int
    source_tokens: int


_reuse: Final = partial(tuple.__new__, Reuse)  # what Reuse() comes down to, without a Python frame


def reuses(trace: Trace, life_s: float, min_missed: int) -> Mapping[_Pool, list[Reuse]]:
    """Return by model and provider the prompts that began like an earlier one, by start.

    Args:
        trace: The trace.
        life_s: Seconds after its last use for which a prefix is kept.
        min_missed: How many tokens of the prefix a cache has to have missed; with fewer it is left out.
    """
    pools: defaultdict[_Pool, dict[int, TokenUsage]] = defaultdict(dict)
    ledger, failed = trace.ledger, trace.failed
    _, captured, written = trace.requests
    for index in trace.llm_calls:
        if (index in written or index in captured) and index not in failed:
            usage, model = ledger.usage[index], ledger.models[index]
            if usage is not None and usage.input and model is not None:
                pools[model, ledger.providers[index]][index] = usage
    life_ns = round(life_s * 1e9)
    found: dict[_Pool, list[Reuse]] = {}
    for pool, usages in pools.items():
        billed = {index for index, usage in usages.items() if usage.input - usage.cache_read >= min_missed}
        if billed and len(usages) > 1:  # else no chain has to be read
            reused = _reuses(trace, usages, billed, life_ns)
            found[pool] = [one for one in reused if one.missed >= min_missed]
    return found


def _reuses(
    trace: Trace, usages: Mapping[int, TokenUsage], billed: AbstractSet[int], life_ns: int
) -> list[Reuse]:
    """Return what calls of one pool reuse, by start.

    Args:
        trace: The trace.
        usages: The calls, with their tokens.
        billed: Those that are asked for; the others are read only for what they send first.
        life_ns: How long after its last use a prefix is kept.
    """
    starts, ends = trace.tree.starts, trace.tree.ends
    sent: dict[str, int] = {}  # of each prefix: who sent it first
    used: dict[str, int] = {}  # and when it was last used; only kept where one may get too old
    may_expire = max([ends[index] for index in usages]) - min([starts[index] for index in usages]) > life_ns
    found: list[Reuse] = []
    beginnings: set[str] = set()
    sizes: dict[int, int] = {}
    running: list[tuple[int, int, Sequence[str]]] = []  # each chain is read and dropped in turn
    for index in sorted(usages, key=starts.__getitem__):
        start_ns = starts[index]
        # A prefix can be read once the call that wrote it has ended, not by calls beside it.
        while running and running[0][0] <= start_ns:
            end, done, parts = heappop(running)
            for part in parts:
                sent.setdefault(part, done)
            for part in parts if may_expire else ():
                if starts[done] - used.get(part, end) > life_ns:
                    sent[part] = done
                used[part] = end
        chain = trace.chain_of(index)
        parts = chain[0]
        if not parts or (whole := chain.size(-1)) <= 0:
            continue
        beginnings.add(parts[0])
        sizes[index] = whole
        heappush(running, (ends[index], index, parts))
        for place in range(len(parts) - 1, -1, -1) if index in billed else ():
            part = parts[place]
            if part in sent and start_ns - used.get(part, start_ns) <= life_ns:
                source, size = sent[part], chain.size(place)
                tokens = _tokens(usages[index], size, whole)
                missed = tokens - usages[index].cache_read
                source_tokens = _tokens(usages[source], size, sizes[source])
                found.append(_reuse((index, source, tokens, missed, source_tokens)))
                break
    return found if len(beginnings) < len(sizes) else []  # no two prompts begin alike


def _tokens(usage: TokenUsage, size: int, whole: int) -> int:
    return usage.input * min(size, whole) // whole
