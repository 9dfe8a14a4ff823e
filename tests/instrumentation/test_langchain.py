"""LangChain's callbacks, as it makes them, and the attachment to it; real runs are in tests/frameworks."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_standin import ChatModel, LangChain, Manager
from openai import OpenAIError
from opentelemetry import context as context_api
from opentelemetry.trace import INVALID_SPAN, StatusCode, get_current_span

from otel_agentprof import semconv
from otel_agentprof.instrumentation.framework import Attachment, TracedByOthersError
from otel_agentprof.instrumentation.frameworks import langchain, langchain_runs
from otel_agentprof.instrumentation.frameworks import langchain_words as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Spans

AGENT = {"ls_integration": "langchain_create_agent", "lc_agent_name": "guide"}
NODE = ["graph:step:1"]


@pytest.fixture
def lang(monkeypatch: pytest.MonkeyPatch) -> LangChain:
    made = LangChain()
    made.install(monkeypatch)
    return made


@pytest.fixture
def attachment(pipeline: Spans) -> Attachment:
    return Attachment(pipeline.provider, pipeline.provider.get_tracer("test"), captures_content=False)


@pytest.fixture
def handler(lang: LangChain, attachment: Attachment) -> Iterator[Any]:
    detach = langchain.SPEC.attach(attachment)
    yield lang.handlers()[0]
    detach()


class GraphBubbleUp(Exception):  # noqa: N818 - LangGraph's name
    """As LangGraph's interrupts are."""


GraphBubbleUp.__module__ = "langgraph.errors"


def started(handler: Any, what: str, name: str | None = None, parent: Any = None, **told: Any) -> Any:
    run_id = uuid4()
    start = getattr(handler, f"on_{what}_start")
    start({"name": name}, "question", run_id=run_id, parent_run_id=parent, name=name, **told)
    return run_id


def answered(**about: Any) -> Any:
    message = SimpleNamespace(usage_metadata=None, response_metadata={}, tool_calls=[])
    vars(message).update(about)
    return SimpleNamespace(generations=[[SimpleNamespace(message=message)]], llm_output=None)


@pytest.mark.parametrize(
    ("told", "parent", "title"),
    [
        ({"name": "guide", "metadata": AGENT}, None, "invoke_agent guide"),
        (
            {"name": "LangGraph", "metadata": {"ls_integration": "langchain_create_agent"}},
            None,
            "invoke_agent",
        ),
        (
            {"name": "LangGraph", "metadata": {"ls_integration": "langgraph"}},
            None,
            "invoke_workflow LangGraph",
        ),
        ({"name": "rag"}, None, "invoke_workflow rag"),
        ({"name": "RunnableSequence"}, None, "RunnableSequence"),
        ({"name": "RunnableSequence", "parent_run_id": 1}, "other", None),
        ({"name": "StrOutputParser", "run_type": "parser", "parent_run_id": 1}, "other", None),
        ({"name": "model", "tags": NODE, "metadata": AGENT, "parent_run_id": 1}, "agent", None),
        ({"name": "check", "tags": NODE, "metadata": AGENT, "parent_run_id": 1}, "agent", "check"),
        ({"name": "tools", "tags": NODE, "parent_run_id": 1}, "other", "tools"),
        ({"name": "__start__", "tags": NODE, "parent_run_id": 1}, "other", None),
        ({"name": "LangGraph", "tags": ["seq:step:1"], "parent_run_id": 1}, "node", None),
        ({"name": "sub", "parent_run_id": 1}, "node", None),
        ({"name": "task", "metadata": {"langgraph_node": "task"}, "parent_run_id": 1}, "node", "task"),
        ({"name": "LangGraph", "parent_run_id": 1}, None, "invoke_workflow LangGraph"),
        ({"name": "route", "tags": ["seq:step:3"], "parent_run_id": 1}, "node", None),
        ({"name": "format_docs", "tags": ["seq:step:2"], "parent_run_id": 1}, "other", "format_docs"),
    ],
)
def test_a_run_is_shown_by_what_users_know_it_as(
    told: dict[str, Any], parent: words.Place | None, title: str | None
) -> None:
    run = words.chain(told, parent and words.Run(None, "sub", parent))

    assert (None if run.kind is None else run.kind.title(run.name)) == title


