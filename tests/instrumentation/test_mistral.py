"""What only Mistral's client does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from loopback import WIRE, Answer

import otel_agentprof

pytest.importorskip("mistralai.client")

from mistralai.client import Mistral, models
from mistralai.client.errors import SDKError
from mistralai.client.types import UNSET
from mistralai.extra.observability import configure_telemetry
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans
    from loopback import Loopback

MODEL = "mistral-large-latest"
MESSAGES: list[Any] = [{"role": "user", "content": "Paris?"}]
WHOLE = json.loads((WIRE / "mistral_chat.json").read_bytes())
STARTED = {"type": "conversation.response.started", "conversation_id": "conv_1"}
CALLED = {"type": "function.call.delta", "id": "f", "name": "weather", "tool_call_id": "call_m1"}


class City(BaseModel):
    """What a structured answer is parsed into."""

    name: str


@pytest.fixture
def client(server: Loopback) -> Iterator[Mistral]:
    with Mistral(api_key="none", server_url=server.url) as client:
        yield client


def _with_content(spans: Spans) -> None:
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)


def _events(*events: dict[str, Any]) -> Answer:
    texts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return Answer("".join(texts).encode(), content_type="text/event-stream")


def _chunks(*choices: dict[str, Any]) -> Answer:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    bodies = [{**head, "choices": [{"index": 0, "finish_reason": None, **choice}]} for choice in choices]
    texts = [f"data: {json.dumps(body)}\n\n" for body in bodies]
    return Answer("".join(texts).encode(), content_type="text/event-stream")


@pytest.mark.parametrize("way", ["complete", "stream"])
def test_tokens_count_once_where_the_client_traces_itself(
    way: str, server: Loopback, spans: Spans, client: Mistral
) -> None:
    configure_telemetry(client, provider=spans.provider)
    server.script.append(Answer("mistral_chat_stream.sse" if way == "stream" else "mistral_chat.json"))

    if way == "stream":
        list(client.chat.stream(model=MODEL, messages=MESSAGES))
    else:
        client.chat.complete(model=MODEL, messages=MESSAGES)

    scopes = {span.instrumentation_scope.name for span in spans.all() if span.instrumentation_scope}
    assert scopes == {"otel_agentprof", "mistralai_sdk_tracer"}
    report = otel_agentprof.analyze(spans.all())
    assert report.to_dict()["tokens"]["input"] == 1200
    assert report.to_dict()["tokens"]["output"] == 85
    assert report.to_dict()["by_role"]["llm"]["count"] == 1


def test_a_parsed_answer_is_one_call(server: Loopback, spans: Spans, client: Mistral) -> None:
    choice = {**WHOLE["choices"][0], "message": {"role": "assistant", "content": '{"name": "Paris"}'}}
    server.script.append(Answer(json.dumps({**WHOLE, "choices": [choice]}).encode()))

    answer = client.chat.parse(City, model=MODEL, messages=MESSAGES)

    assert answer.choices is not None
    assert answer.choices[0].message is not None
    assert answer.choices[0].message.parsed == City(name="Paris")
    assert spans.only().name == f"chat {MODEL}"


def test_the_clients_own_objects_are_read_like_dicts(server: Loopback, spans: Spans, client: Mistral) -> None:
    server.script.append(Answer("mistral_chat.json"))
    messages: list[Any] = [
        models.ToolMessage(content="fed back a turn ago", tool_call_id="old"),
        models.AssistantMessage(content="Let me look."),
        models.ToolMessage(content="18C", tool_call_id="call_1"),
        {"role": "tool", "tool_call_id": "call_2", "content": "16:05"},
    ]

    client.chat.complete(model=MODEL, messages=messages, temperature=UNSET, random_seed=7)

    assert spans.facts()["agentprof.tool_result.ids"] == ("call_1", "call_2")
    assert spans.facts()["gen_ai.request.seed"] == 7
    assert "gen_ai.request.temperature" not in spans.facts()


def test_what_is_unset_is_no_part_of_the_fingerprint(server: Loopback, spans: Spans, client: Mistral) -> None:
    server.script += [Answer("mistral_chat.json")] * 2

    client.chat.complete(model=MODEL, messages=MESSAGES)
    client.chat.complete(model=MODEL, messages=MESSAGES, temperature=UNSET)

    first, second = (dict(span.attributes or {}) for span in spans.all())
    assert first["agentprof.request.fingerprint"] == second["agentprof.request.fingerprint"]


def test_a_usage_of_nothing_is_no_usage(server: Loopback, spans: Spans, client: Mistral) -> None:
    server.script.append(Answer(json.dumps({**WHOLE, "usage": {}}).encode()))

    client.chat.complete(model=MODEL, messages=MESSAGES)

    assert not [name for name in spans.facts() if name.startswith("gen_ai.usage.")]


def test_a_reason_to_stop_that_the_client_does_not_know_is_kept(
    server: Loopback, spans: Spans, client: Mistral
) -> None:
    choice = {**WHOLE["choices"][0], "finish_reason": "model_length"}
    server.script.append(Answer(json.dumps({**WHOLE, "choices": [choice]}).encode()))

    client.chat.complete(model=MODEL, messages=MESSAGES)

    assert spans.facts()["gen_ai.response.finish_reasons"] == ("model_length",)


def test_an_error_page_is_named_by_its_exception(server: Loopback, spans: Spans, client: Mistral) -> None:
    server.script.append(Answer(b"<html>Bad gateway</html>", 502, content_type="text/html"))

    with pytest.raises(SDKError):
        client.chat.complete(model=MODEL, messages=MESSAGES)

    assert spans.facts()["error.type"] == "mistralai.client.errors.sdkerror.SDKError"
    assert spans.facts()["http.response.status_code"] == 502


def test_thoughts_and_text_of_a_stream_are_told_apart(
    server: Loopback, spans: Spans, client: Mistral
) -> None:
    _with_content(spans)
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "France?"}]}
    server.script.append(
        _chunks(
            {"delta": {"role": "assistant", "content": [thought]}},
            {"delta": {"content": [{"type": "text", "text": "Par"}]}},
            {"delta": {"content": "is."}, "finish_reason": "stop"},
        )
    )

    list(client.chat.stream(model=MODEL, messages=MESSAGES))

    (message,) = json.loads(spans.facts()["gen_ai.output.messages"])
    assert message["parts"] == [
        {"type": "reasoning", "content": "France?"},
        {"type": "text", "content": "Paris."},
    ]


def test_a_conversations_options_are_the_requests_parameters(
    server: Loopback, spans: Spans, client: Mistral
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    body = {"object": "conversation.response", "conversation_id": "conv_1", "outputs": [], "usage": usage}
    server.script += [Answer(json.dumps(body).encode())] * 2

    client.beta.conversations.start(
        inputs="Paris?", agent_id="ag_1", completion_args={"temperature": 0.2, "max_tokens": 64}
    )
    client.beta.conversations.start(
        inputs="Paris?", model=MODEL, completion_args=models.CompletionArgs(temperature=0.2)
    )

    first, second = (dict(span.attributes or {}) for span in spans.all())
    assert first["gen_ai.agent.id"] == "ag_1"
    assert first["gen_ai.request.max_tokens"] == 64
    assert first["gen_ai.request.temperature"] == second["gen_ai.request.temperature"] == 0.2
    assert first["gen_ai.usage.input_tokens"] == 9
    assert "gen_ai.response.model" not in first


def test_what_a_conversation_goes_on_with_is_asked_for_each_time(
    server: Loopback, spans: Spans, client: Mistral
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    body = {"object": "conversation.response", "conversation_id": "conv_1", "outputs": [], "usage": usage}
    server.script += [Answer(json.dumps(body).encode())] * 2

    with otel_agentprof.PromptCache().enabled() as cache:
        for _ in range(2):
            client.beta.conversations.append(conversation_id="conv_1", inputs="And now?")

    assert len(spans.all()) == len(server.requests) == 2
    assert cache.skipped == {"stateful": 2}


def test_pieces_of_one_tool_call_are_one_call(server: Loopback, spans: Spans, client: Mistral) -> None:
    _with_content(spans)
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    server.script.append(
        _events(
            STARTED,
            {"type": "message.output.delta", "id": "m", "content": "Let me look."},
            {**CALLED, "arguments": '{"city":'},
            {**CALLED, "arguments": ' "Paris"}'},
            {"type": "something.new"},
            {"type": "conversation.response.done", "usage": usage},
        )
    )

    list(client.beta.conversations.start_stream(inputs="Weather?", model=MODEL))

    facts = spans.facts()
    assert facts["agentprof.tool_call.ids"] == ("call_m1",)
    assert "gen_ai.usage.input_tokens" not in facts
    (message,) = json.loads(facts["gen_ai.output.messages"])
    assert message["parts"] == [
        {"type": "text", "content": "Let me look."},
        {"type": "tool_call", "id": "call_m1", "name": "weather", "arguments": '{"city": "Paris"}'},
    ]


def test_an_error_event_is_the_spans_error(server: Loopback, spans: Spans, client: Mistral) -> None:
    failed = {"type": "conversation.response.error", "message": "no", "code": 3051}
    server.script.append(_events(STARTED, {**CALLED, "arguments": "{}"}, failed))

    list(client.beta.conversations.start_stream(inputs="Weather?", model=MODEL))

    assert spans.facts()["error.type"] == "3051"
    assert spans.facts()["agentprof.tool_call.ids"] == ("call_m1",)


def test_a_conversation_is_content_when_asked_for(server: Loopback, spans: Spans, client: Mistral) -> None:
    _with_content(spans)
    body = {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": [
            {"type": "message.output", "role": "assistant", "content": "Let me look."},
            {"type": "function.call", "tool_call_id": "c", "name": "weather", "arguments": "{}"},
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    server.script.append(Answer(json.dumps(body).encode()))
    result: Any = models.FunctionResultEntry(tool_call_id="b", result="18C")

    client.beta.conversations.start(inputs=[result], model=MODEL, instructions="Be brief.")

    facts = spans.facts()
    (asked,) = json.loads(facts["gen_ai.input.messages"])
    said, called = json.loads(facts["gen_ai.output.messages"])
    assert asked["parts"] == [{"type": "tool_call_response", "id": "b", "response": "18C"}]
    assert json.loads(facts["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert said["parts"] == [{"type": "text", "content": "Let me look."}]
    assert called["parts"] == [{"type": "tool_call", "id": "c", "name": "weather", "arguments": "{}"}]
