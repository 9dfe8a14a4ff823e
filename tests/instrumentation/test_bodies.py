"""Bodies as servers send them and as users read them: encodings, line endings, pieces, every way to read."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import WIRE, Answer
from opentelemetry.trace import StatusCode
from surfaces import CHAT_USAGE, STREAMING, SURFACES, Surface
from test_calls import usage_of

from otel_agentprof.instrumentation import body
from otel_agentprof.instrumentation.spec import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, RESPONSES, MESSAGES = SURFACES[0], SURFACES[2], SURFACES[4]
RAW = {"X-Stainless-Raw-Response": "true"}
STREAM_FILES = {"openai-chat": "openai_chat_stream.sse", "openai-responses": "openai_responses_stream.sse"}
each_stream = pytest.mark.parametrize("surface", STREAMING, ids=str)
each_kind = pytest.mark.parametrize("surface", [CHAT, RESPONSES, MESSAGES], ids=str)


def events(data: bytes) -> Answer:
    return Answer(data, content_type="text/event-stream")


def stream_of(surface: Surface) -> bytes:
    return (WIRE / STREAM_FILES.get(surface.name, "anthropic_message_stream.sse")).read_bytes()


def zipped(data: bytes) -> bytes:
    packer = zlib.compressobj()
    return packer.compress(data) + packer.flush()


@each_kind
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zipped)])
@pytest.mark.parametrize("is_raw", [False, True])
def test_an_encoded_stream_is_decoded_before_it_is_read(
    surface: Surface,
    encoding: str,
    pack: Callable[[bytes], bytes],
    server: Loopback,
    spans: Spans,
    connect: Connect,
    *,
    is_raw: bool,
) -> None:
    packed = pack(stream_of(surface))
    server.script.append(
        Answer(packed, content_type="text/event-stream", headers={"content-encoding": encoding})
    )
    resource = surface.resource(connect(surface))

    if is_raw:
        with resource.with_streaming_response.create(**surface.arguments, stream=True) as response:
            list(response.iter_lines())
    else:
        list(resource.create(**surface.arguments, stream=True))

    assert usage_of(spans.facts()) == surface.usage


def folded(line: bytes) -> bytes:
    """Return the same event with its JSON on two ``data`` lines, which the format allows."""
    return line.replace(b', "', b',\ndata: "', 1) if line.startswith(b"data: {") else line


@each_kind
@pytest.mark.parametrize(
    "written",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: b": keep-alive\n\n" + data.replace(b"\n\n", b"\n: comment\n\n: another\n\n"),
        lambda data: data.replace(b"data: ", b"data:"),
        lambda data: b"\n".join(map(folded, data.split(b"\n"))),
        lambda data: b"retry: 1000\nid: 7\n\n" + data,
    ],
    ids=["crlf", "cr", "comments", "no space", "several data lines", "retry and id"],
)
@pytest.mark.parametrize("size", [1, None])
def test_events_are_understood_however_they_are_written_and_cut(
    surface: Surface,
    written: Callable[[bytes], bytes],
    size: int | None,
    server: Loopback,
    spans: Spans,
    connect: Connect,
) -> None:
    server.script.append(events(written(stream_of(surface))))
    resource = surface.resource(connect(surface))

    with resource.with_streaming_response.create(**surface.arguments, stream=True) as response:
        list(response.iter_bytes(size))

    assert usage_of(spans.facts()) == surface.usage
    assert "agentprof.stream.complete" not in spans.facts()


class _Listener:
    """What the parser of events reports to."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.chunks: list[Any] = []

    def chunk(self, _call: Any, chunk: Any) -> None:
        self.chunks.append(dict(chunk))


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), st.text(max_size=8) | st.integers(), max_size=3), max_size=5
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_events_come_out_whole_wherever_the_pieces_end(
    sent: list[dict[str, Any]], ending: str, sizes: list[int]
) -> None:
    text = "".join(f"data: {json.dumps(event, ensure_ascii=False)}{ending}{ending}" for event in sent)
    data, listener = text.encode("utf-8", "surrogatepass"), _Listener()
    parser: Any = body._Events(listener, listener)  # type: ignore[arg-type]  # all of them that it uses

    for size in sizes:
        if data:
            parser.feed(data[:size])
        data = data[size:]
    parser.feed(data or b"\n")
    parser.finish()

    assert listener.chunks == sent


