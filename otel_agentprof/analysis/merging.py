"""One finding per cause: what is said in general gives way to what says why.

A general finding (a tool is slow) is dropped where a more telling one (the same call made three times) is
about most of the same spans; what it measured is added to that one's text.
"""

from __future__ import annotations

from dataclasses import replace
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
    kept = dict(enumerate(found))
    for place in sorted(kept, key=lambda place: _generality(found[place].rule)):
        general = found[place]
        telling_place = _told_by(general, kept)
        if telling_place is None:
            continue
        gone, telling = kept.pop(place), kept[telling_place]
        told = gone.suggestion.removeprefix(general.suggestion)  # what has given way to this one before
        kept[telling_place] = replace(
            telling,
            suggestion=f"{telling.suggestion} Also: {general.title}.{told}",
            span_ids=tuple(dict.fromkeys((*telling.span_ids, *gone.span_ids))),
        )
    return list(kept.values())


def _generality(rule: str) -> int:
    """Return how many rules are more telling, so that the most general give way first."""
    return -len(TELLING.get(rule, ()))


def _told_by(general: Finding, kept: Mapping[int, Finding]) -> int | None:
    spans = set(general.span_ids[:1] if general.rule in _ABOUT_THE_FIRST else general.span_ids)
    for rule in TELLING.get(general.rule, ()):
        for place, other in kept.items():
            if other.rule == rule and len(spans.intersection(other.span_ids)) > len(spans) * _MOST:
                return place
    return None
