"""Prompts that are sent again and again: without a cache, or longer in every turn."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.operations import total_usd
from otel_agentprof.analysis.prefixes import reuses
from otel_agentprof.analysis.saving import usd_with
from otel_agentprof.model import dialects
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.prefixes import Reuse
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


_usage: Final = partial(tuple.__new__, TokenUsage)  # what TokenUsage() comes down to, without a Python frame
_NO_DETAILS: Final = TokenUsage()[5:]  # of the seldom kinds, after reasoning


def prompt_cache_miss(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the models that were sent the same beginning of a prompt again, and billed it in full."""
    told = {index for repetition in trace.repetitions for index in repetition.again}
    for (model, _), pool in reuses(trace, config.prompt_cache_life_s, config.min_cached_tokens).items():
        used = [one for one in pool if one.call not in told] if told else pool
        if not used:
            continue
        changed = _with_cache(trace, used)
        saving = _saved_usd(trace, changed)
        if saving is not None and saving <= 0:
            continue  # this provider gives no discount, or asks more for the writes than it gives
        tokens = sum([one.missed for one in used])
        again = sum([one.tokens for one in used])
        yield Finding(
            rule="prompt_cache_miss",
            title=f"About {tokens:,} prompt tokens of {model} were sent before and billed in full",
            component=model,
            metric="uncached_prefix_tokens",
            value=float(tokens),
            threshold=float(config.min_cached_tokens),
            suggestion=_cache_advice(len(used), again, tokens, has_writes=_bills_writes(trace, used[0].call)),
            span_ids=trace.ids(sorted(changed, key=trace.tree.starts.__getitem__)),
            saving_usd=saving,
            derivation=(
                "estimate: priced as if the prefixes sent before were read from the provider's cache, with "
                "what it asks for writing them; tokens by the share of characters; time not modelled"
                if saving is not None
                else "no saving computed: the price is not known; tokens by the share of characters"
            ),
            confidence="likely",
        )


