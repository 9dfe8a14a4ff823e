r"""How names, durations, money and counts are written for people, the same in every format.

A name comes from a file or from somebody's code: nothing of it may steer a terminal or a page. Whatever is
not visible text is shown as the escape that Python would print (``\x1b``), never passed on.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Final

UNKNOWN: Final = "unknown"
NO_NAME: Final = "(no name)"
_NAME_LIMIT: Final = 200  # code points; a longer name is noise in every format, and may be megabytes
_PROSE_LIMIT: Final = 2_000
_OPERATIONS: Final = ("execute_tool ", "invoke_agent ", "invoke_workflow ")
_ODD: Final = re.compile(r"[^\x20-\x7e]")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")  # Persian words and emoji need them, and they steer nothing
_NS_PER_US: Final = 1_000
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_MICRO: Final = Decimal("0.000001")
_CENT: Final = Decimal("0.01")


def clean(text: str, *, limit: int = _PROSE_LIMIT) -> str:
    """Return text of any origin as one visible line: control and bidi characters, surrogates escaped."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return _ODD.sub(_visible, short)


def name(text: str | None) -> str:
    """Return a name as it is shown; never empty."""
    return (clean(text, limit=_NAME_LIMIT).strip() if text else "") or NO_NAME


def short_name(text: str | None) -> str:
    """Return a name without the operation that the conventions put before it, for narrow columns."""
    shown = name(text)
    for prefix in _OPERATIONS:
        shown = shown.removeprefix(prefix)
    return shown


def duration(ns: int) -> str:
    """Return a duration in the unit that people would say, at most eight characters up to 99 days."""
    if ns < 0:
        return "-" + duration(-ns)
    if ns < _NS_PER_US:
        return f"{ns} ns" if ns else "0 s"
    if ns < 999.5 * _NS_PER_US:
        return f"{ns / _NS_PER_US:.0f} µs"
    if ns < 999.5 * _NS_PER_MS:
        milliseconds = ns / _NS_PER_MS
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"  # noqa: PLR2004 - two digits
    seconds = ns / _NS_PER_S
    if seconds < 59.95:  # noqa: PLR2004 - one minute, rounded
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"  # noqa: PLR2004 - three digits
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days:,}d {hour:02d}h"
    return f"{hours}h {minute:02d}m" if hours else f"{minutes}m {second:02d}s"


def money(usd: Decimal | None) -> str:
    """Return US dollars: two digits that matter below a cent, four places below a dollar, else two."""
    if usd is None or not usd.is_finite():
        return UNKNOWN
    if usd < 0:
        return "-" + money(-usd)
    if usd == 0:
        return "$0"
    if usd < _MICRO:
        return "<$0.000001"
    if usd < _CENT:
        return f"${usd:.{1 - usd.adjusted()}f}"
    return f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"


def compact(count: int) -> str:
    """Return a count in at most five characters: 950, 1.2k, 34k, 1.2M."""
    if count < 1_000:  # noqa: PLR2004 - three digits
        return str(count)
    figure = float(count)
    for unit in "kMGT":
        figure /= 1_000
        if figure < 9.95:  # noqa: PLR2004 - two digits
            return f"{figure:.1f}{unit}"
        if figure < 999.5:  # noqa: PLR2004 - three digits
            return f"{figure:.0f}{unit}"
    return f"{figure:,.0f}T"


def percent(part: int, whole: int) -> str:
    """Return a share such as ``66%``; ``-`` where there is nothing to share."""
    if whole <= 0:
        return "-"
    share = 100 * part / whole
    return "<1%" if 0 < share < 0.5 else f"{share:.0f}%"  # noqa: PLR2004 - half a percent rounds to zero


def plural(count: int, noun: str) -> str:
    """Return ``1 call``, ``2 calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def measure(metric: str, value: float) -> str:
    """Return the figure of a finding; the unit is the end of the metric's name (``_ms``, ``_usd``, ...)."""
    exact = Decimal(repr(value))  # the digits that the float shows, not its last binary bit
    if not exact.is_finite():
        return UNKNOWN
    if metric.endswith("_usd"):
        return money(exact)
    for unit, ns in (("_ns", 1), ("_ms", _NS_PER_MS), ("_s", _NS_PER_S)):
        if metric.endswith(unit):
            return duration(int(exact * ns))
    if metric.endswith("_ratio"):
        return f"{exact:.0%}"
    return f"{exact:,.0f}" if exact == exact.to_integral_value() else f"{exact:,.2f}"


def metric_words(metric: str) -> str:
    """Return a metric's name for people: ``avg_latency_ms`` is ``avg latency``."""
    return clean(re.sub(r"_(ns|ms|s|usd|ratio)$", "", metric).replace("_", " "))


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - fits two hex digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - fits four hex digits
