"""What a report on a file says of its own doubts: one small trace for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawing import draw_spans

from otel_agentprof.cli import main
from otel_agentprof.report.otlp_lines import render

if TYPE_CHECKING:
    from pathlib import Path

CALL = "role=llm model=gpt-4o in=100 out=9"
DOUBTS = {
    "double instrumentation": (
        f"""
        agent      |----------|    role=agent
          one        |----|        {CALL} scope=openai_v2
            two       |--|         {CALL} scope=traceloop
        """,
        "1 span showed calls again that another instrumentation shows (openai_v2): each call was counted",
    ),
    "roll-up with more": (
        f"""
        agent      |----------|    role=agent in=400 out=0
          one        |----|        {CALL}
        """,
        "agent says 400 tokens and the calls below it say 109 (some model calls below are probably not",
    ),
    "roll-up of nothing": (
        "agent      |----------|    role=agent llm.token_count.total=400",
        "agent says 400 tokens and no call below it tells any",
    ),
    "missing usage": (
        "call       |----------|    role=llm model=gpt-4o",
        "1 span called a model and told no tokens: the sums of tokens and cost are too low",
    ),
    "unpriced model": (
        "call       |----------|    role=llm model=no-such-model in=100 out=9",
        "No price is known for no-such-model",
    ),
    "orphans": (
        """
        agent      |----------|    role=agent
          lost       |----|        parent=ff
        """,
        "1 span named a parent that is not in the trace (dropped, or not sent yet)",
    ),
    "open spans": (
        """
        agent      |----------|    role=agent
          open       |--->
        """,
        "1 span never ended",
    ),
    "dropped spans and attributes": (
        "agent      |----------|    role=agent",
        "1 span lost 3 attributes at their tracer",
    ),
    "dropped events": (
        "agent      |----------|    role=agent",
        "1 span lost events (2) or links (1) at their tracer",
    ),
    "a clock that ran backwards": (
        "agent      |----------|    role=agent",
        "1 span ended before the start and got no length",
    ),
    "a coarse agent": (
        "agent      |----------|    role=agent model=gpt-4o in=100 out=9",
        "1 span named tokens and no model call below did: they count, but nobody knows of which calls",
    ),
    "a counter": (
        "agent      |----------|    role=agent model=gpt-4o in=100 out=9 scope=strands.telemetry.tracer",
        "1 span named a counter that runs on over several runs",
    ),
}
# What a drawing has no words for, as it stands in the file.
WRITTEN = {
    "dropped spans and attributes": ('"status"', '"droppedAttributesCount":3,"status"'),
    "dropped events": ('"status"', '"droppedEventsCount":2,"droppedLinksCount":1,"status"'),
    "a clock that ran backwards": ('"startTimeUnixNano":"0"', '"startTimeUnixNano":"500"'),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_report_on_a_file_tells_its_doubts(
    doubt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, told = DOUBTS[doubt]
    text = "".join(render(draw_spans(picture)))
    (tmp_path / "trace.jsonl").write_text(text.replace(*WRITTEN.get(doubt, ("", ""))))

    assert main(["report", str(tmp_path / "trace.jsonl")]) == 0

    assert told in " ".join(capsys.readouterr().out.split())


def test_a_report_without_doubts_tells_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(render(draw_spans(f"call    |----|    {CALL}")))
    (tmp_path / "trace.jsonl").write_text(text)

    assert main(["report", str(tmp_path / "trace.jsonl")]) == 0

    out = " ".join(capsys.readouterr().out.split())
    assert [doubt for doubt, (_, told) in DOUBTS.items() if told in out] == []
