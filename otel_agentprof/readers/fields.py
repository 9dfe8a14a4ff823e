"""Fields of foreign JSON, each read as the type that it should have.

A wrong type is counted as a loss and gives the type's empty value: nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.readers.any_value import BAD_VALUE, integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.losses import Losses

_UINT64: Final = range(2**64)


def _names(prefix: str, *names: str) -> dict[Any, str]:
    """Return every spelling of an enum: 3, "3", "SPAN_KIND_CLIENT" and "CLIENT" all mean CLIENT."""
    spellings: dict[Any, str] = {None: names[0]}  # protojson leaves out the zero
    for number, name in enumerate(names):
        spellings.update({number: name, str(number): name, f"{prefix}{name}": name, name: name})
    return spellings


KINDS: Final = _names("SPAN_KIND_", "INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
KINDS["SPAN_KIND_UNSPECIFIED"] = "INTERNAL"
STATUSES: Final = _names("STATUS_CODE_", "UNSET", "OK", "ERROR")


def time_of(raw: Json, losses: Losses, *, unit_ns: int = 1) -> int | None:
    """Return a time in ns, written in units of ``unit_ns``; None where it is missing or unreadable."""
    if raw is None:
        return None
    try:
        number = round(raw * unit_ns) if isinstance(raw, float) else int(raw) * unit_ns
    except BAD_VALUE:
        number = -1
    if number in _UINT64:
        return number
    losses.add("bad_time")
    return None


def lane_of(attributes: dict[str, Any]) -> str | None:
    """Take the lane out of a span's attributes: it has a field of its own."""
    return attributes.pop(semconv.LANE) if type(attributes.get(semconv.LANE)) is str else None


def choice_of(spellings: Mapping[Any, str], raw: Json, losses: Losses) -> str:
    """Return the name that a spelling stands for, one of the tables above; None stands for its zero."""
    try:
        return spellings[raw]
    except (KeyError, TypeError):
        losses.add("bad_value")
        return spellings[None]


def count_of(raw: Json, losses: Losses) -> int:
    """Return a count, 0 where it is missing or cannot be read."""
    if raw is None:
        return 0
    try:
        return max(0, integer(raw))
    except BAD_VALUE:
        losses.add("bad_value")
        return 0


def text_of(raw: Json, losses: Losses) -> str:
    """Return a string, empty where it is missing or something else."""
    if type(raw) is str:
        return raw
    if raw is not None:
        losses.add("bad_value")
    return ""


def object_of(raw: Json, losses: Losses) -> Mapping[str, Json]:
    """Return an object, empty where it is missing or something else."""
    if type(raw) is dict:
        return raw
    if raw is not None:
        losses.add("bad_value")
    return {}


def objects_of(raw: Json, code: str, losses: Losses) -> Iterator[dict[str, Json]]:
    """Yield the objects in a list; anything else is counted under the code."""
    if raw is None:
        return
    if type(raw) is not list:
        losses.add(code)
        return
    for member in raw:
        if type(member) is dict:
            yield member
        else:
            losses.add(code)
