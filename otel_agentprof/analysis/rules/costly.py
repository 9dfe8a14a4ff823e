"""Operations that cost much, models larger than their work, and tokens that are nearly all prompt."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.costs import priced
from otel_agentprof.analysis.finding import Finding, ModelSwap
from otel_agentprof.analysis.saving import usd_with
from otel_agentprof.model import dialects
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.pricing.families import cheaper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

# What ModelSwap() comes down to, without a Python frame.
_model_swap: Final = partial(tuple.__new__, ModelSwap)


_APART: Final = frozenset({"tool", "retrieval"})  # what is asked inside them is another piece of work
_OWN_WORK: Final = _APART | {"agent"}


class _Swap(NamedTuple):
    """What some calls would save with the nearest cheaper sibling of their model."""

    calls: tuple[ModelSwap, ...]
    before_usd: Decimal
    after_usd: Decimal

    @property
    def siblings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(call.cheaper for call in self.calls))


def costly_operation(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that cost much in this one trace."""
    for operation in trace.operations:
        if operation.cost_usd is None or operation.cost_usd <= config.costly_operation_usd:
            continue
        spent = ""
        if operation.usage is not None:
            spent = f"It read {operation.usage.input:,} tokens and wrote {operation.usage.output:,}. "
        over = wording.over_calls(len(operation.indices))
        saving_usd, derivation = _swap_saving(trace, operation.indices)
        yield Finding(
            rule="costly_operation",
            title=f"{operation.name} costs {wording.dollars(operation.cost_usd)}{over}",
            component=operation.name,
            metric="cost_usd",
            value=float(operation.cost_usd),
            threshold=config.costly_operation_usd,
            suggestion=f"{spent}Use a cheaper model where it is good enough, or shorten or cache the prompt.",
            span_ids=trace.ids([index for index in operation.indices if trace.costs[index]]),
            saving_usd=saving_usd,
            derivation=derivation,
        )


