"""LlamaIndex's spans and events as it tells of them, and the attachment; real runs: tests/frameworks."""

from __future__ import annotations

import asyncio
import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from openai import OpenAIError
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, StatusCode, get_current_span

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import Attachment, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import llama_index, llama_index_runs
from otel_agentprof.instrumentation.frameworks import llama_index_words as words
from otel_agentprof.instrumentation.frameworks.llama_index_runs import Recorder
from otel_agentprof.instrumentation.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from conftest import Spans


def its(class_name: str, /, *bases: type, module: str = "llama_index.core", **attributes: Any) -> Any:
    """Return an object of a class of LlamaIndex's."""
    return type(class_name, bases, {"__module__": module, **attributes})()


MODEL = its("OpenAI", type(its("BaseLLM")), module="llama_index.llms.openai", model="gpt-5-nano")
EMBEDDING = its("MockEmbedding", type(its("BaseEmbedding")), model_name="unknown")
ENGINE = its("RetrieverQueryEngine", type(its("BaseQueryEngine")))
RETRIEVER = its("Retriever", type(its("BaseRetriever")))
TOOL = its("FunctionTool", type(its("BaseTool")), metadata=SimpleNamespace(name="search"))
FLOW = its("Workflow", module="workflows.workflow")
AGENT = its("FunctionAgent", type(its("BaseWorkflowAgent", type(FLOW))), name="guide")
AGENTS = its("AgentWorkflow", type(FLOW))
SPLITTER = its("SentenceSplitter")
STRANGER = SimpleNamespace()


@pytest.fixture
def attachment(pipeline: Spans) -> Attachment:
    return Attachment(pipeline.provider, pipeline.provider.get_tracer("test"), captures_content=False)


@pytest.fixture
def recorder(attachment: Attachment) -> Iterator[Recorder]:
    before = context_api.get_current()
    yield Recorder(attachment)
    assert context_api.get_current() == before


def entered(
    recorder: Recorder, instance: Any, method: str, parent: str | None = None, **arguments: Any
) -> str:
    id_ = f"{type(instance).__name__}.{method}-{uuid4()}"
    bound = inspect.signature(lambda **_: None).bind(**arguments)
    bound.arguments.update(arguments)
    recorder.enter(id_, bound, instance, parent)
    return id_


def parents(spans: Spans) -> dict[str, str | None]:
    by_id = {span.context.span_id: span.name for span in spans.all() if span.context is not None}
    return {span.name: by_id.get(span.parent.span_id) if span.parent else None for span in spans.all()}


@pytest.mark.parametrize(
    ("instance", "method", "arguments", "parent", "title"),
    [
        (ENGINE, "query", {}, None, "invoke_workflow RetrieverQueryEngine"),
        (ENGINE, "aquery", {}, None, "invoke_workflow RetrieverQueryEngine"),
        (ENGINE, "_query", {}, None, None),
        (RETRIEVER, "retrieve", {}, None, "retrieval Retriever"),
        (TOOL, "acall", {}, None, "execute_tool search"),
        (TOOL, "call", {}, words.Shown(None, place="tool"), None),
        (AGENT, "run", {}, None, "invoke_agent guide"),
        (AGENTS, "run", {}, None, "invoke_workflow AgentWorkflow"),
        (None, "plan", {}, words.Shown(None, place="workflow"), "plan"),
        (FLOW, "plan", {}, words.Shown(None, place="workflow"), "plan"),
        (FLOW, "_done", {}, words.Shown(None, place="workflow"), None),
        (None, "init_run", {}, words.Shown(None, place="agent"), None),
        (
            None,
            "run_agent_step",
            {"ev": SimpleNamespace(current_agent_name="writer")},
            words.Shown(None, place="agents"),
            "invoke_agent writer",
        ),
        (SPLITTER, "split_text", {}, None, None),
        (STRANGER, "query", {}, None, None),
        (MODEL, "predict", {}, None, None),
        (EMBEDDING, "_get_text_embedding", {}, None, None),
    ],
)
def test_a_span_is_shown_by_what_users_know_it_as(
    instance: Any, method: str, arguments: dict[str, Any], parent: words.Shown | None, title: str | None
) -> None:
    shown = words.shown(f"Some.{method}-{uuid4()}", instance, arguments, parent)

    assert (shown.kind.title(shown.name) if isinstance(shown.kind, Kind) else shown.kind) == title


def test_glue_is_left_out_and_a_retrieval_tells_how_much_was_found(
    recorder: Recorder, pipeline: Spans
) -> None:
    query = entered(recorder, ENGINE, "query")
    inner = entered(recorder, ENGINE, "_query", query)
    retrieval = entered(recorder, RETRIEVER, "retrieve", inner)
    recorder.exit(retrieval, ["one", "two"])
    recorder.exit(inner)
    recorder.exit(query)

    assert parents(pipeline)["retrieval Retriever"] == "invoke_workflow RetrieverQueryEngine"
    assert (pipeline.all()[0].attributes or {})[semconv.RESULT_COUNT] == 2
    assert len(pipeline.all()) == 2