def context_growth(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the agents whose prompts get longer in every turn."""
    spans = trace.tree.spans
    agents: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
    for agent, calls in trace.iterations.items():
        if len(calls) < config.context_growth_turns:
            continue
        kinds: defaultdict[str, list[int]] = defaultdict(list)  # another operation has another history
        for index in calls:
            kinds[spans[index].name].append(index)
        for kind in kinds.values():
            turns = _turns(trace, kind)
            if _is_growing(_inputs(trace, turns), config):
                agents[dialects.operation_of(spans[agent], "agent")].append(turns)
    for name, loops in agents.items():
        changed: dict[int, TokenUsage] = {}
        for turns in loops:
            changed.update(_trimmed(trace, turns, config.context_kept_turns))
        saving = _saved_usd(trace, changed)
        if not changed or (saving is not None and saving <= 0):
            continue  # nothing to trim yet, or what is read from the cache costs less than a trimmed prompt
        yield _growth(trace, name, loops, saving, config)


def _with_cache(trace: Trace, used: Iterable[Reuse]) -> dict[int, TokenUsage]:
    """Return the tokens of all calls concerned, had the cache been in use."""
    missed: dict[int, int] = {}
    writes: dict[int, int] = {}
    for call, source, _, tokens, source_tokens in used:
        missed[call] = tokens
        writes[source] = max(writes.get(source, 0), source_tokens)
    changed = {}
    usages = trace.ledger.usage
    for index in missed.keys() | writes.keys():
        usage = usages[index] or TokenUsage()
        read = usage.cache_read + missed.get(index, 0)
        write = max(usage.cache_read + usage.cache_write, writes.get(index, 0)) - read
        changed[index] = _shaped(usage, usage.input, read, max(0, write))
    return changed


def _bills_writes(trace: Trace, index: int) -> bool:
    """Return whether what a call writes to the cache costs more than what it does not."""
    plain, written = (usd_with(trace, index, TokenUsage(input=1, cache_write=count)) for count in (0, 1))
    return plain is not None and written is not None and written > plain


def _shaped(usage: TokenUsage, tokens: int, read: int, write: int) -> TokenUsage:
    """Return a usage with other input; its parts never exceed it."""
    read = min(read, tokens)
    write = min(write, tokens - read)
    # In the order of its fields: _replace goes through names, for five times as long.
    shaped = _usage((tokens, usage[1], read, write, *usage[4:]))
    return shaped if usage[5:] == _NO_DETAILS else shaped.minus(TokenUsage())  # which cuts them to size


def _saved_usd(trace: Trace, changed: Mapping[int, TokenUsage]) -> Decimal | None:
    """Return what other tokens would save; None where the price of some call is not known."""
    savings = []
    for index, usage in changed.items():
        before, after = trace.cost_by_tokens(index), usd_with(trace, index, usage)
        if before is None or after is None:
            return None
        savings.append(before - after)
    return total_usd(savings)


def _cache_advice(calls: int, again: int, tokens: int, *, has_writes: bool) -> str:
    how = (
        "Mark the end of what stays the same for the cache (cache_control)"
        if has_writes
        else "Keep the beginning of the prompt the same to the letter, and send the calls in quick succession"
    )
    return (
        f"{wording.counted(calls, 'prompt')} began with about {again:,} tokens sent before, "
        f"{again - tokens:,} of them billed as cached. {how}: tools "
        "and instructions first, what changes (dates, ids) last."
    )


def _turns(trace: Trace, calls: Sequence[int]) -> tuple[int, ...]:
    """Return the calls of a loop that made a prompt, without those that ran beside another one."""
    usages, starts, ends = trace.ledger.usage, trace.tree.starts, trace.tree.ends
    turns: list[int] = []
    for index in calls:
        usage = usages[index]
        if usage is not None and usage.input and (not turns or starts[index] >= ends[turns[-1]]):
            turns.append(index)
    return tuple(turns)


def _inputs(trace: Trace, turns: Iterable[int]) -> list[int]:
    usages = trace.ledger.usage
    return [usage.input for index in turns if (usage := usages[index]) is not None]


def _is_growing(inputs: Sequence[int], config: Config) -> bool:
    if len(inputs) < config.context_growth_turns or inputs[-1] < config.context_growth_ratio * inputs[0]:
        return False
    grown = sum(after > before for before, after in pairwise(inputs))
    return grown * 4 >= 3 * (len(inputs) - 1)


def _trimmed(trace: Trace, turns: Sequence[int], kept: int) -> Iterator[tuple[int, TokenUsage]]:
    """Yield the turns that would be shorter with the first prompt and the last few turns only.

    What is left out lies in the middle, so that a cache holds no more than the first prompt afterwards.
    """
    inputs = _inputs(trace, turns)
    for place in range(kept + 1, len(turns)):
        usage = trace.ledger.usage[turns[place]] or TokenUsage()
        tokens = inputs[0] + max(0, inputs[place] - inputs[place - kept])
        if tokens < inputs[place]:
            yield turns[place], _shaped(usage, tokens, min(usage.cache_read, inputs[0]), usage.cache_write)


def _growth(
    trace: Trace, name: str, loops: Sequence[tuple[int, ...]], saving: Decimal | None, config: Config
) -> Finding:
    worst = max(loops, key=lambda turns: sum(_inputs(trace, turns)))
    inputs = _inputs(trace, worst)
    runs = f", the worst of {len(loops)} such runs" if len(loops) > 1 else ""
    kept = wording.counted(config.context_kept_turns, "turn")
    trimmed = dict(_trimmed(trace, worst, config.context_kept_turns))
    left = sum(inputs) - sum(
        tokens - trimmed[index].input for index, tokens in zip(worst, inputs, strict=True) if index in trimmed
    )
    return Finding(
        rule="context_growth",
        title=(
            f"The prompts of agent {name} grow from {inputs[0]:,} to {inputs[-1]:,} tokens in "
            f"{len(inputs):,} turns{runs}"
        ),
        component=name,
        metric="input_growth_ratio",
        value=inputs[-1] / inputs[0],
        threshold=config.context_growth_ratio,
        suggestion=(
            f"The turns read {sum(inputs):,} tokens in all, since each sends the history again: twice the "
            f"turns cost about four times as much. With the first prompt and the last {kept} only it would "
            f"be about {left:,}. Drop or summarise old turns, and shorten tool results before they enter it."
        ),
        span_ids=trace.ids(index for turns in loops for index in turns),
        saving_usd=saving,
        derivation=(
            f"estimate: priced as if each prompt were the first one plus what the last {kept} added, with "
            "no more than the first one read from a cache; time not modelled"
            if saving is not None
            else "no saving computed: the price is not known"
        ),
    )
