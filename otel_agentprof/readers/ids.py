"""Trace and span ids, however they are written, as lower-case hex of full length.

    hex, any case        32 or 16 digits       OTLP JSON, Jaeger
    base64               16 or 8 bytes         protobuf's own JSON (Tempo), padded or not
    short hex            fewer digits          Jaeger drops leading zeros; they are put back

What can be read as hex is hex. Base64 of 16 or 8 bytes has 24 or 12 characters (22 or 11 without padding),
so a full-length hex id is never taken for base64, nor the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.readers.any_value import BAD_VALUE, binary

if TYPE_CHECKING:
    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

TRACE_DIGITS: Final = 32
SPAN_DIGITS: Final = 16
# Stands for a parent that is named and cannot be read: such a span is an orphan, not another root.
UNREADABLE_PARENT: Final = "f" * SPAN_DIGITS
_ZEROS: Final = frozenset({"0" * TRACE_DIGITS, "0" * SPAN_DIGITS})
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def hex_id(raw: Json, digits: int, losses: Losses, *, may_be_short: bool = False) -> str | None:
    """Return an id as lower-case hex, None where it is missing, all zeros or cannot be read.

    Args:
        raw: What stands in the JSON.
        digits: How many the id must have: TRACE_DIGITS or SPAN_DIGITS.
        losses: Where a padded id is counted.
        may_be_short: Leave padded ones uncounted: the format drops zeros.
    """
    try:
        found = bytes.fromhex(raw).hex()
    except BAD_VALUE:
        found = ""
    if len(found) != digits or len(raw) != digits:  # fromhex() passes over spaces
        found = _other_id(raw, digits, None if may_be_short else losses)
    return None if found in _ZEROS or not found else found


def parent_id(raw: Json, losses: Losses, *, may_be_short: bool = False) -> str | None:
    """Return the id of a span's parent, None where it has none."""
    if not raw:
        return None
    found = hex_id(raw, SPAN_DIGITS, losses, may_be_short=may_be_short)
    if found is None and (not isinstance(raw, str) or raw.strip("0A=")):
        losses.add("bad_parent")
        return UNREADABLE_PARENT
    return found


def _other_id(raw: Json, digits: int, losses: Losses | None) -> str:
    if not isinstance(raw, str) or not raw:
        return ""
    if len(raw) < digits and _HEX.issuperset(raw):
        if losses is not None and raw.strip("0"):
            losses.add("short_id")
        return raw.lower().zfill(digits)
    try:
        data = binary(raw)
    except BAD_VALUE:
        return ""
    return data.hex() if len(data) * 2 == digits else ""
