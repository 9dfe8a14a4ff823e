"""What could not be read, counted, so that a reader can go on and still tell it.

A reader never stops at a bad line, span or value: it leaves it out or repairs it, and counts it here. A
message says how many there were, what became of them, and where the first one is.
"""

from __future__ import annotations

from typing import Final

# What was met, and what became of it; "first" and the line follow.
_TEXTS: Final = {
    "bad_line": ("line", "left out: no JSON"),
    "no_trace": ("JSON value", "left out: no trace in it"),
    "other_signal": ("JSON value", "left out: logs, metrics or profiles"),
    "bad_group": ("span group", "left out: malformed"),
    "bad_span": ("span", "left out: malformed, or without a time"),
    "bad_id": ("span", "left out: without a readable trace id and span id"),
    "short_id": ("id", "too short, padded with zeros"),
    "bad_parent": ("parent id", "unreadable, taken for a span that is missing"),
    "bad_time": ("time", "unreadable, repaired or left out"),
    "bad_record": ("record", "left out: it cannot be read"),
    "unnamed_value": ("attribute", "left out: its name is in the block's meta.json, which cannot be read"),
    "lost_trace": ("trace", "left out: the server did not give it"),
    "partial_trace": ("trace", "incomplete, says the server"),
    "bad_value": ("field", "unreadable and left out (attributes, events, links and others)"),
}
_ENDS: Final = {
    "not_json": "this is no JSON",
    "cut_json": "the JSON is broken or cut off",
    "cut_gzip": "the compressed data is broken or cut off",
    "cut_zstd": "the compressed data is broken or cut off",
    "cut_proto": "the protobuf data is broken or cut off",
    "cut_record": "the data breaks off",
    "cut_answer": "the server's answer breaks off",
    "cut_input": "the input cannot be read any further",
}


class Losses:
    """Counts of what was left out or repaired, and where the first of each kind was.

    Attributes:
        line: The line at which the reader is now, counted from 1; or the record, or the trace.
        unit: What is counted so.
    """

    def __init__(self) -> None:
        self.line = 1
        self.unit = "line"
        self._counts: dict[str, int] = {}
        self._first: dict[str, tuple[str, str]] = {}

    def add(self, code: str, detail: str = "", *, count: int = 1) -> None:
        """Count one loss at the current line, or several; the detail of the first one is kept."""
        self._counts[code] = self._counts.get(code, 0) + count
        self._first.setdefault(code, (f"{self.unit} {max(self.line, 1)}", detail))

    def notes(self) -> tuple[tuple[str, str], ...]:
        """Return (code, message) for each kind of loss, in order of first appearance."""
        return tuple((code, self._message(code, count)) for code, count in self._counts.items())

    def _message(self, code: str, count: int) -> str:
        place, detail = self._first[code]
        why = f": {detail}" if detail else ""
        if code in _ENDS:
            return f"{_ENDS[code]} at {place}{why}"
        noun, what = _TEXTS[code]
        return f"{count} {noun}{'s' if count > 1 else ''} {what}; first at {place}{why}"
