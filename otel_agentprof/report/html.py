"""The report as one page: no script, no network, no font from elsewhere, light or dark as the reader likes.

The frame and the looks are in ``page.html``. Everything that comes from a trace passes ``_say``, and the
page's own security policy forbids whatever could slip through anyway.
"""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from otel_agentprof.report import headline, tables, text
from otel_agentprof.report.waterfall_html import Places, waterfall

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.report.report import Report
    from otel_agentprof.report.tables import Table

_MOST_FINDINGS = 50
_MOST_LINKS = 8
_MOST_NOTES = 50


def render(report: Report, *, width: int, color: bool) -> str:  # noqa: ARG001 - one signature for all formats
    """Return the report as one self-contained page; width and colour do not apply."""
    falls, places = waterfall(report)
    parts = (
        _top(report),
        *_shares(report),
        *falls,
        *_findings(report, places),
        *_table("Models", tables.by_model(report)),
        *_table("Operations", tables.by_operation(report)),
        *_notes(report),
    )
    title = f"{headline.title(report)}, {text.duration(report.duration_ns)}"
    return _page().substitute(title=_say(title), body="\n".join(parts))


@cache
def _page() -> Template:
    return Template(
        resources.files("otel_agentprof.report").joinpath("page.html").read_text(encoding="utf-8")
    )


def _say(words: str) -> str:
    return escape(text.clean(words))


def _top(report: Report) -> str:
    whole_cost, _, why = headline.cost(report).partition(" (")
    tokens, _, _ = headline.tokens(report).partition(" ")
    has_tokens = bool(report.usage.total)
    facts = (
        ("duration", text.duration(report.duration_ns), "what the user waited for"),
        ("cost", whole_cost, why.rstrip(")")),
        (
            "tokens",
            f"{report.usage.total:,}" if has_tokens else tokens,
            headline.tokens(report) if has_tokens else "",
        ),
        ("calls", f"{headline.call_count(report):,}", headline.calls(report)),
        ("spans", f"{report.span_count:,}", ""),
    )
    cards = "".join(
        f"<div><dt>{label}</dt><dd>{_say(fact)}</dd>{f'<dd>{_say(more)}</dd>' if more else ''}</div>"
        for label, fact, more in facts
    )
    return (
        f'<header><p class="brand"><b>agentprof</b> &middot; trace <span class="mono">'
        f"{_say(headline.trace(report))}</span></p><h1>{_say(headline.title(report))}</h1>\n"
        f'<dl class="facts">{cards}</dl></header>'
    )


def _shares(report: Report) -> Iterator[str]:
    shares = headline.shares(report)
    if not shares:
        return
    yield "<h2>Where the wait went</h2>"
    parts = "".join(
        f'<i class="{share.role}" style="flex:{share.critical_ns}" title="{_say(share.label)}"></i>'
        for share in shares
        if share.critical_ns
    )
    yield f'<div class="share">{parts}</div>'
    items = [
        f'<li class="{share.role}"><i class="dot"></i>{_say(share.label)} '
        f"<b>{text.duration(share.critical_ns)}</b> "
        f"<span>{text.percent(share.critical_ns, report.duration_ns)}</span></li>"
        for share in shares
        if share.critical_ns
    ]
    hidden = headline.never_waited_for(shares)
    if hidden:
        items.append(f"<li><span>never waited for: {_say(hidden)}</span></li>")
    yield f'<ul class="shares">{"".join(items)}</ul>'


def _findings(report: Report, places: Places) -> Iterator[str]:
    if not report.findings:
        return
    yield "<h2>Findings</h2>"
    yield '<ol class="findings">'
    for finding in report.findings[:_MOST_FINDINGS]:
        yield _finding(finding, places)
    yield "</ol>"
    yield from _rest(len(report.findings) - _MOST_FINDINGS)


def _finding(finding: Finding, places: Mapping[str, tuple[str, str]]) -> str:
    saving = headline.saving(finding)
    gain = f'<span class="saving">{_say(saving)}</span>' if saving else ""
    how = f'<p class="evidence">{_say(finding.derivation)}</p>' if finding.derivation else ""
    found = [places[span_id] for span_id in finding.span_ids if span_id in places]
    links = ", ".join(f'<a href="#{anchor}">{_say(name)}</a>' for anchor, name in found[:_MOST_LINKS])
    return (
        f'<li class="{finding.impact}"><header><span class="impact">{finding.impact}</span>'
        f"<h3>{_say(finding.title)}</h3>{gain}</header>{how}"
        f"<p>{_say(finding.suggestion)}</p>"
        f'<p class="evidence">{_say(headline.evidence(finding))}{": " if links else ""}{links}</p></li>'
    )


def _table(title: str, table: Table) -> Iterator[str]:
    if not table.rows:
        return
    yield f"<h2>{title}</h2>"
    head = _cells("th", table.headings)
    body = "\n".join(f"<tr>{_cells('td', row)}</tr>" for row in table.rows)
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    yield from _rest(table.left_out)


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "".join(f"<{tag}>{_say(cell)}</{tag}>" for cell in cells)


def _notes(report: Report) -> Iterator[str]:
    if not report.data_quality:
        return
    yield "<h2>Notes on the data</h2>"
    notes = "".join(f"<li>{_say(note.message)}</li>" for note in report.data_quality[:_MOST_NOTES])
    yield f'<ul class="notes">{notes}</ul>'
    yield from _rest(len(report.data_quality) - _MOST_NOTES)


def _rest(count: int) -> Iterator[str]:
    if count > 0:
        yield f'<p class="quiet">and {count:,} more</p>'
