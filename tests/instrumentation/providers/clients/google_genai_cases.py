"""Google's client for Gemini; its function-calling loop is in test_google_genai.py."""

from __future__ import annotations

import json
from typing import Any

import httpx2
from google import genai
from google.genai import types
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case
from providers.served import longer

_MODEL = "gemini-2.5-flash"
_EMBEDDER = "gemini-embedding-001"
_ERROR = json.loads((WIRE / "google_error_429.json").read_bytes())
_STREAM = (WIRE / "google_stream_generate_content.sse").read_bytes()
_USAGE = {
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning.output_tokens": 64,
}
_REFUSED: dict[str, Any] = {
    "error": Answer("google_error_429.json", 429),
    "error_facts": {"http.response.status_code": 429, "error.type": "RESOURCE_EXHAUSTED"},
}
_RESULTS = [
    types.Content(role="user", parts=[types.Part(text=CANARY)]),
    types.Content(role="model", parts=[types.Part(function_call=types.FunctionCall(id=TOOL_ID, name="w"))]),
    types.Content(
        role="user",
        parts=[
            types.Part(
                function_response=types.FunctionResponse(id=TOOL_ID, name="w", response={"result": "18C"})
            )
        ],
    ),
]
_RESPONSE = {
    "gen_ai.request.model": _MODEL,
    "gen_ai.response.model": _MODEL,
    "gen_ai.response.finish_reasons": ("STOP",),
    "server.address": "127.0.0.1",
    # 176 fresh at $0.30, 1024 cached at $0.03, 85 written (64 of them thoughts) at $2.50 per million
    "agentprof.cost.total": 0.00029602,
    **_USAGE,
}


class _Async:
    """An async client that is closed with the sync one beneath it."""

    def __init__(self, client: genai.Client) -> None:
        self._client = client
        self.models, self.chats = client.aio.models, client.aio.chats

    async def aclose(self) -> None:
        await self._client.aio.aclose()
        self._client.close()


def _client(url: str, kind: str, **more: Any) -> Any:
    tries = types.HttpRetryOptions(attempts=2, initial_delay=0.001, max_delay=0.001, jitter=0)
    options = types.HttpOptions(
        base_url=url,
        retry_options=tries,
        async_client_args={
            "transport": httpx2.AsyncHTTPTransport()
        },  # with aiohttp installed it would be that, which warns
    )
    client = genai.Client(api_key="none", http_options=options, **more)
    return _Async(client) if kind == "async" else client


def _vertex(url: str, kind: str) -> Any:
    return _client(url, kind, vertexai=True)


def _generate(client: Any, contents: Any = CANARY, **config: Any) -> Any:
    return client.models.generate_content(model=_MODEL, contents=contents, config=config or None)


def _stream(client: Any) -> Any:
    return client.models.generate_content_stream(model=_MODEL, contents=CANARY)


CASES = (
    Case(
        name="google_genai-generate",
        library="google_genai",
        operation="generate_content",
        span_name=f"generate_content {_MODEL}",
        connect=_client,
        call=lambda client: _generate(
            client, temperature=0.2, maxOutputTokens=100, system_instruction="Short."
        ),
        answer=Answer("google_generate_content.json"),
        stream=_stream,
        stream_answer=Answer("google_stream_generate_content.sse"),
        facts={
            "gen_ai.provider.name": "gcp.gemini",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.response.id": "g-resp-001",
            **_RESPONSE,
        },
        stream_facts={
            "gen_ai.provider.name": "gcp.gemini",
            "gen_ai.response.id": "g-resp-003",
            **_RESPONSE,
        },
        is_lazy=True,
        **_REFUSED,
        broken_stream=Answer(
            _STREAM.split(b"\n\n")[0] + b"\n\ndata: " + json.dumps(_ERROR).encode() + b"\n\n",
            content_type="text/event-stream",
        ),
        long_stream=lambda count: longer("google_stream_generate_content.sse", count),
        bad_call=lambda client: client.models._generate_content(model=_MODEL, no_such_argument=1),
        tools_call=lambda client: _generate(client, _RESULTS),
        tools_answer=Answer("google_generate_content_function_call.json"),
        tools_facts={"agentprof.tool_call.ids": ("fc-aa11",), "agentprof.tool_result.ids": (TOOL_ID,)},
        helpers={
            "raw": lambda client: _generate(client, should_return_http_response=True),
            "chat": lambda client: client.chats.create(model=_MODEL).send_message(CANARY),
        },
    ),
    Case(
        name="google_genai-vertex",
        library="google_genai",
        operation="generate_content",
        span_name=f"generate_content {_MODEL}",
        connect=_vertex,
        call=_generate,
        answer=Answer("google_generate_content.json"),
        stream=_stream,
        stream_answer=Answer("google_stream_generate_content.sse"),
        facts={"gen_ai.provider.name": "gcp.vertex_ai", **_RESPONSE},
        is_lazy=True,
        **_REFUSED,
    ),
    Case(
        name="google_genai-embeddings",
        library="google_genai",
        operation="embeddings",
        span_name=f"embeddings {_EMBEDDER}",
        connect=_client,
        call=lambda client: client.models.embed_content(
            model=_EMBEDDER, contents=CANARY, config={"output_dimensionality": 3}
        ),
        answer=Answer("google_embed_content_batch.json"),
        facts={"gen_ai.provider.name": "gcp.gemini", "gen_ai.embeddings.dimension.count": 3},
        has_cost=False,  # the server counts no tokens
        has_content=False,
        **_REFUSED,
        bad_call=lambda client: client.models.embed_content(no_such_argument=1),
    ),
)