def test_parents_go_by_ids_through_what_is_hidden(handler: Any, pipeline: Spans) -> None:
    agent = started(handler, "chain", "guide", metadata=AGENT)
    node = started(handler, "chain", "tools", agent, tags=NODE)

    tool = started(handler, "tool", "search", node, tool_call_id="c1")
    handler.on_tool_end("found", run_id=tool)
    handler.on_chain_end({}, run_id=node)
    handler.on_chain_end({}, run_id=agent)

    [search, guide] = pipeline.all()
    assert guide.context is not None
    assert search.parent is not None
    assert search.parent.span_id == guide.context.span_id
    assert (search.attributes or {})[semconv.TOOL_CALL_ID] == "c1"


def test_a_runs_span_is_current_in_its_own_context_alone(handler: Any, lang: LangChain) -> None:
    run = started(handler, "chain", "rag")

    inside = lang.run_inside(run, lambda: get_current_span() is not INVALID_SPAN)
    alone = lang.run_inside(None, lambda: get_current_span() is INVALID_SPAN)

    assert (inside, alone, get_current_span()) == (True, True, INVALID_SPAN)
    handler.on_chain_end({}, run_id=run)


def test_a_failure_is_an_error_and_a_question_is_none(handler: Any, pipeline: Spans) -> None:
    for error in (ValueError("bad"), GraphBubbleUp()):
        handler.on_chain_error(error, run_id=started(handler, "chain", "rag"))

    assert [span.status.status_code for span in pipeline.all()] == [StatusCode.ERROR, StatusCode.UNSET]


@pytest.mark.parametrize("told", ["on_chain_error", "on_tool_error", "on_retriever_error", "on_llm_error"])
def test_what_a_client_says_of_a_failure_is_not_told(handler: Any, pipeline: Spans, told: str) -> None:
    kind = told.removeprefix("on_").removesuffix("_error").replace("llm", "chat_model")
    failure = RuntimeError("model failed")
    failure.__cause__ = OpenAIError("canary")

    getattr(handler, told)(failure, run_id=started(handler, kind, "guide"))

    assert pipeline.only().status.description == "RuntimeError"
    assert "canary" not in pipeline.only().to_json()


def test_a_tools_failure_may_come_as_its_result(handler: Any, pipeline: Spans) -> None:
    output = SimpleNamespace(status="error", content="no luck", tool_call_id="c7")

    handler.on_tool_end(output, run_id=started(handler, "tool", "lottery"))

    assert pipeline.only().status.status_code is StatusCode.ERROR
    assert pipeline.facts()[semconv.TOOL_CALL_ID] == "c7"


def test_content_is_taken_only_where_it_is_wanted(attachment: Attachment, pipeline: Spans) -> None:
    for captures_content in (False, True):
        callbacks = langchain_runs.Callbacks(attachment._replace(captures_content=captures_content))
        run = started(callbacks, "tool", "search", inputs={"city": "Paris"})
        callbacks.on_tool_end("mild", run_id=run)

    [without, with_it] = [dict(span.attributes or {}) for span in pipeline.all()]
    assert not {semconv.TOOL_CALL_ARGUMENTS, semconv.TOOL_CALL_RESULT} & set(without)
    assert with_it[semconv.TOOL_CALL_ARGUMENTS] == '{"city": "Paris"}'
    assert with_it[semconv.TOOL_CALL_RESULT] == "mild"


def test_a_retrieval_tells_how_much_was_found(handler: Any, pipeline: Spans) -> None:
    run = started(handler, "retriever", "Shelf")
    is_current = get_current_span() is not INVALID_SPAN

    handler.on_retriever_end(["one", "two"], run_id=run)
    handler.on_retriever_error(OSError(), run_id=started(handler, "retriever", "Shelf"))

    assert is_current
    assert get_current_span() is INVALID_SPAN
    assert (pipeline.all()[0].attributes or {})[semconv.RESULT_COUNT] == 2
    assert pipeline.all()[1].status.status_code is StatusCode.ERROR


