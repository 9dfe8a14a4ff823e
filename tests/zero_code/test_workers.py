"""Zero code where processes fork or start others: what each worker does arrives, with its analysis."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pytest
from backends.running import fetch, until
from loopback import serve
from otlp_receiver import receiving
from zero_code.starting import BIN, Place

import otel_agentprof

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_agentprof.model import Span

_NEEDED: Final = ("celery", "fastapi", "flask", "gunicorn", "nbclient", "uvicorn", "uvicorn_worker")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, _NEEDED)), reason=f"not all of {', '.join(_NEEDED)} are here; see requirements.txt"
)
_GUNICORN: Final = ("gunicorn", "-w", "2", "-t", "120", "-b", "127.0.0.1:PORT")
SERVERS: Final = {
    "gunicorn": (*_GUNICORN, "flask_app:app"),
    "gunicorn that loads the program before it forks": (*_GUNICORN, "--preload", "flask_app:app"),
    "gunicorn with uvicorn's workers": (*_GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "fast_app:app"),
    "uvicorn": (
        *("uvicorn", "--workers", "2", "--timeout-worker-healthcheck", "120"),
        *("--host", "127.0.0.1", "--port", "PORT", "fast_app:app"),
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with serve() as model, receiving() as receiver:
        yield Place(model, receiver, tmp_path)


def count(spans: list[Span]) -> Counter[str]:
    return Counter(span.name for span in spans)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("server", SERVERS)
def test_every_worker_of_a_server_sends_its_spans_and_analyses(
    place: Place, server: str, protocol: str
) -> None:
    with place.serving(protocol, *SERVERS[server]) as url:
        answers = _answers_of_two_workers(url)
        spans = place.receiver.wait_for(lambda spans: count(spans)["agentprof.analysis"] >= len(answers))

    calls = [span for span in spans if span.name == "chat gpt-5-mini"]
    analyses = [span for span in spans if span.name == "agentprof.analysis"]
    assert len(calls) == len(analyses) == len(answers) == len(place.model.requests)
    assert len({span.trace_id for span in calls}) == len(answers)
    assert {span.trace_id for span in calls} == {span.trace_id for span in analyses}
    assert all(span.attributes["agentprof.critical_path.llm_ns"] > 0 for span in analyses)


def test_one_trace_over_http_is_analysed_by_each_process_and_whole_by_the_reader(place: Place) -> None:
    with place.serving("grpc", *SERVERS["gunicorn"]) as url:
        place.run("opentelemetry-instrument", str(BIN / "python"), "-m", "planner", f"{url}/ask")
        spans = place.receiver.wait_for(lambda spans: count(spans)["agentprof.analysis"] >= 2)

    (tree,) = place.receiver.trees
    report = otel_agentprof.analyze(tree)
    parts = [span for span in spans if span.name == "agentprof.analysis"]
    names = [step.name for step in report.critical_path]
    assert [span.name for span in spans if span.parent_span_id is None] == ["invoke_agent planner"]
    assert sum(part.attributes["agentprof.span_count"] for part in parts) == report.span_count
    assert names[0] == names[-1] == "invoke_agent planner"
    assert "GET /ask" in names
    assert report.usage.total == 1_285


def test_tasks_of_celerys_forked_workers_are_in_the_trace_that_asked_for_them(place: Place) -> None:
    worker = (
        *("celery", "-A", "celery_tasks", "worker", "-P", "prefork", "-c", "2", "-l", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )

    with place.working(*worker):
        place.run("opentelemetry-instrument", str(BIN / "python"), "-m", "celery_tasks")
        spans = place.receiver.wait_for(lambda spans: count(spans)["agentprof.analysis"] >= 3)

    (tree,) = place.receiver.trees
    agents = [span for span in spans if span.name == "invoke_agent answerer"]
    assert len({span.attributes["pid"] for span in agents}) == 2
    assert count(spans)["chat gpt-5-mini"] == 2
    assert otel_agentprof.analyze(tree).span_count == len(spans) - 3


def test_a_notebook_sends_what_its_cells_do(place: Place) -> None:
    cells = [
        "import openai\nimport otel_agentprof as ap\nap.instrument();",
        (
            "client = openai.OpenAI()\n"
            "with ap.profile('notebook task') as run:\n"
            "    client.chat.completions.create(model='gpt-5-mini', messages=[])\n"
            "assert run.report.by_role['llm'].count == 1"
        ),
        "async with ap.agent('later'):\n    async with ap.tool('look'):\n        pass",
    ]
    notebook = place.directory / "agent.ipynb"
    notebook.write_text(json.dumps(_notebook(cells)))

    place.run("jupyter-execute", str(notebook))

    spans = place.receiver.wait_for(lambda spans: count(spans)["invoke_agent later"])
    names = ["notebook task", "chat gpt-5-mini", "POST", "invoke_agent later", "execute_tool look"]
    assert count(spans) == Counter(names)
    assert all("agentprof.critical_path.self_ns" in span.attributes for span in spans)


def _answers_of_two_workers(url: str) -> list[Any]:
    """Ask, several at a time, until two processes have answered."""
    answers: list[Any] = []
    with ThreadPoolExecutor(4) as pool:

        def ask() -> bool:
            answers.extend(map(json.loads, pool.map(fetch, [f"{url}/ask"] * 4)))
            return len({answer["pid"] for answer in answers}) == 2

        until(ask, "two workers")
    return answers


def _notebook(cells: list[str]) -> dict[str, Any]:
    code: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    return {
        "cells": [{**code, "id": f"cell-{number}", "source": text} for number, text in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
