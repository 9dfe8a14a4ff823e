"""The key of a request: a hash of everything in it, by value, the same in every process.

    {"model": m, "messages": [...], "seed": 1}  ->  canonical JSON: sorted, no spaces  ->  SHA-256

What JSON has no word for is written by its value where it has one (``plain_value.py``). Anything else, such
as an open file, gives no key: no answer is better than somebody else's.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.json_writer import json_writer
from otel_agentprof.optimize.plain_value import CLASS_MARK, TAG, PlainValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ABSENT: Final = frozenset({"NotGiven", "Omit", "Unset", "ellipsis"})  # what the clients have for "not given"
LOCAL: Final = "local-"
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_WRITE: Final = json_writer()


def request_key(
    salt: Sequence[Any], arguments: Mapping[str, Any], *, is_local: bool = False, is_sent: bool = True
) -> str | None:
    """Return the key of a request; None where something in it cannot be told by its value.

    A key of this process only, for something in the request is only known here, begins with :data:`LOCAL`.

    Args:
        salt: What tells requests apart that have the same arguments.
        arguments: By name; of what is sent, what stands for "not given" is left out.
        is_local: Whether the salt is only known in this process.
        is_sent: Whether the arguments are sent as JSON, where a tuple is a list; a function sees which it is.
    """
    if is_sent:
        arguments = {
            name: value for name, value in arguments.items() if value.__class__.__name__ not in _ABSENT
        }
    value = [salt, arguments]
    try:
        try:
            text = "".join(_WRITE(value, 0))  # first: it ends where something contains itself
        except TypeError:  # keys or objects that JSON has no word for
            text = ""
        if not text or not _is_json(value, is_sent=is_sent):
            text = "".join(_WRITE(PlainValue(is_sent=is_sent).of(value), 0))
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{LOCAL}{digest}" if is_local or CLASS_MARK in text else digest


def _is_json(value: list[Any], *, is_sent: bool) -> bool:
    """Return whether a value is what its JSON says, and nothing else has the same: looked at without a call.

    A subclass of ``str`` may know more than its text, the key 1 is written as the key "1" is.
    """
    todo: list[Any] = [value]
    for each in todo:  # which grows meanwhile
        if each.__class__ is dict:
            if TAG in each:
                return False
            for name in each:
                if name.__class__ is not str:
                    return False
                item = each[name]
                if item.__class__ not in _SCALARS:
                    todo += (item,)
        elif each.__class__ is list or (is_sent and each.__class__ is tuple):
            for item in each:
                if item.__class__ not in _SCALARS:
                    todo += (item,)
        else:
            return False
    return True
