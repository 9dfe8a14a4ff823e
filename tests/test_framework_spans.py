"""Who is whose parent in the recorded runs of frameworks that we attach to."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pytest
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
    assert shelf.attributes[semconv.RESULT_COUNT] == 2


def test_llama_index_shows_agents_queries_and_steps_and_none_of_its_glue() -> None:
    run = recorded("llama_index_agentprof")

    big, small, embedding = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano"), leaf("embeddings")
    retrieval = ("retrieval VectorIndexRetriever", (embedding,))
    asked = ("execute_tool ask_expert", (("invoke_agent expert", (small,)),))
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    assert run.shapes() == {
        ("invoke_agent guide", (big, big, big, asked, *tools)),
        ("invoke_agent guide", (big,)),
        ("invoke_workflow Trip", (("plan", (small,)),)),
        ("invoke_workflow RetrieverQueryEngine", (small, retrieval)),  # streamed or not
        ("invoke_workflow CondensePlusContextChatEngine", (small, retrieval)),
        small,  # a model alone
        embedding,  # of the books, for the index
    }


def test_llama_index_names_the_calls_that_its_tools_answer() -> None:
    run = recorded("llama_index_agentprof")

    assert run.run() == run.asked_for()


def test_a_failing_tool_of_llama_index_is_no_failure_of_its_agent() -> None:
    run = recorded("llama_index_agentprof")

    [lottery] = run.called("execute_tool lottery")
    assert (lottery.status, lottery.attributes[semconv.ERROR_TYPE]) == ("ERROR", "ValueError")
    assert {span.status for span in run.spans if span is not lottery} == {"UNSET"}


def test_a_streamed_query_of_llama_index_lasts_until_its_answer_is_read() -> None:
    run = recorded("llama_index_agentprof")

    ends = [
        (query.end_ns, child.end_ns)
        for query in run.called("invoke_workflow RetrieverQueryEngine")
        for child in run.inside[query.span_id]
    ]
    assert all(end is not None and last is not None and last <= end for end, last in ends)
    assert len(ends) == 6  # three queries, each with a retrieval and a call of the model


@pytest.mark.parametrize("name", ["langchain_agentprof", "langgraph_agentprof", "llama_index_agentprof"])
def test_each_call_that_was_served_has_one_span_and_no_span_has_content(name: str) -> None:
    run = recorded(name)

    served = json.loads((RECORDED / f"{name}.truth.json").read_text(encoding="utf-8"))["served"]
    assert len([span for span in run.spans if span.name.startswith("chat ")]) == len(served)
    text = (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8")
    assert [word for word in ("Paris", "mild", "million") if word in without_errors(text)] == []


def without_errors(text: str) -> str:
    """Leave out what an exception says: it is the program's own, and told with the error."""
    return text.replace("no luck in Paris today", "")


_OURS_WITHOUT_GAPS = ("openai_agents", "crewai", "smolagents", "dspy", "haystack")
_PARALLEL = ("execute_tool population", "execute_tool weather")
_CONTENT = ("mild in", "two million", "knows cities", "In brief", "How is")


@pytest.mark.parametrize("name", _OURS_WITHOUT_GAPS)
def test_every_call_that_was_served_has_one_span_and_it_is_a_leaf(name: str) -> None:
    run = recorded(f"{name}_agentprof")
    truth = json.loads((RECORDED / f"{name}_agentprof.truth.json").read_text(encoding="utf-8"))

    calls = [span for span in run.spans if semconv.USAGE_INPUT_TOKENS in span.attributes]
    assert sorted(span.attributes[semconv.USAGE_INPUT_TOKENS] for span in calls) == sorted(
        served["input"] for served in truth["served"]
    )
    assert [run.inside[span.span_id] for span in calls] == [[]] * len(calls)