def test_a_tool_of_an_agent_tells_which_call_it_answers(recorder: Recorder, pipeline: Spans) -> None:
    run = entered(recorder, AGENT, "run", init_state=None)
    step = entered(recorder, None, "call_tool", run, ev=SimpleNamespace(tool_id="c1"))

    tool = entered(recorder, TOOL, "acall", step)
    recorder.exit(tool, SimpleNamespace(is_error=True))
    recorder.exit(step)
    recorder.exit(run)

    [search, guide] = pipeline.all()
    assert (search.attributes or {})[semconv.TOOL_CALL_ID] == "c1"
    assert parents(pipeline)["execute_tool search"] == "invoke_agent guide"
    assert (search.status.status_code, guide.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)


def test_what_run_of_a_workflow_gives_at_once_leaves_its_caller_alone(recorder: Recorder) -> None:
    run = entered(recorder, FLOW, "run")

    assert get_current_span() is INVALID_SPAN
    recorder.exit(run)


def test_a_failure_is_an_error(recorder: Recorder, pipeline: Spans) -> None:
    for instance, method in ((TOOL, "call"), (MODEL, "chat")):
        recorder.drop(entered(recorder, instance, method), ValueError("bad"))

    assert {span.status.status_code for span in pipeline.all()} == {StatusCode.ERROR}
    assert len(pipeline.all()) == 2


def test_what_a_client_says_of_a_failure_is_not_told(recorder: Recorder, pipeline: Spans) -> None:
    for instance, method in ((TOOL, "call"), (MODEL, "chat")):
        failure = RuntimeError("model failed")
        failure.__context__ = OpenAIError("canary")
        recorder.drop(entered(recorder, instance, method), failure)

    assert {span.status.description for span in pipeline.all()} == {"RuntimeError"}
    assert not any("canary" in span.to_json() for span in pipeline.all())


def test_content_is_taken_only_where_it_is_wanted(attachment: Attachment, pipeline: Spans) -> None:
    for captures_content in (False, True):
        recorder = Recorder(attachment._replace(captures_content=captures_content))
        recorder.exit(entered(recorder, TOOL, "call", city="Paris"), "mild")

    [without, with_it] = [dict(span.attributes or {}) for span in pipeline.all()]
    assert not {semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT} & set(without)
    assert "Paris" in str(with_it[semconv.TOOL_CALL_ARGUMENTS])
    assert with_it[semconv.TOOL_CALL_RESULT] == "mild"


@pytest.mark.parametrize(
    ("raw", "more"),
    [
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 3}, "model": "m-1", "id": "r1"}, {}),
        (SimpleNamespace(usage=SimpleNamespace(input_tokens=7, output_tokens=3)), {}),
        (None, {"prompt_tokens": 7, "completion_tokens": 3}),
    ],
)
def test_a_model_that_no_client_calls_tells_its_tokens(
    recorder: Recorder, pipeline: Spans, raw: Any, more: dict[str, int]
) -> None:
    block, call = SimpleNamespace(tool_call_id="c1"), {"id": "c1"}
    message = SimpleNamespace(blocks=[block] if more else [], additional_kwargs={"tool_calls": [call]})
    response = SimpleNamespace(raw=raw, additional_kwargs=more, message=message)

    recorder.exit(entered(recorder, MODEL, "chat"), response)

    facts = pipeline.facts()
    assert (facts[semconv.USAGE_INPUT_TOKENS], facts[semconv.USAGE_OUTPUT_TOKENS]) == (7, 3)
    assert (facts[semconv.REQUEST_MODEL], facts[semconv.PROVIDER_NAME]) == ("gpt-5-nano", "openai")
    assert facts[semconv.TOOL_CALL_IDS] == ("c1",)


def test_an_embedding_without_a_client_gets_a_span(recorder: Recorder, pipeline: Spans) -> None:
    recorder.exit(entered(recorder, EMBEDDING, "get_query_embedding"), [0.1])

    assert pipeline.only().name == "embeddings"
    assert pipeline.facts()[semconv.ROLE] == "embedding"


