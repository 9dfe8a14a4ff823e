"""What only Google's client does: its loop that runs functions, and what it leaves out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices import Usage, calc_price
from google import genai
from google.genai import types
from loopback import WIRE, Answer
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from providers.clients.google_genai_cases import CASES
from providers.outcome import awaited, read, with_client

import otel_agentprof
from otel_agentprof.instrumentation import foreign, libraries
from otel_agentprof.model import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Spans
    from loopback import Loopback
    from providers.case import Kind

_CASE = CASES[0]
_MODEL = "gemini-2.5-flash"
_WHOLE = json.loads((WIRE / "google_generate_content.json").read_bytes())
_ASKS = json.loads((WIRE / "google_generate_content_function_call.json").read_bytes())
_KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


def get_weather(city: str) -> str:
    """Return the weather."""
    return f"18C in {city}"


async def get_weather_later(city: str) -> str:
    """Return the weather."""
    return f"18C in {city}"


def fail(city: str) -> str:
    """Return the weather, never."""
    raise LookupError(city)


def _events(*documents: Any) -> Answer:
    data = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)
    return Answer(data, content_type="text/event-stream")


def _calling(name: str) -> Any:
    document = json.loads(json.dumps(_ASKS))
    document["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] = name
    return document


def _loop(client: Any, tool: Any = get_weather, **more: Any) -> Any:
    return client.models.generate_content(model=_MODEL, contents="?", config={"tools": [tool], **more})


def _loop_stream(client: Any) -> Any:
    return client.models.generate_content_stream(
        model=_MODEL, contents="?", config=types.GenerateContentConfig(tools=[get_weather])
    )


def _chat(client: Any) -> Any:
    return client.chats.create(model=_MODEL, config={"tools": [get_weather]})


def _names(spans: Spans) -> dict[str, list[str]]:
    """Return the names of the spans below each, in order of time; below "" those without a parent."""
    calls = [span for span in spans.all() if span.name != "agentprof.analysis"]
    ended = sorted(calls, key=lambda span: span.start_time or 0)
    titles = {span.context.span_id: span.name for span in ended if span.context}
    found: dict[str, list[str]] = {}
    for span in ended:
        found.setdefault(titles[span.parent.span_id] if span.parent else "", []).append(span.name)
    return found


_LLM = f"generate_content {_MODEL}"
_WHOLE_LOOP = {"": ["invoke_agent"], "invoke_agent": [_LLM, "execute_tool get_weather", _LLM]}


@_KINDS
@pytest.mark.parametrize(
    "ask",
    [
        _loop,
        lambda client: _chat(client).send_message("?"),
        lambda client: client.chats.create(model=_MODEL).send_message("?", {"tools": [get_weather]}),
    ],
    ids=["models", "chat", "chat with tools for once"],
)
def test_a_loop_is_one_agent_with_a_span_for_each_request_and_function(
    ask: Callable[[Any], Any], kind: Kind, server: Loopback, spans: Spans
) -> None:
    server.script += [Answer(json.dumps(each).encode()) for each in (_ASKS, _WHOLE)]

    with_client(_CASE, server.url, lambda client: awaited(ask(client)), kind=kind)

    assert _names(spans) == _WHOLE_LOOP
    agent = next(dict(span.attributes or {}) for span in spans.all() if span.name == "invoke_agent")
    assert agent["agentprof.role"] == "agent"
    assert not [name for name in agent if "usage" in name or "cost" in name or "fingerprint" in name]
    asked = [dict(span.attributes or {}).get("agentprof.tool_call.ids") for span in spans.all()]
    assert ("fc-aa11",) in asked


@_KINDS
@pytest.mark.parametrize(
    "ask", [_loop_stream, lambda client: _chat(client).send_message_stream("?")], ids=["models", "chat"]
)
def test_a_streamed_loop_has_its_later_requests_below_it_too(
    ask: Callable[[Any], Any], kind: Kind, server: Loopback, spans: Spans
) -> None:
    outer = spans.provider.get_tracer("test").start_span("outer")

    async def work(client: Any) -> None:
        with trace.use_span(outer):
            stream = await awaited(ask(client))
            while await read(stream, most=1):
                assert trace.get_current_span() is outer

    server.script += [_events(_ASKS), _events(_WHOLE, _WHOLE)]
    with_client(_CASE, server.url, work, kind=kind)

    outer.end()
    assert _names(spans) == {
        "": ["outer"],
        "outer": ["invoke_agent"],
        "invoke_agent": _WHOLE_LOOP["invoke_agent"],
    }


def test_a_streamed_loop_that_is_left_ends_all_its_spans(server: Loopback, spans: Spans) -> None:
    async def work(client: Any) -> None:
        await read(_loop_stream(client), most=1)

    server.script.append(_events(_ASKS, _ASKS))
    with_client(_CASE, server.url, work, kind="sync")

    assert _names(spans) == {"": ["invoke_agent"], "invoke_agent": [_LLM, "execute_tool get_weather"]}
    left = {span.name: dict(span.attributes or {}).get("agentprof.stream.complete") for span in spans.all()}
    assert left["invoke_agent"] is False


def test_a_coroutine_function_is_a_tool_too(server: Loopback, spans: Spans) -> None:
    server.script += [Answer(json.dumps(each).encode()) for each in (_calling("get_weather_later"), _WHOLE)]

    with_client(_CASE, server.url, lambda client: _loop(client, get_weather_later), kind="async")

    assert "execute_tool get_weather_later" in _names(spans)["invoke_agent"]


@_KINDS
def test_a_function_that_fails_is_a_tool_that_failed_with_its_own_error(
    kind: Kind, server: Loopback, spans: Spans
) -> None:
    server.script += [Answer(json.dumps(each).encode()) for each in (_calling("fail"), _WHOLE)]

    with_client(_CASE, server.url, lambda client: awaited(_loop(client, fail)), kind=kind)

    (tool,) = (span for span in spans.all() if span.name == "execute_tool fail")
    assert tool.status.status_code is StatusCode.ERROR
    assert dict(tool.attributes or {})["error.type"] == "LookupError"
    assert [s.status.status_code for s in spans.all() if s.name == "invoke_agent"] == [StatusCode.UNSET]


@pytest.mark.parametrize(
    "config",
    [
        {"automatic_function_calling": {"disable": True}},
        {"automaticFunctionCalling": {"maximumRemoteCalls": 1}},
        {"tools": [types.Tool(function_declarations=[types.FunctionDeclaration(name="get_weather")])]},
        {"tools": []},
    ],
    ids=["disabled", "one request", "declared", "none"],
)
def test_a_call_without_a_loop_has_no_agent(config: Any, server: Loopback, spans: Spans) -> None:
    server.script.append(Answer("google_generate_content_function_call.json"))

    with_client(_CASE, server.url, lambda client: awaited(_loop(client, **config)), kind="sync")

    assert spans.only().name == _LLM


def test_equal_calls_of_a_function_have_equal_fingerprints(server: Loopback, spans: Spans) -> None:
    server.script += [Answer(json.dumps(each).encode()) for each in (_ASKS, _ASKS, _WHOLE)]

    with_client(_CASE, server.url, lambda client: awaited(_loop(client)), kind="sync")

    tools = [dict(s.attributes or {}) for s in spans.all() if s.name.startswith("execute_tool")]
    prints = [facts["agentprof.request.fingerprint"] for facts in tools]
    assert len(prints) == 2
    assert prints[0] == prints[1]


def _only_facts(server: Loopback, spans: Spans, answer: Any, ask: Callable[[Any], Any]) -> dict[str, Any]:
    server.script.append(answer if isinstance(answer, Answer) else Answer(json.dumps(answer).encode()))
    with_client(_CASE, server.url, lambda client: awaited(ask(client)), kind="sync")
    return spans.facts()


def _ask(client: Any) -> Any:
    return client.models.generate_content(model=_MODEL, contents="?")


def test_what_tools_of_the_server_found_is_input(server: Loopback, spans: Spans) -> None:
    usage = {**_WHOLE["usageMetadata"], "toolUsePromptTokenCount": 300}

    facts = _only_facts(server, spans, {**_WHOLE, "usageMetadata": usage}, _ask)

    assert facts["gen_ai.usage.input_tokens"] == 1500


def test_audio_is_told_apart(server: Loopback, spans: Spans) -> None:
    details = [{"modality": "AUDIO", "tokenCount": 200}, {"modality": "TEXT", "tokenCount": 1000}]
    usage = {**_WHOLE["usageMetadata"], "promptTokensDetails": details}

    facts = _only_facts(server, spans, {**_WHOLE, "usageMetadata": usage}, _ask)

    assert facts["gen_ai.usage.audio.input_tokens"] == 200


_DRAWN = {
    "promptTokenCount": 1_000,
    "candidatesTokenCount": 1_340,
    "thoughtsTokenCount": 60,
    "toolUsePromptTokenCount": 10,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 216},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "VIDEO", "tokenCount": 268},
    ],
    "toolUsePromptTokensDetails": [{"modality": "IMAGE", "tokenCount": 4}, {"modality": "TEXT"}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
}
_NOW_NS = 1_796_000_000 * 10**9
_DRAWERS = ["gemini-2.5-flash-image", "gemini-3-pro-image-preview"]


def _drawn(model: str, *, is_last: bool = True) -> Any:
    usage = _DRAWN if is_last else {**_DRAWN, "candidatesTokenCount": 1_290, "thoughtsTokenCount": None}
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]}
    }
    if is_last:
        candidate["finishReason"] = "STOP"
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "r"}


@pytest.mark.parametrize("model", _DRAWERS)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_a_drawn_image_costs_what_the_table_takes_for_images(
    model: str, way: str, server: Loopback, spans: Spans
) -> None:
    def ask(client: Any) -> Any:
        if way == "streamed":
            return read(client.models.generate_content_stream(model=model, contents="draw"))
        return client.models.generate_content(model=model, contents="draw")

    pieces = _events(_drawn(model, is_last=False), _drawn(model))

    facts = _only_facts(server, spans, pieces if way == "streamed" else _drawn(model), ask)

    expected = calc_price(
        Usage(input_tokens=1_010, output_tokens=1_400, input_image_tokens=520, output_image_tokens=1_290),
        model,
        provider_id="google",
    )
    assert facts["gen_ai.usage.image.input_tokens"] == 520
    assert facts["gen_ai.usage.image.output_tokens"] == 1_290
    assert facts["agentprof.usage.video.input_tokens"] == 268
    assert facts["agentprof.cost.total"] == pytest.approx(float(expected.total_price))
    # Who reads the span back without the figure that it carries comes to the same.
    read_back = {name: value for name, value in facts.items() if "cost" not in name}
    span = Span("0" * 32, "1" * 16, None, "generate_content", _NOW_NS, _NOW_NS + 1, attributes=read_back)
    assert otel_agentprof.analyze([span]).cost_usd == expected.total_price


def test_a_stream_that_is_left_has_no_tokens_of_images(server: Loopback, spans: Spans) -> None:
    model = _DRAWERS[0]

    facts = _only_facts(
        server,
        spans,
        _events(_drawn(model, is_last=False), _drawn(model)),
        lambda client: read(client.models.generate_content_stream(model=model, contents="draw"), most=1),
    )

    assert facts["gen_ai.usage.image.input_tokens"] == 520
    assert "gen_ai.usage.image.output_tokens" not in facts
    assert facts["agentprof.cost.total"] > 0


def test_calls_without_ids_have_none(server: Loopback, spans: Spans) -> None:
    answer = _calling("get_weather")
    del answer["candidates"][0]["content"]["parts"][0]["functionCall"]["id"]
    contents = json.loads((WIRE / "google_request_with_function_response.json").read_bytes())["contents"]

    facts = _only_facts(
        server, spans, answer, lambda c: c.models.generate_content(model=_MODEL, contents=contents)
    )

    assert not [name for name in facts if name.startswith("agentprof.tool_")]


def test_results_in_dicts_are_found_by_their_ids(server: Loopback, spans: Spans) -> None:
    contents = json.loads((WIRE / "google_request_with_function_response.json").read_bytes())["contents"]
    contents[-1]["parts"][0]["functionResponse"]["id"] = "fc-1"

    facts = _only_facts(
        server, spans, _WHOLE, lambda c: c.models.generate_content(model=_MODEL, contents=contents)
    )

    assert facts["agentprof.tool_result.ids"] == ("fc-1",)


def test_a_prompt_that_is_blocked_says_why(server: Loopback, spans: Spans) -> None:
    answer = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 12}}

    facts = _only_facts(server, spans, answer, _ask)

    assert facts["gen_ai.response.finish_reasons"] == ("SAFETY",)
    assert facts["gen_ai.usage.input_tokens"] == 12


def test_an_answer_without_usage_has_no_tokens(server: Loopback, spans: Spans) -> None:
    answer = {key: value for key, value in _WHOLE.items() if key != "usageMetadata"}

    facts = _only_facts(server, spans, answer, _ask)

    assert not [name for name in facts if "usage" in name or "cost" in name]


def test_the_settings_of_a_request_are_told(server: Loopback, spans: Spans) -> None:
    config = types.GenerateContentConfig(
        stop_sequences=["END"], candidate_count=2, response_mime_type="application/json", seed=7, top_k=40
    )

    facts = _only_facts(
        server, spans, _WHOLE, lambda c: c.models.generate_content(model=_MODEL, contents="?", config=config)
    )

    assert facts["gen_ai.request.stop_sequences"] == ("END",)
    assert facts["gen_ai.request.choice.count"] == 2
    assert facts["gen_ai.output.type"] == "json"
    assert facts["gen_ai.request.seed"] == 7
    assert facts["gen_ai.request.top_k"] == 40


@pytest.mark.parametrize("told", ["statistics", "usage"])
def test_embeddings_have_tokens_where_the_server_counts_them(
    told: str, server: Loopback, spans: Spans
) -> None:
    values = {"values": [0.1]}
    answer: dict[str, Any] = {"embeddings": [values, values]}
    if told == "usage":
        answer["usageMetadata"] = {"promptTokenCount": 10}
    else:
        answer = {"predictions": [{"embeddings": {**values, "statistics": {"token_count": 5}}}] * 2}
    client = genai.Client(
        api_key="none", vertexai=told == "statistics", http_options=types.HttpOptions(base_url=server.url)
    )
    server.script.append(Answer(json.dumps(answer).encode()))

    client.models.embed_content(model="text-embedding-005", contents=["a", "b"])

    client.close()
    assert spans.facts()["gen_ai.usage.input_tokens"] == 10


def test_a_stream_may_end_in_a_token_to_go_on_with(server: Loopback, spans: Spans) -> None:
    first = json.loads(json.dumps(_WHOLE))
    del first["candidates"][0]["finishReason"]
    first["candidates"][0]["continuationToken"] = "dG9rZW4="

    async def work(client: Any) -> None:
        await read(client.models.generate_content_stream(model=_MODEL, contents="?"))

    server.script += [_events(first), _events(_WHOLE)]
    with_client(_CASE, server.url, work, kind="sync")

    assert [dict(s.attributes or {})["gen_ai.usage.output_tokens"] for s in spans.all()] == [85, 85]


def test_content_is_put_together_when_asked_for(server: Loopback, spans: Spans) -> None:
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)
    thought = json.loads(json.dumps(_WHOLE))
    thought["candidates"][0]["content"]["parts"].insert(0, {"text": "Hm.", "thought": True})
    contents = json.loads((WIRE / "google_request_with_function_response.json").read_bytes())["contents"]

    async def work(client: Any) -> None:
        await read(client.models.generate_content_stream(model=_MODEL, contents=contents))
        client.models.generate_content(
            model=_MODEL, contents=[["a", "b"], types.Part(text="c")], config={"system_instruction": "Short."}
        )

    server.script += [_events(_ASKS, thought), Answer(json.dumps(thought).encode())]
    with_client(_CASE, server.url, work, kind="sync")

    streamed, whole = (dict(span.attributes or {}) for span in spans.all())
    (message,) = json.loads(str(streamed["gen_ai.output.messages"]))
    assert [part.get("content") or part.get("arguments") for part in message["parts"]] == [
        {"city": "Paris"},
        "Hm.",
        "Paris.",
    ]
    asked = json.loads(str(streamed["gen_ai.input.messages"]))
    assert [m["role"] for m in asked] == ["user", "assistant", "user"]
    assert [m["parts"][0]["type"] for m in asked] == ["text", "tool_call", "tool_call_response"]
    assert json.loads(str(whole["gen_ai.system_instructions"])) == [{"type": "text", "content": "Short."}]
    (answer,) = json.loads(str(whole["gen_ai.output.messages"]))
    assert [part["type"] for part in answer["parts"]] == ["reasoning", "text"]


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_aiohttp_beneath_makes_no_difference(server: Loopback, spans: Spans) -> None:
    pytest.importorskip("aiohttp")

    async def main() -> None:
        client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=server.url))
        await client.aio.models.generate_content(model=_MODEL, contents="?")
        await client.aio.aclose()
        client.close()

    import asyncio  # noqa: PLC0415 - only here

    server.script.append(Answer("google_generate_content.json"))
    asyncio.run(main())

    assert spans.facts()["gen_ai.usage.output_tokens"] == 85


def test_other_packages_of_google_are_no_clients() -> None:
    assert libraries.is_of_ours("google.genai.errors")
    assert not libraries.is_of_ours("google.cloud.storage")
    assert foreign.wrapper_of(genai.Client.__init__, genai) is None
