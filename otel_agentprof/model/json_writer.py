"""JSON that is the same for equal values, by CPython's encoder in C without making one for each value.

``json.JSONEncoder.encode`` makes it anew each time, in as long as it takes to write a short value.
"""

from __future__ import annotations

from json import JSONEncoder, encoder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Writer = Callable[[Any, int], Iterable[str]]


def json_writer(
    *, separators: tuple[str, str] = (",", ":"), default: Callable[[Any], Any] | None = None
) -> Writer:
    """Return what writes values as JSON with sorted keys, text as it is: ``"".join(write(value, 0))``.

    In pieces, for one more function would cost every caller a call. With C or without, the text is the same.
    A value that contains itself is a RecursionError: what is being written is not remembered.

    Args:
        separators: Between items, and behind a key.
        default: What gives something that JSON has words for in place of any other object.
    """
    plain = JSONEncoder(
        sort_keys=True, ensure_ascii=False, check_circular=False, separators=separators, default=default
    )
    make = getattr(encoder, "c_make_encoder", None)  # CPython only, and in no stub
    if make is None:
        return lambda value, _: plain.iterencode(value)
    made: Writer = make(
        markers=None,
        default=plain.default,
        encoder=encoder.encode_basestring,
        indent=None,
        key_separator=plain.key_separator,
        item_separator=plain.item_separator,
        sort_keys=True,
        skipkeys=False,
        allow_nan=True,
    )
    return made
