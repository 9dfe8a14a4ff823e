"""What only Ollama's client does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from loopback import WIRE, Answer

import otel_agentprof

ollama = pytest.importorskip("ollama")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Spans
    from loopback import Loopback

MESSAGES = [{"role": "user", "content": "Paris?"}]
WHOLE = json.loads((WIRE / "ollama_chat.json").read_bytes())


@pytest.fixture
def client(server: Loopback) -> Iterator[Any]:
    with ollama.Client(host=server.url) as client:
        yield client


def _without(name: str) -> Answer:
    return Answer(json.dumps({key: value for key, value in WHOLE.items() if key != name}).encode())


def test_functions_of_the_module_are_spans_too(
    server: Loopback, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script.append(Answer("ollama_chat.json"))

    with httpx.Client(base_url=server.url) as transport:
        monkeypatch.setattr(ollama.chat.__self__, "_client", transport)
        ollama.chat("llama3.2", MESSAGES)

    assert spans.only().name == "chat llama3.2"


def test_what_is_no_call_of_a_model_makes_no_span(server: Loopback, spans: Spans, client: Any) -> None:
    server.script += [
        Answer(b'{"status": "success"}\n{"status": "success"}\n'),
        Answer(b'{"model_info": {}}'),
    ]

    pulled = list(client.pull("llama3.2", stream=True))
    shown = client.show("llama3.2")

    assert [item.status for item in pulled] == ["success", "success"]
    assert shown.modelinfo == {}
    assert spans.all() == ()


def test_a_prompt_of_unknown_length_has_no_count(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(_without("prompt_eval_count"))

    client.chat("llama3.2", MESSAGES)

    assert "gen_ai.usage.input_tokens" not in spans.facts()
    assert spans.facts()["gen_ai.usage.output_tokens"] == 298


def test_loading_a_model_has_no_tokens(server: Loopback, spans: Spans, client: Any) -> None:
    answer = {"model": "llama3.2", "response": "", "done": True, "done_reason": "load"}
    server.script.append(Answer(json.dumps(answer).encode()))

    client.generate("llama3.2")

    assert spans.facts()["gen_ai.response.finish_reasons"] == ("load",)
    assert not [name for name in spans.facts() if name.startswith("gen_ai.usage.")]


def test_options_are_the_requests_parameters(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("ollama_chat.json"))
    options = {"num_predict": 64, "temperature": 0.2, "top_k": 3, "seed": 7, "stop": ["END"]}

    client.chat("llama3.2", MESSAGES, options=options, format="json")

    facts = spans.facts()
    assert facts["gen_ai.request.max_tokens"] == 64
    assert facts["gen_ai.request.temperature"] == 0.2
    assert facts["gen_ai.request.top_k"] == 3
    assert facts["gen_ai.request.seed"] == 7
    assert facts["gen_ai.request.stop_sequences"] == ("END",)
    assert facts["gen_ai.output.type"] == "json"


def test_an_error_inside_a_stream_has_no_http_status(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer(b'{"error": "the model runner has stopped"}\n'))

    with pytest.raises(ollama.ResponseError):
        list(client.chat("llama3.2", MESSAGES, stream=True))

    assert spans.facts()["error.type"] == "ollama._types.ResponseError"
    assert "http.response.status_code" not in spans.facts()


def test_an_older_server_tells_no_reason_to_stop(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(_without("done_reason"))

    client.chat("llama3.2", MESSAGES)

    assert "gen_ai.response.finish_reasons" not in spans.facts()
    assert spans.facts()["gen_ai.usage.input_tokens"] == 26


def test_the_older_embeddings_have_no_count(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer(b'{"embedding": [0.1]}'))

    client.embeddings("all-minilm", "Paris")

    assert spans.only().name == "embeddings all-minilm"
    assert "gen_ai.usage.input_tokens" not in spans.facts()


def test_tool_calls_are_content_when_asked_for(server: Loopback, spans: Spans, client: Any) -> None:
    called = json.loads((WIRE / "ollama_chat_tool_calls.json").read_bytes())
    server.script += [Answer("ollama_chat_tool_calls.json"), Answer(json.dumps(called).encode())]
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    client.chat("llama3.2", MESSAGES)
    list(client.chat("llama3.2", MESSAGES, stream=True))

    for span in spans.all():
        (message,) = json.loads(str(dict(span.attributes or {})["gen_ai.output.messages"]))
        (call,) = [part for part in message["parts"] if part["type"] == "tool_call"]
        assert call["name"] == "get_weather"
        assert call["arguments"] in ({"city": "Paris"}, '{"city": "Paris"}')


def test_a_system_prompt_is_content_when_asked_for(server: Loopback, spans: Spans, client: Any) -> None:
    server.script.append(Answer("ollama_generate.json"))
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    client.generate("llama3.2", "Paris?", system="Be brief.")

    facts = spans.facts()
    assert json.loads(facts["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(facts["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Paris."
