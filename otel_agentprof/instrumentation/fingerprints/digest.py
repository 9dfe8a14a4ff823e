"""Canonical form and keyed hashes of a request; pure functions that run on the worker thread.

{"model": "m", "messages": [a, b, c], "tools": t, "seed": 1}     arguments, in any order

t        |--|                    tools, system, messages: the order in which providers cache
t a      |-----|                 -> one element of the chain for each first part
t a b    |----------|
t a b c  |------------|  + {"model": "m", "seed": 1}  -> fingerprint
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.instrumentation.fingerprints.capture import State
from otel_agentprof.model.json_writer import json_writer

if TYPE_CHECKING:
    from collections.abc import Mapping

# Elements of a chain that are written: the first ones, where tools and instructions are, and the last ones,
# where the next turn goes on.
_FIRST: Final = 8
_LAST: Final = 24
_TAG: Final = "\0"
_WRITE: Final = json_writer()
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset, State})
_BLOCK_KEYS: Final = frozenset({"type", "role", "input_schema"})
_SCALARS: Final = frozenset({int, float, bool, type(None)})


class TooLargeError(ValueError):
    """A document is beyond its budget."""


class Budget(NamedTuple):
    """How large a document may be; a small copy can stand for a huge one, for parts may be shared."""

    nodes: int
    characters: int


class Reading(NamedTuple):
    """How the arguments of a call are meant.

    Attributes:
        salt: What tells calls apart that take the same arguments.
        prompt: Arguments that make up the prompt, in caching order; the last one is a list of messages.
        marks: Keys inside the prompt that steer caching and do not change the answer.
        tells_classes: Whether objects of two classes differ although their fields are equal.
    """

    salt: tuple[str, ...]
    prompt: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    tells_classes: bool = False


def digest(arguments: Mapping[str, Any], reading: Reading, key: bytes, budget: Budget) -> dict[str, Any]:
    """Return the attributes that identify a request.

    Raises:
        TypeError: For values that have no canonical form.
        ValueError: Likewise.
        TooLargeError: For documents beyond the budget.
    """
    rest = dict(arguments)
    chain: list[str] = []
    sizes: list[int] = []
    size = 0
    canonical = _Canonical(reading, budget)
    prefix = blake2b(key=key, digest_size=16, person=b"agentprof.prompt")
    for name in reading.prompt:
        if (given := rest.pop(name, None)) is None:
            continue
        is_split = name == reading.prompt[-1] and given.__class__ in (list, tuple)
        parts = given if is_split else (given,)
        if 3 * len(parts) > budget.nodes:  # a message, its role, its text
            raise TooLargeError
        for part in parts:
            text = canonical.text(_message(part) if is_split else part)
            prefix.update(f"{name}\n{text}\n".encode("utf-8", "surrogatepass"))
            size += len(text)
            chain.append(prefix.hexdigest()[:16])
            sizes.append(size)
    whole = blake2b(prefix.digest(), key=key, digest_size=16, person=b"agentprof.reques")
    whole.update(canonical.text([list(reading.salt), rest]).encode("utf-8", "surrogatepass"))
    found: dict[str, Any] = {semconv.REQUEST_FINGERPRINT: whole.hexdigest()}
    if chain:
        # As text: the SDK makes 7 calls on the user's thread for each pair of elements of two lists.
        if len(chain) > _FIRST + _LAST:
            del chain[_FIRST:-_LAST], sizes[_FIRST:-_LAST]
        found[semconv.PROMPT_CHAIN] = " ".join(chain)
        found[semconv.PROMPT_SIZES] = " ".join(map(str, sizes))
    return found


def _message(item: Any) -> Any:
    """Return a message without what it leaves open."""
    if item.__class__ is not dict:
        return item
    return {name: value for name, value in item.items() if value is not None}


class _Canonical:
    """Turns values into text, the same for equal values, within a budget for the whole request."""

    def __init__(self, reading: Reading, budget: Budget) -> None:
        self._marks = reading.marks
        self._tells_classes = reading.tells_classes
        self._nodes, self._characters = budget

    def text(self, value: Any) -> str:
        """Return a value as JSON with sorted keys."""
        return "".join(_WRITE(self._plain(value), 0))

    def _plain(self, value: Any) -> Any:
        kind = value.__class__
        if kind in _SCALARS:
            return value
        if kind is str or kind is bytes:
            self._characters -= len(value)
            if self._characters < 0:
                raise TooLargeError
            return value if kind is str else {_TAG: "bytes", "": value.hex()}
        if kind not in _CONTAINERS:
            raise TypeError(f"no canonical form for {kind}")
        self._nodes -= 1 + len(value)
        if self._nodes < 0:
            raise TooLargeError
        if kind is dict:
            return self._mapping(value)
        if kind is list or kind is tuple:
            return [self._plain(item) for item in value]
        return self._state(value) if kind is State else {_TAG: "set", "": sorted(map(self.text, value))}

    def _mapping(self, value: dict[Any, Any]) -> dict[str, Any]:
        marks = self._marks
        if marks and _BLOCK_KEYS.isdisjoint(value):
            marks = frozenset()  # what a tool is given stays as it is
        found: dict[str, Any] = {}
        for (
            name,
            item,
        ) in value.items():  # without a call for what is plain: this may run on the user's thread
            if name in marks:
                continue
            word = name if name.__class__ is str and name[:1] != _TAG else _key(name)
            if item.__class__ is str:
                self._characters -= len(item)
                found[word] = item
            else:
                found[word] = item if item.__class__ in _SCALARS else self._plain(item)
        if self._characters < 0:
            raise TooLargeError
        if marks and "content" in found and found["content"].__class__ is list and len(found["content"]) == 1:
            found["content"] = _only_text(found["content"][0])  # a mark needs a block where a text would do
        return found

    def _state(self, value: State) -> Any:
        state = value.state
        if self._tells_classes:
            return {_TAG: value.name, "": self._plain(state)}
        if state.__class__ is dict:  # what an object leaves open is not sent
            state = {name: item for name, item in state.items() if item is not None}
        return self._plain(state)


def _key(name: Any) -> str:
    if name.__class__ in _SCALARS:
        return f"{_TAG}{name!r}"
    raise TypeError("a key that JSON has no word for, or one that is kept for us")


def _only_text(block: Any) -> Any:
    is_text = block.__class__ is dict and block.get("type") == "text" and len(block) == 2  # noqa: PLR2004 - type, text
    return block.get("text") if is_text else [block]
