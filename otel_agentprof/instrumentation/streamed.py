"""A streamed answer as messages, put together from its pieces; only where content is asked for.

    choice 0   text "Hel" + "lo"   tool_call '{"x":' + "1}"
    choice 1   text "Bon" + "jour"

The messages are those that the same answer gives when it comes whole.
"""

from __future__ import annotations

import json
from typing import Any, Final

from otel_agentprof.model.content_limits import MOST_OF_ATTRIBUTE

_FIELDS: Final = {"tool_call": "arguments", "server_tool_call": "arguments", "audio": "transcript"}
CALLS: Final = 4  # where tool calls begin, for shapes that do not number all parts of a message


class _Part:
    """One part of a message in the making."""

    __slots__ = ("facts", "field", "is_json", "pieces")

    def __init__(self, facts: dict[str, Any], field: str, *, is_json: bool = False) -> None:
        self.facts, self.field, self.is_json = facts, field, is_json
        self.pieces: list[str] = []

    def done(self) -> dict[str, Any] | None:
        """Return the part; None for a text of which nothing has come."""
        if not self.field:
            return self.facts
        text = "".join(self.pieces)
        if self.field != "arguments" and not text:
            return None
        return {**self.facts, self.field: _parsed(text) if self.is_json else text}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:  # left before its end
        return text


class StreamedText:
    """An answer in the making: the parts of each choice, by their place in it."""

    __slots__ = ("_choices", "_room", "_whole")

    def __init__(self) -> None:
        self._choices: dict[int, dict[int, _Part]] = {}
        self._room = MOST_OF_ATTRIBUTE  # more would be cut later on
        self._whole: list[Any] = []

    def add(self, kind: str, piece: str | None, place: int = 1, choice: int | None = 0) -> None:
        """Add a piece of a text, of the type ``text``, ``reasoning``, ``refusal`` or ``audio``."""
        if piece:
            parts = self._choices.setdefault(choice or 0, {})
            if place not in parts:
                parts[place] = _Part({"type": kind}, _FIELDS.get(kind, "content"))
            self._append(parts[place], piece)

    def add_next(self, kind: str, piece: str | None, choice: int | None = 0) -> None:
        """Add a piece of a text where parts have no numbers: another type begins another part."""
        parts = self._choices.setdefault(choice or 0, {})
        last = max(parts, default=-1)
        goes_on = last >= 0 and parts[last].field != "" and parts[last].facts["type"] == kind
        self.add(kind, piece, last if goes_on else last + 1, choice)

    def add_call(
        self,
        place: int,
        call_id: str | None,
        name: str | None,
        arguments: str | None,
        choice: int | None = 0,
        *,
        kind: str = "tool_call",
        is_json: bool = False,
    ) -> None:
        """Add a piece of a tool call; the id and the name come with the first one."""
        parts = self._choices.setdefault(choice or 0, {})
        if place not in parts:
            facts = {"type": kind, "id": None, "name": None}
            parts[place] = _Part(facts, "arguments", is_json=is_json)
        facts = parts[place].facts
        facts["id"] = facts.get("id") or call_id
        facts["name"] = facts.get("name") or name
        if arguments:
            self._append(parts[place], arguments)

    def add_part(
        self, part: Any, place: int | None = None, choice: int | None = 0, *, least: int = 0
    ) -> None:
        """Add a part that comes whole; without a place it is the next one, from the least place on."""
        parts = self._choices.setdefault(choice or 0, {})
        parts[max(least, max(parts, default=-1) + 1) if place is None else place] = _Part(part, "")

    def set_parts(self, given: list[Any], choice: int) -> None:
        """Put what a choice has come to in the place of its pieces."""
        self._choices[choice] = {place: _Part(part, "") for place, part in enumerate(given)}

    def replace(self, messages: list[Any]) -> None:
        """Take the whole answer that ends the stream; one without messages leaves the pieces."""
        self._whole = messages

    def _append(self, part: _Part, piece: str) -> None:
        if self._room > 0:
            part.pieces.append(piece)
            self._room -= len(piece)

    def messages(self) -> list[Any]:
        """Return the answer: a message for each choice."""
        if self._whole:
            return self._whole
        found = []
        for choice in sorted(self._choices or {0: {}}):
            parts = self._choices.get(choice, {})
            done = [parts[place].done() for place in sorted(parts)]
            found.append({"role": "assistant", "parts": [part for part in done if part is not None]})
        return found
