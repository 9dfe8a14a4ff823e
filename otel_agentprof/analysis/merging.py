"""One finding per cause: what is said in general gives way to what says why.

A general finding (a tool is slow) is dropped where a more telling one (the same call made three times) is
about most of the same spans; what it measured is added to that one's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_agentprof.analysis.finding import Finding

# What each general rule gives way to, the most telling first.
TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "slow_llm": ("timeout", "slow_first_token", "slow_generation"),
    "slow_tool": ("timeout",),
    "repeated_call": ("agent_loop",),
    "retry_waste": ("agent_loop",),
    "too_many_calls": ("agent_loop", "repeated_call"),
    "too_many_iterations": ("agent_loop",),
    "prompt_heavy": ("prompt_cache_miss", "context_growth"),
    "costly_operation": ("oversized_model", "prompt_cache_miss", "context_growth"),
    "unusual_duration": (
        "slow_first_token",
        "slow_generation",
        "slow_llm",
        "slow_tool",
        "head_of_line",
        "repeated_call",
    ),
    "sequential_group": ("unused_concurrency",),  # it is about calls of which some run together already
    "head_of_line": ("slow_first_token", "slow_generation"),
}
# Rules whose first span is what they are about; the others are what it is held against.
_ABOUT_THE_FIRST: Final = frozenset({"head_of_line"})
_MOST: Final = 0.5


def merged(found: Sequence[Finding]) -> list[Finding]:
    """Return findings without those whose cause another one tells; the order stays."""
    span_ids = {place: one.span_ids for place, one in enumerate(found)}  # of those that are kept
    also: dict[int, str] = {}  # what has given way to each
    general = [place for place, one in enumerate(found) if one.rule in TELLING]
    general.sort(key=lambda place: -len(TELLING[found[place].rule]))  # the most general gives way first
    for place in general:
        telling = _told_by(found[place], found, span_ids)
        if telling is not None:
            gone = span_ids.pop(place)
            span_ids[telling] = tuple(dict.fromkeys((*span_ids[telling], *gone)))
            told = f" Also: {found[place].title}.{also.get(place, '')}"
            also[telling] = also.get(telling, "") + told
    return [
        found[place]._replace(suggestion=found[place].suggestion + also[place], span_ids=ids)
        if place in also
        else found[place]
        for place, ids in span_ids.items()
    ]


def _told_by(
    general: Finding, found: Sequence[Finding], span_ids: Mapping[int, tuple[str, ...]]
) -> int | None:
    spans = set(general.span_ids[:1] if general.rule in _ABOUT_THE_FIRST else general.span_ids)
    for rule in TELLING[general.rule]:
        for place, ids in span_ids.items():
            if found[place].rule == rule and len(spans.intersection(ids)) > len(spans) * _MOST:
                return place
    return None
