"""The calls of each model in two parts: until the first token, and from there on.

chat   |........-----------|     . to the first token     - writing so many tokens
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof.model import dialects
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.analysis.trace import Trace

_NS_PER_S: Final = 1_000_000_000


class ModelCall(NamedTuple):
    """A model call that has ended.

    Attributes:
        span: Its index.
        total_ns: How long it took.
        first_ns: How long it took to the first token; None where that is not known.
        usage: Its tokens; none where the span names none.
    """

    span: int
    total_ns: int
    first_ns: int | None
    usage: TokenUsage

    @property
    def output(self) -> int:
        """How many tokens it wrote."""
        return self.usage.output


_call: Final = partial(tuple.__new__, ModelCall)  # what ModelCall() comes down to, without a Python frame


def model_calls(trace: Trace) -> Mapping[str, tuple[ModelCall, ...]]:
    """Return the calls of each model, of each operation where no model is named."""
    found: defaultdict[str, list[ModelCall]] = defaultdict(list)
    ledger, spans, total = trace.ledger, trace.tree.spans, trace.times.total
    counted, models, usages, open_spans = ledger.counted, ledger.models, ledger.usage, trace.tree.open_spans
    for operation in trace.operations:
        if operation.role != "llm":
            continue
        for index in operation.indices:
            span = spans[index]
            if dialects.is_cache_hit(span):  # says nothing of the model
                continue
            if counted[index] and index not in open_spans:
                seconds = dialects.first_token_s_of(span)
                first_ns = None if seconds is None else round(seconds * _NS_PER_S)
                usage = usages[index]
                one = _call((index, total[index], first_ns, TokenUsage() if usage is None else usage))
                found[models[index] or operation.name].append(one)
    return {model: tuple(calls) for model, calls in found.items()}
