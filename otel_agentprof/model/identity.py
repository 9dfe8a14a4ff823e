"""Words for objects that only their address tells apart, such as classes and clients.

An address is used again once its object is gone; a word is not.
"""

from __future__ import annotations

import secrets
import weakref
from typing import Any, Final

_words: Final[dict[int, tuple[weakref.ref[Any], str]]] = {}  # by address


def identity_of(value: Any) -> str:
    """Return a random word for an object as such: the same as long as it lives, never that of another.

    Raises:
        TypeError: For objects that cannot be watched to their end.
    """
    address = id(value)
    known = _words.get(address)
    if known is not None and known[0]() is value:
        return known[1]
    word = secrets.token_hex(8)
    _words[address] = (weakref.ref(value, lambda _: _words.pop(address, None)), word)
    return word
