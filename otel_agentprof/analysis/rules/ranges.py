"""Calls that take longer than work of their kind usually does: the table of typical ranges.

Only what is above its range is told: nobody has to mend a call that is faster than usual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.analysis import wording
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.analysis.saving import MOST_RERUNS, if_at_most, is_worthwhile
from otel_agentprof.analysis.sequential import is_transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_agentprof.analysis.operations import Operation
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config
    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role


class Range(NamedTuple):
    """How long one kind of work usually takes, in ms, and what helps where it takes longer."""

    what: str
    roles: tuple[Role, ...]
    least_ms: float
    most_ms: float
    remedy: str


LLM: Final = Range("an LLM call", ("llm",), 500, 5_000, "Choose a faster model here, and stream the answer.")
TOOL: Final = Range(
    "a tool call", ("tool",), 10, 30_000, "Cache its results, and run it side by side with other calls."
)
MEMORY: Final = Range(
    "a memory retrieval",
    ("retrieval",),
    10,
    500,
    "Index what is searched, ask for fewer results, or keep frequent ones in memory.",
)
NETWORK: Final = Range(
    "a network request",
    ("other", "step"),
    50,
    2_000,
    "Keep connections open in a pool, set a timeout, and move closer to the server.",
)
PROMPT: Final = Range(
    "prompt construction", ("step",), 1, 50, "Build the prompt from a template that is made once and kept."
)


_MOST_LEVELS: Final = 4  # of plain spans that are looked through: a request, its server, what is behind that
_OF_ROLE: Final = {role: kind for kind in (LLM, TOOL, MEMORY) for role in kind.roles}


def unusual_duration(trace: Trace, config: Config) -> Iterator[Finding]:
    """Yield the operations of which calls take longer than their kind typically does."""
    found: list[tuple[Operation, Range, list[int]]] = []
    for operation in trace.operations:
        kind = _range_of(trace, operation)
        if kind is not None and (calls := _beyond(trace, operation, kind)):
            found.append((operation, kind, calls))
    found.sort(key=lambda row: -_excess_ns(trace, row[1], row[2]))
    for operation, kind, calls in found[:MOST_RERUNS]:
        saving_ns = if_at_most(trace, calls, kind.most_ms * wording.NS_PER_MS)
        if is_worthwhile(trace, saving_ns, config):
            yield _finding(trace, operation, kind, calls, saving_ns)


def _range_of(trace: Trace, operation: Operation) -> Range | None:
    """Return what is typical for an operation; calls of one name and role are one kind of work."""
    if operation.role in _OF_ROLE:
        return _OF_ROLE[operation.role]
    span = trace.tree.spans[operation.indices[0]]
    if operation.role in PROMPT.roles and operation.name.lower().startswith("prompt"):
        return PROMPT
    if operation.role in NETWORK.roles and _is_request(span):
        return NETWORK
    if operation.role in NETWORK.roles and "memory" in str(span.attributes.get(semconv.OPERATION_NAME, "")):
        return MEMORY
    return None


def _is_request(span: Span) -> bool:
    return span.kind == "CLIENT" and any(key.startswith("http.") for key in span.attributes)


def _beyond(trace: Trace, operation: Operation, kind: Range) -> list[int]:
    """Return the calls above the range, the slowest first; what makes calls itself is judged by them."""
    total, limit_ns = trace.times.total, kind.most_ms * wording.NS_PER_MS
    calls = [index for index in operation.indices if total[index] > limit_ns]
    if not calls:
        return []  # as nearly always
    if kind is not LLM:
        calls = [index for index in calls if not _makes_calls(trace, index)]
    if kind is NETWORK:  # how a model call travels takes as long as the model does
        calls = [index for index in calls if not is_transport(trace, index)]
    return sorted(calls, key=lambda index: -total[index])


def _makes_calls(trace: Trace, index: int) -> bool:
    """Return whether there is other work inside a span than requests and what answers them."""
    roles, children = trace.ledger.roles, trace.tree.children
    level: Sequence[int] = children[index]
    for _ in range(_MOST_LEVELS):
        if any(roles[below] != "other" for below in level):
            return True
        level = [further for below in level for further in children[below]]
        if not level:
            break
    return False


def _excess_ns(trace: Trace, kind: Range, calls: Sequence[int]) -> float:
    return sum(trace.times.total[index] - kind.most_ms * wording.NS_PER_MS for index in calls)


def _finding(
    trace: Trace, operation: Operation, kind: Range, calls: Sequence[int], saving_ns: int
) -> Finding:
    most_ns = kind.most_ms * wording.NS_PER_MS
    longest = wording.duration(trace.times.total[calls[0]])
    many = f" in {len(calls):,} of {len(operation.indices):,} calls" if len(operation.indices) > 1 else ""
    typical = f"{wording.duration(kind.least_ms * wording.NS_PER_MS)} to {wording.duration(most_ns)}"
    return Finding(
        rule="unusual_duration",
        title=f"{operation.name} takes up to {longest}{many}, longer than {kind.what} usually does",
        component=operation.name,
        metric="max_duration_ms",
        value=trace.times.total[calls[0]] / wording.NS_PER_MS,
        threshold=kind.most_ms,
        suggestion=f"{typical} is typical for {kind.what}. {kind.remedy}",
        span_ids=trace.ids(calls),
        saving_ns=saving_ns,
        derivation=f"this run again, no such call longer than {wording.duration(most_ns)}",
    )
