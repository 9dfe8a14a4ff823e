"""The report for a pull request or an issue, in GitHub's Markdown.

Names stand in code spans, the only place where no sign means anything, no address becomes a link and no
``@name`` sends mail. Sentences of findings are our own words with names among them: there every word that is
not plainly a word becomes a code span too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_agentprof.report import headline, tables, text
from otel_agentprof.report.folding import fold
from otel_agentprof.report.sheet import UNICODE, WIDEST
from otel_agentprof.report.waterfall_text import draw, legend

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_agentprof.report.report import Report

_MOST_LINES: Final = 30
_MOST_FINDINGS: Final = 20
_MOST_NOTES: Final = 20
_NARROWEST: Final = 60
_PLAIN_WORD: Final = re.compile(r"[(\"']*\$?[^\W_]+(?:[-'.,/%=+][^\W_]+)*[)\"'%.,;:?!]*|[-=+/%…]")
_LOOKS_LIKE_ADDRESS: Final = re.compile(r"www\.|\.\w*[^\W\d]{2}", re.IGNORECASE)


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return the report as Markdown; ``width`` is that of the drawing, and colour does not exist there."""
    blocks = [
        f"## {_code(headline.title(report))}",
        _facts(report),
        *_shares(report),
        *_findings(report),
        *_waterfall(report, min(max(width, _NARROWEST), WIDEST)),
        *_tables(report),
        *_notes(report),
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(report: Report) -> str:
    facts = (
        ("Duration", f"**{text.duration(report.duration_ns)}**"),
        ("Cost", _prose(headline.cost(report))),
        ("Tokens", headline.tokens(report)),
        ("Calls", f"{headline.calls(report)} in {text.plural(report.span_count, 'span')}"),
        ("Trace", _code(headline.trace(report))),
    )
    return _grid(("", ""), facts, aligned=0)


def _shares(report: Report) -> list[str]:
    rows = [
        (
            share.label,
            text.duration(share.critical_ns),
            text.percent(share.critical_ns, report.duration_ns),
            "" if share.count is None else f"{share.count:,}",
        )
        for share in headline.shares(report)
    ]
    return ["### Where the wait went", _grid(("", "time", "share", "count"), rows)] if rows else []


def _findings(report: Report) -> list[str]:
    if not report.findings:
        return []
    blocks = ["### Findings"]
    for number, finding in enumerate(report.findings[:_MOST_FINDINGS], start=1):
        saving = headline.saving(finding)
        gain = f", **{saving}**" if saving else ""
        how = f": {_prose(finding.derivation)}" if finding.derivation else ""
        blocks.append(
            f"{number}. **{finding.impact.upper()}** {_prose(finding.title)}{gain}{how}\n\n"
            f"   {_prose(finding.suggestion)} *({_prose(headline.evidence(finding))})*"
        )
    return [*blocks, *_rest(len(report.findings) - _MOST_FINDINGS)]


def _waterfall(report: Report, width: int) -> list[str]:
    lines = fold(report, limit=_MOST_LINES)
    if not lines:
        return []
    drawn = [
        "".join(part for part, _ in row).rstrip() for row in draw(report, lines, width=width, glyphs=UNICODE)
    ]
    longest = max((len(run) for row in drawn for run in re.findall("`+", row)), default=0)
    fence = "`" * max(3, longest + 1)
    meanings = [f"`{UNICODE.on_path}` on the critical path", f"`{UNICODE.off_path}` off it", *legend(lines)]
    return ["### Waterfall", "\n".join((f"{fence}text", *drawn, fence)), "; ".join(meanings)]


def _tables(report: Report) -> list[str]:
    blocks = []
    for title, table in (("Models", tables.by_model(report)), ("Operations", tables.by_operation(report))):
        if table.rows:
            rows = [(_code(name), *figures) for name, *figures in table.rows]
            blocks += [f"### {title}", _grid(table.headings, rows), *_rest(table.left_out)]
    return blocks


def _notes(report: Report) -> list[str]:
    if not report.data_quality:
        return []
    notes = [f"- {_prose(note.message)}" for note in report.data_quality[:_MOST_NOTES]]
    return ["### Notes on the data", "\n".join(notes), *_rest(len(report.data_quality) - _MOST_NOTES)]


def _rest(count: int) -> list[str]:
    return [f"and {count:,} more"] if count > 0 else []


def _grid(headings: Sequence[str], rows: Iterable[Sequence[str]], *, aligned: int = 1) -> str:
    """Return a table; columns from ``aligned`` on hold figures and stand right, none when it is 0."""
    rules = ["---:" if aligned and column >= aligned else "---" for column in range(len(headings))]
    lines = (headings, rules, *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _prose(sentence: str) -> str:
    return " ".join(map(_word, text.clean(sentence).split()))


def _word(word: str) -> str:
    if _PLAIN_WORD.fullmatch(word) and not _LOOKS_LIKE_ADDRESS.search(word):
        return word
    name = word.rstrip(",.:;") or word
    return _code(name) + word[len(name) :]


def _code(shown: str) -> str:
    """Return a code span that also holds backticks, and pipes inside a table."""
    # A pipe ends a table's cell even in a code span; backslashes before it would undo its escape.
    safe = re.sub(r"(\\*)\|", r"\1\1\\|", text.clean(shown))
    fence = "`" * (1 + max(map(len, re.findall("`+", safe)), default=0))
    edge = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{edge}{safe}{edge}{fence}"
