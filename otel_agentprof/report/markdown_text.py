"""Words of any origin in GitHub's Markdown.

Names stand in code spans, the only place where no sign means anything, no address becomes a link and no
``@name`` sends mail. Sentences of findings are our own words with names among them: there every word that is
not plainly a word becomes a code span too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_agentprof.report import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.report.grids import Column

_PLAIN_WORD: Final = re.compile(r"[(\"']*\$?[^\W_]+(?:[-'.,/%=+][^\W_]+)*[)\"'%.,;:?!]*|[-=+/%…]")
_LOOKS_LIKE_ADDRESS: Final = re.compile(r"www\.|\.\w*[^\W\d]{2}", re.IGNORECASE)


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]], *, aligned: int = 1) -> str:
    """Return a table; columns from ``aligned`` on hold figures and stand right, none when it is 0."""
    rules = ["---:" if aligned and column >= aligned else "---" for column in range(len(headings))]
    lines = (headings, rules, *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns_grid(columns: Iterable[Column]) -> str:
    """Return a table of the columns that are not empty, the first of them names."""
    names, *figures = (column for column in columns if not column.is_empty)
    cells = (map(code, names.cells), *(column.cells for column in figures))
    return grid([column.heading for column in (names, *figures)], zip(*cells, strict=True))


def prose(sentence: str) -> str:
    """Return a sentence of our own with names in it."""
    return " ".join(map(_word, text.clean(sentence).split()))


def rest(count: int) -> list[str]:
    """Return the line that says how many were left out, if any."""
    return [f"and {count:,} more"] if count > 0 else []


def code(shown: str) -> str:
    """Return a code span that also holds backticks, and pipes inside a table."""
    # A pipe ends a table's cell even in a code span; backslashes before it would undo its escape.
    safe = re.sub(r"(\\*)\|", r"\1\1\\|", text.clean(shown))
    fence = "`" * (1 + max(map(len, re.findall("`+", safe)), default=0))
    edge = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{edge}{safe}{edge}{fence}"


def _word(word: str) -> str:
    if _PLAIN_WORD.fullmatch(word) and not _LOOKS_LIKE_ADDRESS.search(word):
        return word
    name = word.rstrip(",.:;") or word
    return code(name) + word[len(name) :]
