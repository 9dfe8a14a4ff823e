"""What a limit kept out of a report, said in its ``data_quality``."""

from __future__ import annotations

from typing import Final, Literal

Limit = Literal["spans_per_trace", "traces", "bytes", "queue"]
_WHY: Final[dict[Limit, str]] = {
    "spans_per_trace": "over OTEL_AGENTPROF_MAX_SPANS_PER_TRACE",
    "traces": "over OTEL_AGENTPROF_MAX_TRACES",
    "bytes": "over OTEL_AGENTPROF_MAX_BYTES",
    "queue": "the queue was full",
}


def note(limit: Limit, count: int, *, is_given_up: bool = False) -> tuple[str, str]:
    """Return the note about spans that are not in a report, as (code, message).

    Args:
        limit: Why they are not.
        count: How many are known to be missing.
        is_given_up: Whether the trace went on after the report was made.
    """
    said = []
    if count:
        said.append("1 span was left out" if count == 1 else f"{count:,} spans were left out")
    if is_given_up:
        said.append("what ended after the trace was given up is missing")
    text = f"{'; '.join(said)} ({_WHY[limit]}): counts, tokens and cost are too low."
    return "dropped_spans", text[0].upper() + text[1:]
