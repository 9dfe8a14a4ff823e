"""How figures and names read in the sentence of a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from otel_agentprof.semconv import Role

NS_PER_MS: Final = 1_000_000
_PLURALS: Final[Mapping[Role, str]] = {
    "llm": "LLM calls",
    "tool": "tool calls",
    "agent": "agent runs",
    "retrieval": "retrievals",
    "embedding": "embedding calls",
    "step": "steps",
    "other": "calls",
}
_LISTED: Final = 4
_MINUTE_NS: Final = 60_000_000_000
_UNITS: Final = (("s", 1_000_000_000, 1), ("ms", 1_000_000, 0), ("µs", 1_000, 0))


def plural(role: Role) -> str:
    """Return what several spans of a role are called."""
    return _PLURALS[role]


def duration(ns: float) -> str:
    """Return a duration with a unit that fits: ``2.5 min``, ``3.2 s``, ``450 ms``, ``12 µs``."""
    if ns >= 2 * _MINUTE_NS:
        return f"{ns / _MINUTE_NS:.1f} min"
    for unit, size, digits in _UNITS:
        if ns >= size:
            return f"{ns / size:.{digits}f} {unit}"
    return f"{ns:.0f} ns"


def dollars(amount: Decimal) -> str:
    """Return an amount of money with enough digits to tell it from nothing."""
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.4f}"


def percent(ratio: float) -> str:
    """Return a share in per cent; nearly all is never rounded up to all."""
    return f"{min(round(ratio * 100), 99) if ratio < 1 else 100} %"


def listing(names: Mapping[str, int]) -> str:
    """Return names and how often each occurs: ``search x2, fetch and 3 more``."""
    shown = [f"{name} x{times}" if times > 1 else name for name, times in list(names.items())[:_LISTED]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def counted(count: int, noun: str) -> str:
    """Return how many there are of something: ``1 call``, ``1,200 calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def over_calls(count: int) -> str:
    """Return over how many calls an average is; nothing for one."""
    return f" over {count:,} calls" if count > 1 else ""
