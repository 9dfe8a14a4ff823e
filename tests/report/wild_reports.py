"""Reports with names that nobody should trust, in trees of any shape."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from hypothesis import strategies as st
from report_samples import report, row

from otel_agentprof import semconv
from otel_agentprof.analysis.finding import Finding
from otel_agentprof.model.tokens import TokenUsage
from otel_agentprof.report.report import DataQuality, Mark

if TYPE_CHECKING:
    from otel_agentprof.report.report import Report

ATTACKS: Final = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "line\nbreak\r\x85\u2028",
    "\u202eright to left\u2066",
    "\ud800\udfff",
    "<script>alert(1)</script>",
    "</style></title></details><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=`",
    "[click](http://evil.example) ![x](http://evil.example/x.png)",
    "a|b \\| `c` ``` ~~~ <b>x</b> &lt;i&gt; $title ${body}",
    "@everyone #1 http://evil.example www.evil.example <http://evil.example>",
    "a;b 12;c",
    "漢字かな交じり文 한국어 🚀👩\u200d💻",
    "Zalgo" + "\u0301\u0316" * 40,
    "x" * 500,
    "",
    "   ",
)
_NAMES: Final = st.one_of(
    st.sampled_from(ATTACKS), st.text(st.characters(exclude_categories=()), max_size=30)
)
_MARKS: Final[st.SearchStrategy[Mark]] = st.sampled_from(get_args(Mark))


@st.composite
def wild_reports(draw: st.DrawFn) -> Report:
    rows = []
    for at in range(draw(st.integers(0, 25))):
        start = draw(st.integers(-50, 1_000))
        length = draw(st.integers(0, 1_000))
        rows.append(
            row(
                min(at, draw(st.integers(0, 12))),
                draw(_NAMES),
                draw(st.sampled_from(semconv.ROLES)),
                start,
                start + length,
                *draw(st.sampled_from([(), ((start, start + length),)])),
                usage=draw(st.sampled_from([None, TokenUsage(1_000_000, 12, 5, 5, 5)])),
                cost=draw(st.sampled_from([None, "0.00000001", "0.5", "1234567.891"])),
                marks=tuple(draw(st.sets(_MARKS, max_size=3))),
            )
        )
    name = draw(_NAMES)
    found = Finding(
        "rule", name, name, f"{name}_ms", 1.5, 1.0, name, "high", (name,), 10**9, None, name, "likely"
    )
    made = report(rows, trace_id=name, findings=(found,) * 12, data_quality=(DataQuality("x", name),) * 9)
    return replace(made, root_name=name, unpriced_models=(*made.unpriced_models, name))


def hidden_characters(text: str) -> set[str]:
    """Return what must not reach a reader: control, format and surrogate characters but the newline."""
    joiners = {"\n", "\u200c", "\u200d"}
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in set(text) if unicodedata.category(c) in hidden} - joiners