@pytest.mark.parametrize("ending", ["LLMChatEndEvent", "ExceptionEvent"])
def test_a_stream_is_over_with_the_event_for_its_end(
    recorder: Recorder, pipeline: Spans, ending: str
) -> None:
    id_ = entered(recorder, MODEL, "stream_chat")
    recorder.exit(id_, (piece for piece in "ab"))
    before = pipeline.all()

    recorder.event("LLMChatInProgressEvent", SimpleNamespace(span_id=id_))
    recorder.event("RetrievalEndEvent", SimpleNamespace(span_id=id_))
    recorder.event(ending, SimpleNamespace(span_id=id_, response=None, exception=ValueError()))

    assert before == ()
    assert pipeline.facts()[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] >= 0
    assert (pipeline.only().status.status_code is StatusCode.ERROR) == (ending == "ExceptionEvent")


def test_a_streamed_query_lasts_until_its_answer_is_read(recorder: Recorder, pipeline: Spans) -> None:
    seen: list[bool] = []

    def pieces() -> Iterator[str]:
        for piece in "ab":
            seen.append(get_current_span() is not INVALID_SPAN)
            yield piece

    answer = SimpleNamespace(response_gen=pieces())
    recorder.exit(entered(recorder, ENGINE, "query"), answer)
    before = pipeline.all()

    read = [(piece, get_current_span() is INVALID_SPAN) for piece in answer.response_gen]

    assert (read, seen) == ([("a", True), ("b", True)], [True, True])
    assert (before, len(pipeline.all())) == ((), 1)


def test_an_asynchronous_answer_too(recorder: Recorder, pipeline: Spans) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"

    async def read() -> list[str]:
        answer = SimpleNamespace(response_gen=pieces())
        recorder.exit(entered(recorder, ENGINE, "aquery"), answer)
        return [piece async for piece in answer.response_gen]

    assert asyncio.run(read()) == ["a"]
    assert len(pipeline.all()) == 1


def test_an_answer_that_nobody_reads_is_over_when_it_is_gone(recorder: Recorder, pipeline: Spans) -> None:
    answer = SimpleNamespace(response_gen=(piece for piece in "ab"))
    recorder.exit(entered(recorder, ENGINE, "query"), answer)

    del answer

    assert pipeline.facts()[semconv.STREAM_COMPLETE] is False


def test_spans_whose_ends_are_never_told_fill_no_memory(
    attachment: Attachment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_index_runs, "_MOST_OPEN", 10)
    recorder = Recorder(attachment)

    for _ in range(30):
        entered(recorder, SPLITTER, "split_text")

    assert len(recorder._open) <= 10


class SpanHandler:
    """The base of its span handlers."""


class EventHandler:
    """The base of its event handlers."""


class Root:
    """Its root dispatcher."""

    def __init__(self) -> None:
        self.span_handlers: list[Any] = [SpanHandler()]
        self.event_handlers: list[Any] = [EventHandler()]

    def add_span_handler(self, handler: Any) -> None:
        self.span_handlers += [handler]

    def add_event_handler(self, handler: Any) -> None:
        self.event_handlers += [handler]


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Root:
    made = Root()
    modules: dict[str, dict[str, Any]] = {
        "llama_index_instrumentation": {"root_dispatcher": made},
        "llama_index_instrumentation.span_handlers": {"BaseSpanHandler": SpanHandler},
        "llama_index_instrumentation.event_handlers": {"BaseEventHandler": EventHandler},
    }
    for name, attributes in modules.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    return made


def test_both_handlers_are_added_and_taken_back(root: Root, attachment: Attachment, pipeline: Spans) -> None:
    before = list(root.span_handlers), list(root.event_handlers)
    detach = llama_index.SPEC.attach(attachment)
    spans, events = root.span_handlers[-1], root.event_handlers[-1]
    bound = inspect.signature(lambda: None).bind()
    ids = [f"{name}-{uuid4()}" for name in ("OpenAI.chat", "FunctionTool.call", "FunctionTool.call")]

    spans.span_enter(id_=ids[0], bound_args=bound, instance=MODEL, parent_id=None, tags={})
    spans.new_span(id_=ids[0])
    events.handle(type("LLMChatEndEvent", (), {"span_id": ids[0], "response": None})())
    for id_ in ids[1:]:
        spans.span_enter(id_=id_, bound_args=bound, instance=TOOL, parent_id=None, tags={})
    spans.span_exit(id_=ids[2], bound_args=bound, instance=TOOL, result="found")
    spans.span_drop(id_=ids[1], bound_args=bound, instance=TOOL, err=ValueError())
    detach()

    assert (root.span_handlers, root.event_handlers) == before
    assert len(pipeline.all()) == 3


def test_another_package_that_traces_llama_index_goes_first(root: Root, attachment: Attachment) -> None:
    root.add_span_handler(its("Handler", module="openinference.instrumentation.llama_index._handler"))

    with pytest.raises(TracedByOthersError, match="openinference"):
        llama_index.SPEC.attach(attachment)

    assert len(root.span_handlers) == 2