@pytest.mark.parametrize(
    "data",
    [b"data: {not json\n\n", b"data: [1, 2]\n\n", b"data: 7\n\n", b"\xff\xfe\n\n", b"data: \xff\n\n", b""],
)
def test_events_that_are_none_are_left_out(
    data: bytes, server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(events(data + stream_of(CHAT)))

    with connect(CHAT).chat.completions.with_streaming_response.create(
        **CHAT.arguments, stream=True
    ) as response:
        assert response.read() == data + stream_of(CHAT)

    assert usage_of(spans.facts()) == CHAT_USAGE


def test_a_body_too_large_to_keep_has_no_tokens_and_is_the_users(
    server: Loopback, spans: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "_MAX_BYTES", 50)
    endless = b"data: " + b"x" * 200
    many = b"data: {\ndata:\n" + b"data:   \n" * 20 + b"data: }\n\n"
    server.script += [Answer("openai_chat.json"), events(endless), events(many)]
    streaming = connect(CHAT).chat.completions.with_streaming_response

    with streaming.create(**CHAT.arguments) as response:
        assert response.json()["usage"]
    with streaming.create(**CHAT.arguments, stream=True) as response:
        assert sum(map(len, response.iter_bytes(20))) == len(endless)
    with streaming.create(**CHAT.arguments, stream=True) as response:
        assert response.read() == many

    assert [usage_of(dict(span.attributes or {})) for span in spans.all()] == [{}, {}, {}]


@each_stream
@pytest.mark.parametrize("is_streamed", [False, True])
def test_raw_responses_asked_for_by_a_header_of_the_client_are_read_too(
    surface: Surface, server: Loopback, spans: Spans, connect: Connect, *, is_streamed: bool
) -> None:
    raw = surface.resource(connect(surface, default_headers=RAW)).create(
        **surface.arguments, stream=is_streamed
    )
    if is_streamed:
        list(raw.parse())

    assert type(raw).__name__.endswith("APIResponse")
    assert usage_of(spans.facts()) == surface.usage


@pytest.mark.parametrize("surface", [CHAT, MESSAGES], ids=str)
async def test_raw_responses_asked_for_in_small_letters_are_read_too(
    surface: Surface, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        await surface.resource(client).create(
            **surface.arguments, extra_headers={"x-stainless-raw-response": "true"}
        )

    assert usage_of(spans.facts()) == surface.usage


def _text(response: Any) -> Any:
    return response.text() if callable(response.text) else response.text


@pytest.mark.parametrize("surface", SURFACES, ids=str)
@pytest.mark.parametrize(
    "read",
    [
        lambda response: response.read(),
        lambda response: response.json(),
        _text,
        lambda response: response.parse(),
        lambda response: list(response.iter_lines()),
        lambda response: list(response.iter_text(3)),
        lambda response: response.http_response.read(),
        lambda response: list(response.http_response.iter_bytes()),
    ],
    ids=["read", "json", "text", "parse", "iter_lines", "iter_text", "http read", "http iter_bytes"],
)
def test_a_whole_body_is_read_along_in_every_way(
    surface: Surface, read: Any, server: Loopback, spans: Spans, connect: Connect
) -> None:
    resource = surface.resource(connect(surface))

    with resource.with_streaming_response.create(**surface.arguments) as response:
        assert read(response)

    assert usage_of(spans.facts()) == surface.usage


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.mark.parametrize("surface", [CHAT, SURFACES[3], MESSAGES], ids=str)
@pytest.mark.parametrize(
    "read",
    [
        lambda response: response.read(),
        lambda response: response.json(),
        lambda response: response.text(),
        lambda response: response.parse(),
        lambda response: _all(response.iter_lines()),
        lambda response: _all(response.iter_text(3)),
        lambda response: response.http_response.aread(),
        lambda response: _all(response.http_response.aiter_bytes()),
    ],
    ids=["read", "json", "text", "parse", "iter_lines", "iter_text", "http aread", "http aiter_bytes"],
)
async def test_a_whole_body_is_read_along_in_every_async_way(
    surface: Surface, read: Any, server: Loopback, spans: Spans
) -> None:
    async with surface.make(server.url, is_async=True) as client:
        streaming = surface.resource(client).with_streaming_response
        async with streaming.create(**surface.arguments) as response:
            assert await read(response)

    assert usage_of(spans.facts()) == surface.usage


@each_stream
async def test_an_async_raw_stream_is_read_along(surface: Surface, server: Loopback, spans: Spans) -> None:
    async with surface.make(server.url, is_async=True) as client:
        raw = await surface.resource(client).with_raw_response.create(**surface.arguments, stream=True)
        parsed = raw.parse()
        assert await _all(await parsed if hasattr(parsed, "__await__") else parsed)

    assert usage_of(spans.facts()) == surface.usage


def test_a_response_that_was_read_along_is_pickled_and_copied(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    with connect(CHAT).chat.completions.with_streaming_response.create(**CHAT.arguments) as response:
        response.read()
        same: list[Any] = [
            pickle.loads(pickle.dumps(response.http_response)),  # noqa: S301 - our own bytes
            copy.copy(response.http_response),
        ]

    assert [one.json()["usage"]["prompt_tokens"] for one in same] == [1200, 1200]
    assert [one.read() for one in same] == [response.read()] * 2


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_body_says_nothing(status: int, server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script.append(Answer(b"", status, content_type="text/plain"))

    assert not connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert usage_of(spans.facts()) == {}
    assert spans.only().status.status_code is StatusCode.UNSET


def test_an_error_code_that_is_a_number_is_told_as_text(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(events(b'data: {"error": {"code": 502, "message": "bad gateway"}}\n\n'))

    with connect(CHAT).chat.completions.with_streaming_response.create(
        **CHAT.arguments, stream=True
    ) as response:
        response.read()

    assert spans.facts()["error.type"] == "502"


def test_an_error_event_that_passes_by_is_the_spans_error(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script += [
        Answer("openai_chat_stream_error_midway.sse"),
        Answer("anthropic_stream_error_midway.sse"),
    ]

    for resource, surface in (
        (connect(CHAT).chat.completions, CHAT),
        (connect(MESSAGES).messages, MESSAGES),
    ):
        with resource.with_streaming_response.create(**surface.arguments, stream=True) as response:
            list(response.iter_lines())

    assert [span.status.status_code for span in spans.all()] == [StatusCode.ERROR] * 2
    assert [dict(span.attributes or {})["error.type"] for span in spans.all()] == [
        "server_error",
        "overloaded_error",
    ]


@pytest.mark.parametrize("read", [lambda r: r.http_response.iter_raw(), lambda r: r.iter_bytes()])
def test_a_body_that_is_left_half_read_is_incomplete(
    read: Any, server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script.append(events(stream_of(CHAT) * 2000))

    with connect(CHAT).chat.completions.with_streaming_response.create(
        **CHAT.arguments, stream=True
    ) as response:
        next(read(response))

    assert len(spans.all()) == 1
