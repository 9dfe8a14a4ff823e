"""Operations that cost much, and tokens that are nearly all prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config


def costly_operation(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations that cost much in this one trace."""
    for operation in trace.operations:
        if operation.cost_usd is None or operation.cost_usd <= config.costly_operation_usd:
            continue
        spent = ""
        if operation.usage is not None:
            spent = f"It read {operation.usage.input:,} tokens and wrote {operation.usage.output:,}. "
        over = wording.over_calls(len(operation.indices))
        yield Finding(
            rule="costly_operation",
            title=f"{operation.name} costs {wording.dollars(operation.cost_usd)}{over}",
            component=operation.name,
            metric="cost_usd",
            value=float(operation.cost_usd),
            threshold=config.costly_operation_usd,
            suggestion=f"{spent}Use a cheaper model where it is good enough, or shorten or cache the prompt.",
            span_ids=trace.ids(index for index in operation.indices if trace.costs[index]),
            derivation="no saving computed: it depends on the model that is good enough",
        )


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
            span_ids=trace.ids(
                [index for index in operation.indices if trace.ledger.usage[index] is not None]
            ),
            derivation="no saving computed: what the prompt can do without is not known",
        )
