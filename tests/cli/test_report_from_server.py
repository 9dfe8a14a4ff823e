"""`agentprof report`, `whatif` and `diff` of traces that a server keeps."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from otlp_text import OTHER, TRACE, line, span
from trace_server import Reply, TraceServer, serving_traces

from otel_agentprof.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[TraceServer]:
    with serving_traces() as server:
        for trace in (TRACE, OTHER):
            document = json.loads(line(span(1, trace=trace), span(2, parent=1, trace=trace)))
            server.pages[f"/api/v3/traces/{trace}"] = Reply({"result": document})
            server.pages[f"/api/v2/traces/{trace}"] = Reply({"trace": document})
        server.pages["/api/search"] = Reply({"traces": [{"traceID": TRACE}, {"traceID": OTHER}]})
        yield server


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_one_trace_is_reported(server: TraceServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", f"jaeger+{server.url}/{TRACE}", "--format", "json"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["trace_id"] == TRACE
    assert err == ""


def test_two_traces_are_compared(server: TraceServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", f"jaeger+{server.url}/{TRACE}", f"jaeger+{server.url}/{OTHER}"]) == 0
    assert main(["whatif", f"jaeger+{server.url}/{TRACE}", "--scale", "name:span 2=0.5"]) == 0

    assert capsys.readouterr().err == ""


def test_a_search_shows_a_bar_where_somebody_looks(
    server: TraceServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert main(["report", f"tempo+{server.url}?q={{}}", "--format", "json"]) == 0

    assert len(json.loads(capsys.readouterr().out)) == 2
    assert "fetching traces" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


@pytest.mark.parametrize("source", ["jaeger+{url}/{id}", "tempo+{url}?q=x", "file"])
def test_one_trace_shows_no_bar(
    server: TraceServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pytest.TempPathFactory,
    source: str,
) -> None:
    path = f"{tmp_path}/trace.jsonl"
    with open(path, "w") as file:  # noqa: PTH123 - a path as the command line gets it
        file.write(line(span(1)))
    server.pages["/api/search"] = Reply({"traces": [{"traceID": TRACE}]})
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    assert main(["report", path if source == "file" else source.format(url=server.url, id=TRACE)]) == 0

    assert terminal.getvalue() == ""


def test_a_trace_that_is_not_there_is_unreadable_input(
    server: TraceServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/api/v3/traces/ab"] = Reply({"error": {"message": "No traces found"}}, 404)

    assert main(["report", f"jaeger+http://me:secret@{server.host}/ab"]) == 3

    assert capsys.readouterr() == ("", f"agentprof: {server.url} knows no trace ab\n")


def test_a_loss_is_told_without_the_password(server: TraceServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.pages["/api/search"] = Reply({"traces": [{"traceID": TRACE}, {"traceID": "ab"}]})

    assert main(["report", f"tempo+http://me:secret@{server.host}?q={{}}"]) == 0

    err = capsys.readouterr().err
    assert err.startswith(
        f"agentprof: tempo+{server.url}?q={{}}: 1 trace left out: the server did not give it"
    )
    assert "secret" not in err
