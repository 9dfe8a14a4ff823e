"""Other packages on the same client, before, after and beneath us: one span per call, nothing broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
import wrapt
from openai.resources.chat.completions import Completions
from opentelemetry.instrumentation.utils import unwrap
from surfaces import CHAT_USAGE, SURFACES
from test_calls import usage_of

import otel_agentprof

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from conftest import Connect, Spans
    from loopback import Loopback

CHAT = SURFACES[0]


def passing_on(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


class BothWays(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic for the checker only
    """A proxy that can be read in both ways whatever it stands in for, as OpenInference's."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.__wrapped__)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await anext(self.__wrapped__)


def proxying(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return BothWays(wrapped(*args, **kwargs))


async def proxying_async(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return BothWays(await wrapped(*args, **kwargs))


async def test_a_stream_in_someone_elses_proxy_is_read_as_what_it_is(
    server: Loopback, spans: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for client, proxy in ((openai.OpenAI, proxying), (openai.AsyncOpenAI, proxying_async)):
        monkeypatch.setattr(client, "request", wrapt.FunctionWrapper(client.request, proxy))

    items = list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True))
    async with CHAT.make(server.url, is_async=True) as client:
        stream = await client.chat.completions.create(**CHAT.arguments, stream=True)
        async_items = [item async for item in stream]

    assert len(items) == len(async_items) == 6
    assert [usage_of(dict(span.attributes or {})) for span in spans.all()] == [CHAT_USAGE] * 2


@pytest.mark.parametrize("home", ["openinference.instrumentation.openai", "logfire._internal.integrations"])
@pytest.mark.parametrize("is_wrapt", [False, True])
def test_a_tracer_beneath_us_keeps_its_calls(
    home: str,
    pipeline: Spans,
    server: Loopback,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_wrapt: bool,
) -> None:
    original: Any = openai.OpenAI.request

    def tracing(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    def replacing(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    tracing.__module__ = replacing.__module__ = home
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        monkeypatch.setattr(
            openai.OpenAI, "request", wrapt.FunctionWrapper(original, tracing) if is_wrapt else replacing
        )
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        while_traced = len(pipeline.all())
        monkeypatch.undo()
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert while_traced == 0
    assert usage_of(pipeline.facts()) == CHAT_USAGE


def test_a_wrapper_beneath_us_that_traces_nothing_changes_nothing(
    server: Loopback, spans: Spans, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = wrapt.FunctionWrapper(openai.OpenAI.request, passing_on)
    monkeypatch.setattr(openai.OpenAI, "request", wrapper)

    connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert usage_of(spans.facts()) == CHAT_USAGE


def test_the_original_comes_back_when_a_later_package_leaves_first(pipeline: Spans) -> None:
    original = vars(Completions)["create"]

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        wrapt.wrap_function_wrapper(Completions, "create", passing_on)
        unwrap(Completions, "create")  # puts back what the class gave it: our wrapper, bound

    assert vars(Completions)["create"] is original


def test_ours_inside_a_later_wrapper_works_again_after_a_pause(
    pipeline: Spans, server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Completions, "create", vars(Completions)["create"])  # as it was, at the end
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        wrapt.wrap_function_wrapper(Completions, "create", passing_on)
    connect(CHAT).chat.completions.create(**CHAT.arguments)
    while_off = len(pipeline.all())

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert while_off == 0
    assert len(pipeline.all()) == 1