def test_a_model_that_no_client_calls_tells_its_tokens(handler: Any, pipeline: Spans) -> None:
    usage = {
        "input_tokens": 100,
        "output_tokens": 10,
        "input_token_details": {"cache_read": 30},
        "output_token_details": {"reasoning": 4},
    }
    about = {"model_name": "m-1", "finish_reason": "stop", "id": "r1"}
    calls = [{"id": "c1"}, {"id": None}]
    run = started(
        handler, "chat_model", metadata={"ls_provider": "mistralai"}, invocation_params={"model": "m"}
    )

    handler.on_llm_new_token(token="a", run_id=run)  # noqa: S106 - a word of the answer
    is_left = context_api.get_current() == {}
    handler.on_llm_end(answered(usage_metadata=usage, response_metadata=about, tool_calls=calls), run_id=run)

    facts = pipeline.facts()
    assert is_left
    assert (facts[semconv.REQUEST_MODEL], facts[semconv.RESPONSE_MODEL]) == ("m", "m-1")
    assert facts[semconv.PROVIDER_NAME] == "mistral_ai"
    assert (facts[semconv.USAGE_CACHE_READ], facts[semconv.USAGE_REASONING]) == (30, 4)
    assert facts[semconv.TOOL_CALL_IDS] == ("c1",)


def test_a_model_that_completes_text_tells_its_tokens_elsewhere(handler: Any, pipeline: Spans) -> None:
    run = started(handler, "llm")
    output = {"token_usage": {"prompt_tokens": 5, "completion_tokens": 2}}

    handler.on_llm_end(SimpleNamespace(generations=[[]], llm_output=output), run_id=run)

    assert pipeline.facts()[semconv.USAGE_INPUT_TOKENS] == 5


def test_an_answer_from_langchains_cache_is_no_call(handler: Any, pipeline: Spans) -> None:
    run = started(handler, "chat_model")

    handler.on_llm_end(answered(usage_metadata={"input_tokens": 1, "total_cost": 0}), run_id=run)

    assert pipeline.all() == ()


def test_a_failing_model_is_an_error(handler: Any, pipeline: Spans) -> None:
    handler.on_llm_error(ValueError("bad"), run_id=started(handler, "chat_model"))

    assert pipeline.only().status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("call", [ChatModel.generate, ChatModel.agenerate])
def test_models_leave_no_context_behind(
    lang: LangChain, attachment: Attachment, call: Callable[..., Any]
) -> None:
    before = context_api.get_current()
    detach = langchain.SPEC.attach(attachment)
    model = ChatModel(lang.handlers)

    async def run() -> Any:
        result = getattr(model, call.__name__)(["a", "b"], None, Manager())
        return await result if asyncio.iscoroutine(result) else result

    async def both() -> tuple[Any, Any]:
        return await run(), context_api.get_current()

    result, after = asyncio.run(both())

    detach()
    assert (result, after) == (["a", "b"], before)


def test_the_way_back_leaves_langchain_as_it_was(
    lang: LangChain, attachment: Attachment, pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> tuple[Any, ...]:
        enters = (lang.config._set_config_context, lang.graphs._set_config_context)
        return (*enters, vars(ChatModel)["generate"], vars(ChatModel)["agenerate"], list(lang.hooks))

    before = state()
    detach = langchain.SPEC.attach(attachment)
    monkeypatch.setitem(sys.modules, lang.graphs.__name__, lang.graphs)
    [handler] = lang.handlers()  # LangGraph came later: it is found when a handler is asked for
    during = state()
    run = started(handler, "chain", "rag")

    detach()
    detach()

    assert all(one != other for one, other in zip(before, during, strict=True))
    assert state() == before
    assert handler.ignore_chain
    assert pipeline.facts()[semconv.STREAM_COMPLETE] is False
    handler.on_chain_end({}, run_id=run)


def test_another_package_that_traces_langchain_goes_first(
    lang: LangChain, attachment: Attachment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def initialize(_self: Any) -> None: ...

    initialize.__module__ = "openinference.instrumentation.langchain"
    monkeypatch.setattr(Manager, "__init__", initialize)

    with pytest.raises(TracedByOthersError, match=r"openinference\.instrumentation\.langchain"):
        langchain.SPEC.attach(attachment)

    assert lang.hooks == []


def test_our_own_failure_is_not_langchains(handler: Any, pipeline: Spans) -> None:
    handler.on_chain_start({}, {}, run_id=[], name="unhashable")

    assert pipeline.all() == ()


def test_runs_whose_ends_are_never_told_fill_no_memory(
    handler: Any, pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langchain_runs, "_MOST_CHAINS", 10)

    for _ in range(30):
        started(handler, "chain", "rag")

    assert len(handler._chains) <= 10
    assert pipeline.all() == ()
