"""Amazon Bedrock through boto3; families of models and what fails are in test_bedrock.py."""

from __future__ import annotations

import json
from typing import Any

import boto3  # type: ignore[import-untyped]
import event_stream
from botocore.config import Config  # type: ignore[import-untyped]
from loopback import WIRE, Answer
from providers.case import CANARY, TOOL_ID, Case

_MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
_TITAN = "amazon.titan-embed-text-v2:0"
_WHOLE = json.loads((WIRE / "bedrock_converse.json").read_bytes())
_CLAUDE = json.loads((WIRE / "anthropic_message_tool_use.json").read_bytes())
_EVENTS = "bedrock_converse_stream_events.json"
_CHUNKS = "bedrock_invoke_stream_events.json"
_MESSAGES = [{"role": "user", "content": [{"text": CANARY}]}]
_RESULTS = [
    *_MESSAGES,
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": TOOL_ID, "name": "w", "input": {}}}]},
    {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": TOOL_ID, "content": [{"text": "18C"}], "status": "success"}}
        ],
    },
]
_USAGE = {
    "gen_ai.usage.input_tokens": 1712,
    "gen_ai.usage.output_tokens": 85,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.cache_write.input_tokens": 512,
}
_REFUSED: dict[str, Any] = {
    "error": Answer(
        "bedrock_error_throttling_429.json", 429, headers={"x-amzn-errortype": "ThrottlingException"}
    ),
    "error_facts": {
        "http.response.status_code": 429,
        "error.type": "ThrottlingException",
        "agentprof.retry.count": 1,
    },
}


class _Client:
    """A client whose ``close`` leaves no stream open: boto3's own leaves that to whoever got the stream."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._open: list[Any] = []
        client.meta.events.register("after-call", self._keep)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _keep(self, http_response: Any, **_: Any) -> None:
        self._open.append(http_response.raw)

    def close(self) -> None:
        for raw in self._open:
            raw.close()
        self._client.close()


def connect(url: str, _kind: str, service: str = "bedrock-runtime") -> Any:
    """Return a client that tries twice, at once."""
    client = boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - the loopback server asks for none
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 2, "mode": "standard"}),
    )
    client.meta.events.register_first("needs-retry", _at_once)
    return _Client(client)


def _at_once(response: Any, attempts: int, **_: Any) -> float | None:
    is_refused = response is not None and response[0].status_code == 429
    return 0.0 if is_refused and attempts == 1 else None


def _converse(client: Any, messages: Any = _MESSAGES, **more: Any) -> Any:
    return client.converse(
        modelId=_MODEL,
        messages=messages,
        system=[{"text": "Short."}],
        inferenceConfig={"maxTokens": 512, "temperature": 0.2, "stopSequences": ["END"]},
        **more,
    )


def body_of(messages: Any = CANARY, **more: Any) -> str:
    """Return a request in Anthropic's words."""
    if messages is CANARY:
        messages = [{"role": "user", "content": CANARY}]
    return json.dumps(
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 512, "messages": messages, **more}
    )


def _invoke(client: Any, body: str | None = None, model: str = _MODEL) -> Any:
    return client.invoke_model(modelId=model, body=body or body_of())["body"].read()


CASES = (
    Case(
        name="bedrock-converse",
        library="bedrock",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=connect,
        kinds=("sync",),
        call=_converse,
        answer=Answer("bedrock_converse.json"),
        stream=lambda client: client.converse_stream(modelId=_MODEL, messages=_MESSAGES)["stream"],
        stream_answer=event_stream.stream(event_stream.events_of(_EVENTS)),
        facts={
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": _MODEL,
            "gen_ai.request.max_tokens": 512,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.response.finish_reasons": ("tool_use",),
            "agentprof.tool_call.ids": ("tooluse_aa11",),
            "server.address": "127.0.0.1",
            # 176 at $3.30, 1024 read at $0.33, 512 written at $4.125, 85 out at $16.50 per million
            "agentprof.cost.total": 0.00443322,
            **_USAGE,
        },
        stream_facts={
            "gen_ai.request.model": _MODEL,
            "gen_ai.response.finish_reasons": ("tool_use",),
            "agentprof.tool_call.ids": ("tooluse_aa11",),
            "agentprof.cost.total": 0.00443322,
            **_USAGE,
        },
        **_REFUSED,
        broken_stream=event_stream.stream(
            event_stream.events_of(_EVENTS)[:3], ends_with=event_stream.failure("modelStreamErrorException")
        ),
        long_stream=lambda count: event_stream.longer(_EVENTS, count, place=1),
        bad_call=lambda client: _converse(client, noSuchArgument=1),
        tools_call=lambda client: _converse(client, _RESULTS),
        tools_answer=Answer(json.dumps(_WHOLE).encode()),
        tools_facts={
            "agentprof.tool_call.ids": ("tooluse_aa11",),
            "agentprof.tool_result.ids": (TOOL_ID,),
        },
    ),
    Case(
        name="bedrock-invoke",
        library="bedrock",
        operation="chat",
        span_name=f"chat {_MODEL}",
        connect=connect,
        kinds=("sync",),
        call=_invoke,
        answer=Answer(json.dumps(_CLAUDE).encode()),
        stream=lambda client: client.invoke_model_with_response_stream(modelId=_MODEL, body=body_of())[
            "body"
        ],
        stream_answer=event_stream.stream(event_stream.events_of(_CHUNKS)),
        facts={
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": _MODEL,
            "gen_ai.request.max_tokens": 512,
            "gen_ai.response.finish_reasons": ("tool_use",),
            **_USAGE,
            "gen_ai.usage.reasoning.output_tokens": 40,
        },
        **_REFUSED,
        broken_stream=event_stream.stream(
            event_stream.events_of(_CHUNKS)[:2], ends_with=event_stream.failure("throttlingException")
        ),
        long_stream=lambda count: event_stream.longer(_CHUNKS, count, place=1),
        bad_call=lambda client: client.invoke_model(noSuchArgument=1),
        tools_call=lambda client: _invoke(
            client,
            body_of(
                [
                    {"role": "user", "content": CANARY},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": TOOL_ID, "name": "w"}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": TOOL_ID}]},
                ]
            ),
        ),
        tools_answer=Answer(json.dumps(_CLAUDE).encode()),
        tools_facts={"agentprof.tool_result.ids": (TOOL_ID,)},
    ),
    Case(
        name="bedrock-embeddings",
        library="bedrock",
        operation="embeddings",
        span_name=f"embeddings {_TITAN}",
        connect=connect,
        kinds=("sync",),
        call=lambda client: _invoke(client, json.dumps({"inputText": CANARY, "dimensions": 256}), _TITAN),
        answer=Answer("bedrock_invoke_model_titan_embed.json"),
        facts={
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.request.model": _TITAN,
            "gen_ai.embeddings.dimension.count": 256,
            "gen_ai.usage.input_tokens": 5,
            "agentprof.cost.total": 1e-07,  # $0.02 per million
        },
        has_content=False,
        **_REFUSED,
        bad_call=lambda client: client.invoke_model(noSuchArgument=1),
    ),
)
