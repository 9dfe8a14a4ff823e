"""Lines of text with styles, never wider than the terminal: widths in cells, glyphs, wrapping, colour.

A line is made of pieces, plain text or (text, style). Nothing here looks at a report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Piece = tuple[str, str]  # text and a style in rich's words, "" for none
NARROWEST: Final = 40
WIDEST: Final = 200


class Glyphs(NamedTuple):
    """The signs of a drawing; ``branch``, ``corner``, ``trunk`` and ``blank`` are two cells each."""

    on_path: str
    off_path: str
    ellipsis: str
    branch: str
    corner: str
    trunk: str
    blank: str
    times: str
    deep: str
    dash: str

    def readable(self, text: str) -> str:
        """Return text as these glyphs' alphabet can write it; do so before its width is measured."""
        if text.isascii() or not self.ellipsis.isascii():
            return text
        plain = text.replace("µ", "u").replace("…", self.ellipsis)
        return plain.encode("ascii", "backslashreplace").decode("ascii")


UNICODE: Final = Glyphs("█", "░", "…", "├ ", "└ ", "│ ", "  ", "\N{MULTIPLICATION SIGN}", "»", "─")
ASCII: Final = Glyphs("#", "-", "..", "|-", "`-", "| ", "  ", "x", ">", "-")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where lines are written. ``width`` is in terminal cells and already within bounds."""

    width: int
    color: bool
    glyphs: Glyphs
    lines: list[str]

    @classmethod
    def blank(cls, width: int, *, color: bool, is_ascii: bool) -> Sheet:
        """Return an empty sheet; widths that nobody can read are brought to 40 or 200."""
        return cls(min(max(width, NARROWEST), WIDEST), color, ASCII if is_ascii else UNICODE, [])

    def add(self, *pieces: Piece) -> None:
        """Write one line, cut at the width."""
        room, painted = self.width, list[str]()
        for text, style in _without_trailing_space(pieces):
            shown = self.glyphs.readable(text)
            cells = width_of(shown)
            if cells > room:
                shown = cut(shown, room, self.glyphs.ellipsis)
                cells = width_of(shown)
            room -= cells
            painted.append(paint(shown, style) if self.color and style else shown)
        self.lines.append("".join(painted))

    def add_wrapped(
        self, text: str, *, indent: str = "", first: Sequence[Piece] = (), style: str = ""
    ) -> None:
        """Write text over as many lines as it takes; ``first`` stands where the first line's indent would."""
        for number, line in enumerate(
            wrap(self.glyphs.readable(text), self.width - width_of(indent)) or [""]
        ):
            lead = tuple(first) if number == 0 and first else ((indent, ""),)
            self.add(*lead, (line, style))

    def add_title(self, title: str) -> None:
        """Write the title of a section, an empty line before it."""
        self.add()
        self.add((title, "bold underline"))

    def add_rest(self, count: int) -> None:
        """Say how many lines were left out, if any."""
        if count > 0:
            self.add_wrapped(f"and {count:,} more: --format json lists them all", indent="    ", style="dim")

    def text(self) -> str:
        """Return all lines, each ended by a newline."""
        return "".join(f"{line}\n" for line in self.lines)


def paint(text: str, style: str) -> str:
    """Return text between the escape sequences of a style."""
    from rich.color import ColorSystem  # noqa: PLC0415 - rich is loaded only where colour is asked for
    from rich.style import Style  # noqa: PLC0415 - likewise

    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def width_of(text: str) -> int:
    """Return how many terminal cells a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - ASCII names do without rich

    return cell_len(text)


def cut(text: str, cells: int, ellipsis: str) -> str:
    """Return text in at most so many cells; what was cut ends in an ellipsis."""
    if width_of(text) <= cells:
        return text
    room = cells - width_of(ellipsis)
    return crop(text, room).rstrip() + ellipsis if room > 0 else crop(text, max(cells, 0))


def crop(text: str, cells: int) -> str:
    """Return as much of the start of a text as fits; a wide character is never halved."""
    if text.isascii():
        return text[:cells]
    short = text[:cells]  # no character is known to be narrower than... combining ones; they may go
    while short and width_of(short) > cells:
        short = short[:-1]
    return short


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Return text filled with spaces to so many cells, on the left when it is to stand ``right``."""
    fill = " " * (cells - width_of(text))
    return fill + text if right else text + fill


def wrap(text: str, cells: int) -> list[str]:
    """Return the words of a text in lines of at most so many cells; a word that is too long is broken."""
    lines, line = list[str](), ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if width_of(joined) <= cells:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while width_of(line) > cells:
            head = crop(line, cells) or line[:1]
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line] if line else lines


def _without_trailing_space(pieces: Sequence[Piece]) -> list[Piece]:
    kept = list(pieces)
    while kept and not kept[-1][0].rstrip():
        kept.pop()
    if kept:
        kept[-1] = (kept[-1][0].rstrip(), kept[-1][1])
    return kept
