"""Which models are for which tasks: three tiers per vendor, from the weakest to the strongest.

Data only; what they cost is in the price table. That all of them have a price there, rising from tier to
tier, and so far apart as the chapter's factors (0.1, 0.5, 1.0) say, a test holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Complexity = Literal["simple", "medium", "complex"]
COMPLEXITIES: Final[tuple[Complexity, ...]] = get_args(Complexity)


@dataclass(frozen=True, slots=True)
class ModelOption:
    """A model that may be chosen.

    Attributes:
        model: Its name, as requests say it.
        provider: Who sells it, in OpenTelemetry's spelling; None where the name tells.
        context_tokens: How much it can read and write; None for what the price table says, if it does.
        has_tools: Whether it calls tools; None where that is not known, which rejects nothing.
        has_vision: Whether it sees pictures; likewise.
    """

    model: str
    provider: str | None = None
    context_tokens: int | None = None
    has_tools: bool | None = None
    has_vision: bool | None = None


Tiers = Mapping[Complexity, tuple[ModelOption, ...]]


def _of(provider: str, simple: str, medium: str, hard: str) -> Tiers:
    names: dict[Complexity, str] = {"simple": simple, "medium": medium, "complex": hard}
    return {
        tier: (ModelOption(name, provider, has_tools=True, has_vision=True),) for tier, name in names.items()
    }


TIERS: Final[Mapping[str, Tiers]] = {
    "openai": _of("openai", "gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol"),
    "anthropic": _of("anthropic", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"),
}


def tiers_of(given: Mapping[str, Any] | None, provider: str) -> Tiers:
    """Return the user's own tiers, each a name, a ModelOption or several of them; else a vendor's.

    Raises:
        ValueError: A tier is missing, empty or has a name that is none of the three; or nobody knows the
            provider.
    """
    if given is None:
        if provider not in TIERS:
            raise ValueError(f"provider must be one of {', '.join(TIERS)}, or give tiers; not {provider!r}")
        return TIERS[provider]
    if set(given) != set(COMPLEXITIES):
        raise ValueError(f"tiers must be {', '.join(COMPLEXITIES)}, not {', '.join(map(repr, given))}")
    made = {tier: tuple(map(_option, _several(given[tier]))) for tier in COMPLEXITIES}
    if empty := [tier for tier, options in made.items() if not options]:
        raise ValueError(f"the tier {empty[0]!r} has no model")
    return made


def _several(given: Any) -> tuple[Any, ...]:
    return (given,) if isinstance(given, str | ModelOption) else tuple(given)


def _option(given: Any) -> ModelOption:
    return given if isinstance(given, ModelOption) else ModelOption(str(given))