@pytest.mark.parametrize("name", _OURS_WITHOUT_GAPS)
def test_tools_that_were_asked_for_together_are_siblings_of_the_call_that_asked(name: str) -> None:
    run = recorded(f"{name}_agentprof")

    for tools in run.inside.values():
        asked_for = {str(tool.attributes.get(semconv.TOOL_CALL_ID)) for tool in tools} - {"None"}
        offered = {call for span in tools for call in _strings(span.attributes.get(semconv.TOOL_CALL_IDS))}
        assert asked_for <= offered
    assert {run.called(tool)[0].parent_span_id for tool in _PARALLEL} != {None}
    assert len({run.called(tool)[0].parent_span_id for tool in _PARALLEL}) == 1


@pytest.mark.parametrize("name", _OURS_WITHOUT_GAPS)
def test_a_failing_tool_is_an_error_and_its_agent_is_none(name: str) -> None:
    run = recorded(f"{name}_agentprof")

    [lottery] = run.called("execute_tool lottery")
    told = "tool_error" if name == "openai_agents" else "ValueError"  # the SDK keeps the text alone
    assert (lottery.status, lottery.attributes[semconv.ERROR_TYPE]) == ("ERROR", told)
    assert {span.status for span in run.spans if span is not lottery} == {"UNSET"}


@pytest.mark.parametrize("name", _OURS_WITHOUT_GAPS)
def test_no_content_is_recorded_unless_asked_for(name: str) -> None:
    text = (RECORDED / f"{name}_agentprof.jsonl").read_text(encoding="utf-8")

    assert [canary for canary in _CONTENT if canary in text] == []


def test_openai_agents_show_experts_handoffs_and_no_turns() -> None:
    run = recorded("openai_agents_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    expert = ("invoke_agent expert", (small,))
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    guide = ("invoke_agent guide", (big, big, big, ("execute_tool ask_expert", (expert,)), *tools))
    handoff = (small, small, *tools[1:], leaf("handoff clerk -> expert"))
    clerk, brief = ("invoke_agent clerk", handoff), ("invoke_agent guide", (big,))
    assert run.shapes() == {
        ("invoke_workflow city", (clerk, expert, brief, guide)),
        ("invoke_workflow Agent workflow", (("invoke_agent clerk", (small,)),)),
    }
    [city] = run.called("invoke_workflow city")
    assert city.attributes[semconv.CONVERSATION_ID] == "thread-1"


def test_crewai_shows_crews_tasks_and_agents_whose_flow_is_hidden() -> None:
    run = recorded("crewai_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    expert = ("task", (("invoke_agent expert", (small,)),))
    guide = ("task", (("invoke_agent guide", (big, big, big, *tools)),))
    assert run.shapes() == {("invoke_workflow city", (expert, guide)), ("invoke_workflow brief", (expert,))}


def test_smolagents_show_managed_agents_inside_the_tools_that_run_them() -> None:
    run = recorded("smolagents_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    managed = ("execute_tool ask_expert", (("invoke_agent ask_expert", (small,)),))
    assert run.shapes() == {
        ("invoke_agent guide", (big, big, big, managed, *tools)),
        ("invoke_agent reader", (big,)),
    }


def test_dspy_shows_programs_and_agents_and_keeps_its_threads_together() -> None:
    run = recorded("dspy_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    thought = ("ChainOfThought", (big,))
    assert run.shapes() == {
        ("invoke_workflow City", (small, ("invoke_agent ReActV2", (big, big, big, *tools)))),
        ("Predict", (big,)),
        leaf("Predict"),  # DSPy's cache had the answer
        ("invoke_workflow Both", (thought, thought)),
    }


def test_haystack_shows_components_and_names_an_agent_by_its_own() -> None:
    run = recorded("haystack_agentprof")

    big, small = leaf("chat gpt-5-mini"), leaf("chat gpt-5-nano")
    tools = (leaf("execute_tool lottery"), leaf("execute_tool population"), leaf("execute_tool weather"))
    guide = ("invoke_agent guide", (big, big, big, *tools))
    parts = (leaf("brief"), ("expert", (small,)), guide, leaf("prompt"), leaf("retrieval library"))
    assert run.shapes() == {("invoke_workflow pipeline", parts), ("invoke_agent Agent", (small,))}
    [library] = run.called("retrieval library")
    assert library.attributes[semconv.RESULT_COUNT] == 1
