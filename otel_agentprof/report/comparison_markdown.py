"""Two sets of runs for a pull request, in GitHub's Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.report import comparison_tables as tables
from otel_agentprof.report.markdown_text import columns_grid, prose, rest

if TYPE_CHECKING:
    from otel_agentprof.report.comparison import Comparison, Pair

_MOST_SPANS: Final = 30


def render(found: Comparison) -> str:
    """Return the differences as Markdown."""
    blocks = [block for pair in found.pairs for block in _pair(pair)]
    alone = tables.one_sided(found)
    if alone:
        blocks += [
            "## Runs that one side only has",
            "\n".join(f"- {prose(sentence)}" for sentence in alone),
        ]
    return "\n\n".join(blocks) + "\n"


def _pair(pair: Pair) -> list[str]:
    blocks = [f"## {prose(tables.title(pair))}", columns_grid(tables.totals(pair))]
    if pair.is_equal:
        return [*blocks, "No difference: every figure, span and finding is the same."]
    for section in tables.sections(pair, _MOST_SPANS):
        blocks += [f"### {section.title}", columns_grid(section.columns), *rest(section.left_out)]
    for heading, sentences in tables.findings(pair):
        blocks += [f"### {heading}", "\n".join(f"- {prose(sentence)}" for sentence in sentences)]
    return [*blocks, tables.NOISE if tables.has_noise(pair) else tables.TOO_FEW]