def oversized_model(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that ask an expensive model for short and simple answers."""
    asked = [operation for operation in trace.operations if operation.role == "llm"]
    is_expensive, needs_no_tools = _expensive_calls(trace, asked, config), _calls_without_tools(trace)
    for operation in asked:
        short = _short(trace, operation.indices, config)
        calls = [index for index in short if is_expensive(index) and needs_no_tools(index)]
        if calls and (swap := _swap(trace, calls)):
            yield _oversized(trace, operation, calls, swap, config)


def prompt_heavy(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations whose tokens are nearly all prompt."""
    for operation in trace.operations:
        usage = operation.usage
        # Embedding models read only: there the share is always 1 and says nothing.
        if usage is None or not usage.total or operation.role == "embedding":
            continue
        ratio = usage.input / usage.total
        if ratio <= config.prompt_heavy_ratio:
            continue
        calls = [index for index in operation.indices if trace.ledger.usage[index] is not None]
        yield Finding(
            rule="prompt_heavy",
            title=f"{wording.percent(ratio)} of the tokens of {operation.name} are prompt",
            component=operation.name,
            metric="prompt_ratio",
            value=ratio,
            threshold=config.prompt_heavy_ratio,
            suggestion=(
                f"{usage.input:,} tokens in ({usage.cache_read:,} from a cache) for {usage.output:,} out. "
                "Send less history and fewer tool definitions, or put what stays the same first so that the "
                "provider can cache it."
            ),
            span_ids=trace.ids(calls),
            # Where a cache would save something, prompt_cache_miss says it and this finding gives way.
            derivation="no saving computed: "
            + (
                "no long beginning of these prompts was sent before and billed in full"
                if any(trace.chain_of(index).parts for index in calls)
                else "what the prompts have in common, and can do without, is not recorded"
            ),
        )


def _short(trace: Trace, calls: Iterable[int], config: Config) -> list[int]:
    """Return the calls that worked, with a short question and a short answer."""
    usages, failed = trace.ledger.usage, trace.failed
    most_read, most_written = config.simple_input_tokens, config.simple_output_tokens
    return [
        index
        for index in calls
        if (usage := usages[index]) is not None
        and 0 < usage.output <= most_written
        and usage.input <= most_read
        and not usage.reasoning
        and index not in failed
    ]


def _calls_without_tools(trace: Trace) -> Callable[[int], bool]:
    """Return what tells whether a call is simple: a question and an answer, no work with tools."""
    roles, parents = trace.ledger.roles, trace.tree.parents
    known: dict[int, bool] = {}

    def works_with_tools(scope: int) -> bool:
        if scope not in known:
            known[scope] = _has_tools(trace, scope)
        return known[scope]

    def needs_no_tools(index: int) -> bool:
        if _asks_for_tools(trace, index):
            return False
        above = parents[index]
        while above >= 0:
            if roles[above] in _OWN_WORK and works_with_tools(above):
                return False
            if roles[above] in _APART:
                return True
            above = parents[above]
        return not works_with_tools(above)  # of all that is in no agent

    return needs_no_tools


def _has_tools(trace: Trace, scope: int) -> bool:
    """Return whether tools are run, or asked for, in a span: not inside the tools and agents in it."""
    roles, children = trace.ledger.roles, trace.tree.children
    calls: list[int] = []
    todo = [scope]
    while todo:
        below = children[todo.pop()]
        for child in below:
            role = roles[child]
            if role == "tool":
                return True
            if role == "llm":
                calls.append(child)
        todo += [child for child in below if children[child] and roles[child] not in _OWN_WORK]
    return any(_asks_for_tools(trace, call) for call in calls)


def _asks_for_tools(trace: Trace, index: int) -> bool:
    span = trace.tree.spans[index]
    return bool(
        dialects.tool_call_ids_of(span)
        or dialects.tool_result_ids_of(span)
        or any("tool" in reason.lower() for reason in dialects.finish_reasons_of(span))
    )


def _expensive_calls(trace: Trace, asked: Iterable[Operation], config: Config) -> Callable[[int], bool]:
    """Return what tells whether a call asks an expensive model: by what the model's first call would cost."""
    models, providers = trace.ledger.models, trace.ledger.providers
    known: dict[tuple[str | None, str | None], bool] = {}

    def is_expensive(index: int) -> bool:
        model = models[index], providers[index]
        if model not in known:
            calls = (call for operation in asked for call in operation.indices)
            first = next(call for call in calls if (models[call], providers[call]) == model)
            for_a_million = usd_with(trace, first, TokenUsage(output=1_000_000))
            known[model] = for_a_million is not None and for_a_million >= config.expensive_usd
        return known[model]

    return is_expensive


def _swap(trace: Trace, indices: Iterable[int]) -> _Swap | None:
    """Return what cheaper siblings would save; None where there is none with a known and lower price."""
    calls: list[ModelSwap] = []
    tree, ledger, price = trace.tree, trace.ledger, trace.price
    for index in indices:
        usage, model = ledger.usage[index], ledger.models[index]
        siblings = cheaper(model) if usage is not None and model is not None else ()
        before = trace.cost_by_tokens(index) if siblings else None
        if usage is None or model is None or before is None:
            continue
        for sibling in siblings:
            after = priced(tree, ledger, index, usage, price, sibling)
            if after is not None and after < before:
                calls.append(_model_swap((tree.spans[index].span_id, model, sibling, usage, before, after)))
                break
    if not calls:
        return None
    before_usd, after_usd = sum([c[4] for c in calls], Decimal(0)), sum([c[5] for c in calls], Decimal(0))
    return _Swap(tuple(calls), before_usd, after_usd)


def _swap_saving(trace: Trace, indices: Iterable[int]) -> tuple[Decimal | None, str]:
    swap = _swap(trace, indices)
    if swap is None:
        return None, "no saving computed: no cheaper model of the same family is known"
    return swap.before_usd - swap.after_usd, _swap_derivation(swap)


def _swap_derivation(swap: _Swap) -> str:
    names = " and ".join(swap.siblings)
    return (
        f"estimate: the same tokens priced as {names}, {wording.dollars(swap.after_usd)} instead of "
        f"{wording.dollars(swap.before_usd)}; whether its answers are good enough only a test can tell"
    )


def _oversized(trace: Trace, operation: Operation, calls: list[int], swap: _Swap, config: Config) -> Finding:
    usages = [trace.ledger.usage[index] or TokenUsage() for index in calls]
    read, written = (sum(tokens) / len(calls) for tokens in zip(*(u[:2] for u in usages), strict=True))
    models = " and ".join(dict.fromkeys(trace.ledger.models[index] or "" for index in calls))
    names = " or ".join(swap.siblings)
    return Finding(
        rule="oversized_model",
        title=f"{operation.name} asks {models} for {wording.counted(len(calls), 'short answer')}",
        component=operation.name,
        metric="avg_output_tokens",
        value=written,
        threshold=float(config.simple_output_tokens),
        suggestion=(
            f"{read:,.0f} tokens in and {written:,.0f} out on average, no tools, no reasoning: try {names} "
            "here, and compare the answers."
        ),
        span_ids=trace.ids(calls),
        saving_usd=swap.before_usd - swap.after_usd,
        derivation=_swap_derivation(swap),
        confidence="possible",
        swaps=swap.calls,
    )
