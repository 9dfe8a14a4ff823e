"""Who is whose parent in the recorded runs of frameworks that we attach to."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from frameworks.running import RECORDED

import otel_agentprof as ap
from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_agentprof.model import Span

Shape = tuple[str, tuple["Shape", ...]]


class Recorded(NamedTuple):
    """The spans of a recorded run, by the span around them; None: roots."""

    spans: tuple[Span, ...]
    inside: Mapping[str | None, list[Span]]

    def called(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def shape(self, span: Span) -> Shape:
        return span.name, tuple(sorted(self.shape(child) for child in self.inside[span.span_id]))

    def shapes(self) -> set[Shape]:
        return {self.shape(root) for root in self.inside[None]}

    def asked_for(self) -> list[str]:
        """Return the ids of the tool calls that the model asked for."""
        return sorted(
            call for span in self.spans for call in _strings(span.attributes.get(semconv.TOOL_CALL_IDS))
        )

    def run(self) -> list[str]:
        """Return the ids of the tool calls that were run."""
        return sorted(
            str(span.attributes[semconv.TOOL_CALL_ID])
            for span in self.spans
            if span.name.startswith("execute_tool")
        )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def recorded(name: str) -> Recorded:
    spans = tuple(span for tree in ap.read(str(RECORDED / f"{name}.jsonl")) for span in tree.spans)
    inside: defaultdict[str | None, list[Span]] = defaultdict(list)
    for span in spans:
        inside[span.parent_span_id].append(span)
    return Recorded(spans, inside)


def leaf(name: str) -> Shape:
    return name, ()


def test_langchain_shows_agents_tools_and_model_calls_and_nothing_else() -> None:
    run = recorded("langchain_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    asked = ("execute_tool ask_expert", (("invoke_agent expert", (small,)),))
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    assert run.shapes() == {
        ("invoke_agent guide", (big, big, big, asked, *tools)),
        ("invoke_agent guide", (big,)),  # the runs without tools: streamed, or in a thread
        small,  # a model alone
    }


def test_langchain_names_the_calls_that_its_tools_answer() -> None:
    run = recorded("langchain_agentprof")

    assert run.run() == run.asked_for()


def test_a_failing_tool_of_langchain_is_no_failure_of_its_agent() -> None:
    run = recorded("langchain_agentprof")

    [lottery] = run.called("execute_tool lottery")
    assert (lottery.status, lottery.attributes[semconv.ERROR_TYPE]) == ("ERROR", "ValueError")
    assert {span.status for span in run.spans if span is not lottery} == {"UNSET"}


def test_langgraph_shows_its_nodes_and_hides_the_glue_of_chains() -> None:
    run = recorded("langgraph_agentprof")

    small = leaf("chat gpt-5-nano")
    by_chain = ("by_chain", (small, leaf("retrieval Shelf")))
    by_client = ("by_client", (("own work", (leaf("chat gpt-5-mini"),)),))
    assert run.shapes() == {
        (
            "invoke_workflow journey",
            (by_chain, by_client, leaf("by_human"), ("inner", (leaf("by_heart"),))),
        ),
        ("invoke_workflow journey", (leaf("by_human"),)),  # resumed
        ("RunnableSequence", (small,)),
        small,
    }


def test_a_question_of_langgraph_to_a_human_is_no_error() -> None:
    run = recorded("langgraph_agentprof")

    assert {span.status for span in run.spans} == {"UNSET"}


def test_langgraph_names_its_threads_and_how_much_was_found() -> None:
    run = recorded("langgraph_agentprof")

    threads = {span.attributes[semconv.CONVERSATION_ID] for span in run.called("invoke_workflow journey")}
    [shelf] = run.called("retrieval Shelf")
    assert threads == {"t-1"}
    assert shelf.attributes[semconv.RETRIEVAL_DOCUMENT_COUNT] == 2
