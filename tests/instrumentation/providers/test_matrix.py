"""Every client, every way to call it: exactly one span, ended once, with what the server said. No more."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

import pytest
from garbage import collect
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from providers.case import CANARY, Case, all_cases
from providers.outcome import awaited, failure_of, read, with_client

import otel_agentprof
from otel_agentprof import pricing
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.registry import REGISTRY
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from conftest import Spans
    from loopback import Loopback
    from providers.case import Kind

CASES = all_cases()
KINDS: tuple[Kind, ...] = ("sync", "async")
_REMOTE = {"chat", "text_completion", "embeddings", "rerank", "generate_content", "retrieval"}


def _pairs(*, streams: bool = False) -> list[Any]:
    return [
        pytest.param(case, kind, id=f"{case}-{kind}")
        for case in CASES
        if case.stream is not None or not streams
        for kind in KINDS
        if kind in case.kinds
    ]


each = pytest.mark.parametrize(("case", "kind"), _pairs())
each_stream = pytest.mark.parametrize(("case", "kind"), _pairs(streams=True))


def _usage(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in facts.items() if k.startswith("gen_ai.usage.") and "cost" not in k}


def _matches(facts: dict[str, Any], expected: Any) -> None:
    told = {name: facts.get(name) for name in expected}
    assert told == dict(expected)
    assert _usage(facts) == _usage(dict(expected))


def _call(case: Case, server: Loopback, *, kind: Kind) -> Any:
    async def work(client: Any) -> Any:
        return await awaited(case.call(client))

    server.script.append(case.answer)
    return with_client(case, server.url, work, kind=kind)


def _stream(case: Case, server: Loopback, *, kind: Kind, most: int | None = None) -> Any:
    async def work(client: Any) -> Any:
        assert case.stream is not None
        stream = await awaited(case.stream(client))
        return await read(stream, most=most)

    assert case.stream_answer is not None
    server.script.append(case.stream_answer)
    return with_client(case, server.url, work, kind=kind)


@each
def test_a_call_is_one_span_with_all_it_took(case: Case, kind: Kind, server: Loopback, spans: Spans) -> None:
    _call(case, server, kind=kind)

    span, facts = spans.only(), spans.facts()
    assert span.name == case.span_name
    assert span.kind is (SpanKind.CLIENT if case.operation in _REMOTE else SpanKind.INTERNAL)
    assert span.status.status_code is StatusCode.UNSET
    assert facts["gen_ai.operation.name"] == case.operation
    _matches(facts, case.facts)
    assert ("agentprof.cost.total" in facts) == case.has_cost
    assert "agentprof.stream.complete" not in facts


@each_stream
def test_a_stream_read_to_its_end_has_everything(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    items = _stream(case, server, kind=kind)

    facts = spans.facts()
    assert len(items) > 1
    _matches(facts, case.facts if case.stream_facts is None else case.stream_facts)
    assert facts["gen_ai.request.stream"] is True
    assert facts["gen_ai.response.time_to_first_chunk"] > 0
    assert ("agentprof.cost.total" in facts) == case.has_cost
    assert spans.only().status.status_code is StatusCode.UNSET
    assert "agentprof.stream.complete" not in facts


@each_stream
def test_a_stream_is_what_it_is_without_us(case: Case, kind: Kind, server: Loopback, spans: Spans) -> None:
    async def kinds(client: Any) -> list[type]:
        assert case.stream is not None
        stream = await awaited(case.stream(client))
        await read(stream)
        return [stream.__class__]

    found = []
    for provider in (None, spans.provider):
        otel_agentprof.uninstrument()
        if provider is not None:
            otel_agentprof.instrument(tracer_provider=provider)
        assert case.stream_answer is not None
        server.script.append(case.stream_answer)
        found.append(with_client(case, server.url, kinds, kind=kind))

    assert found[0] == found[1]


@each_stream
@pytest.mark.parametrize("way", ["break", "close", "unread"])
def test_a_stream_that_is_left_ends_unset_and_incomplete(
    case: Case, kind: Kind, way: str, server: Loopback, spans: Spans
) -> None:
    async def work(client: Any) -> None:
        assert case.stream is not None
        stream = await awaited(case.stream(client))
        if way != "unread":
            await read(stream, most=1)
        if way == "close":
            close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
            if close is not None:
                await awaited(close())
        del stream
        collect()

    assert case.stream_answer is not None
    server.script.append(case.stream_answer)
    with_client(case, server.url, work, kind=kind)

    if case.is_lazy and way == "unread":
        assert server.requests == []
        assert spans.all() == ()
        return
    assert spans.facts()["agentprof.stream.complete"] is False
    assert spans.only().status.status_code is StatusCode.UNSET
    assert "gen_ai.usage.output_tokens" not in spans.facts()


@each_stream
def test_an_error_half_way_is_the_users_and_the_spans(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    if case.broken_stream is None:
        pytest.skip("the client cannot tell such a stream from a short one")

    async def work(client: Any) -> None:
        assert case.stream is not None
        await read(await awaited(case.stream(client)))

    server.script.append(case.broken_stream)
    failure_of(lambda: with_client(case, server.url, work, kind=kind))

    assert spans.only().status.status_code is StatusCode.ERROR
    assert spans.facts()["error.type"]


@each
def test_a_refusal_is_one_span_however_often_it_is_tried(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    if case.error is None:
        pytest.skip("nothing is sent that could be refused")
    server.script += [case.error] * 3

    failure_of(lambda: with_client(case, server.url, lambda c: awaited(case.call(c)), kind=kind))

    assert len(server.requests) == (2 if case.retries else 1)
    assert spans.only().status.status_code is StatusCode.ERROR
    told = {name: spans.facts().get(name) for name in case.error_facts}
    assert told == case.error_facts
    assert spans.facts()["error.type"]


@each
def test_a_call_that_succeeds_at_its_second_try_is_one_span(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    if case.error is None or not case.retries:
        pytest.skip("the client does not try again")
    server.script += [case.error, case.answer]

    with_client(case, server.url, lambda c: awaited(case.call(c)), kind=kind)

    assert len(server.requests) == 2
    _matches(spans.facts(), case.facts)
    assert spans.only().status.status_code is StatusCode.UNSET


@each
def test_bad_arguments_are_the_clients_own_error(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    if case.bad_call is None:
        pytest.skip("takes anything")

    async def work(client: Any) -> None:
        assert case.bad_call is not None
        await awaited(case.bad_call(client))

    errors = []
    for provider in (None, spans.provider):
        otel_agentprof.uninstrument()
        if provider is not None:
            otel_agentprof.instrument(tracer_provider=provider)
        error = failure_of(lambda: with_client(case, server.url, work, kind=kind))
        errors.append((type(error), str(error)))

    assert errors[0] == errors[1]
    assert spans.only().status.status_code is StatusCode.ERROR
    assert server.requests == []


@pytest.mark.parametrize("case", [case for case in CASES if "async" in case.kinds], ids=str)
def test_a_cancelled_call_ends_its_span(case: Case, server: Loopback, spans: Spans) -> None:
    async def work(client: Any) -> None:
        task = asyncio.ensure_future(awaited(case.call(client)))
        await asyncio.to_thread(server.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.gate.set()

    server.gate.clear()
    server.script.append(case.answer)
    with_client(case, server.url, work, kind="async")

    assert spans.facts()["error.type"] == "asyncio.exceptions.CancelledError"
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize(
    ("case", "helper", "kind"),
    [
        pytest.param(case, helper, kind, id=f"{case}-{helper}-{kind}")
        for case in CASES
        for helper in [*case.helpers, *case.stream_helpers]
        for kind in KINDS
        if kind in case.kinds
    ],
)
def test_another_way_to_the_same_answer_is_one_span(
    case: Case, helper: str, kind: Kind, server: Loopback, spans: Spans
) -> None:
    way = case.helpers.get(helper) or case.stream_helpers[helper]
    is_streamed = helper in case.stream_helpers
    answer = case.stream_answer if is_streamed else case.answer
    assert answer is not None
    server.script.append(answer)

    with_client(case, server.url, lambda client: awaited(way(client)), kind=kind)

    expected = case.stream_facts if is_streamed and case.stream_facts is not None else case.facts
    assert _usage(spans.facts()) == _usage(dict(expected))


@each
def test_tool_calls_are_joined_by_their_ids(case: Case, kind: Kind, server: Loopback, spans: Spans) -> None:
    if case.tools_call is None or case.tools_answer is None:
        pytest.skip("has no tools")

    async def work(client: Any) -> None:
        assert case.tools_call is not None
        await awaited(case.tools_call(client))

    server.script.append(case.tools_answer)

    with_client(case, server.url, work, kind=kind)

    assert {name: spans.facts().get(name) for name in case.tools_facts} == case.tools_facts


@each
def test_nothing_of_a_prompt_is_on_the_span_unless_asked_for(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    _call(case, server, kind=kind)
    assert CANARY in json.dumps(server.requests) or case.error is None, "the canary was sent"

    assert CANARY not in spans.only().to_json()


@each
def test_content_is_on_the_span_when_asked_for(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    if not case.has_content:
        pytest.skip("has no messages")
    otel_agentprof.uninstrument()
    otel_agentprof.instrument(tracer_provider=spans.provider, capture_content=True)

    _call(case, server, kind=kind)

    facts = spans.facts()
    assert CANARY in facts["gen_ai.input.messages"]
    if case.operation in {"chat", "text_completion", "generate_content"}:
        assert json.loads(facts["gen_ai.output.messages"])[0]["role"] == "assistant"


@each_stream
def test_a_streams_span_is_not_current_while_the_user_reads(
    case: Case, kind: Kind, server: Loopback, spans: Spans
) -> None:
    outer = spans.provider.get_tracer("test").start_span("outer")

    async def work(client: Any) -> None:
        assert case.stream is not None
        with trace.use_span(outer):
            stream = await awaited(case.stream(client))
            while await read(stream, most=1):
                assert trace.get_current_span() is outer

    assert case.stream_answer is not None
    server.script.append(case.stream_answer)
    with_client(case, server.url, work, kind=kind)

    assert spans.only().parent == outer.get_span_context()


@pytest.mark.parametrize("case", [case for case in CASES if case.operation != "retrieval"], ids=str)
def test_equal_requests_have_equal_fingerprints(case: Case, server: Loopback, spans: Spans) -> None:
    for _ in range(2):
        _call(case, server, kind=case.kinds[0])

    prints = [dict(span.attributes or {}).get("agentprof.request.fingerprint") for span in spans.all()]
    assert prints[0] is not None
    assert prints[0] == prints[1]


@pytest.mark.parametrize("library", sorted({case.library for case in CASES}))
def test_every_method_is_patched_and_put_back_exactly(library: str) -> None:
    spec = libraries.known()[library].load()
    assert isinstance(spec, ProviderSpec)
    paths = [path for call in spec.calls for path in call.places]
    before = [_attribute(path) for path in paths]

    otel_agentprof.instrument(include=[library])
    patched = {target.path for target in REGISTRY.targets() if target.state == "patched"}
    otel_agentprof.uninstrument()

    assert patched
    assert patched == {path for path, found in zip(paths, before, strict=True) if found is not None}
    assert all(now is then for now, then in zip(map(_attribute, paths), before, strict=True))


def _attribute(path: str) -> Any:
    import importlib  # noqa: PLC0415 - only here

    module, _, names = path.partition(":")
    try:
        place: Any = importlib.import_module(module)
    except ImportError:
        return None
    *owners, name = names.split(".")
    for owner in owners:
        place = getattr(place, owner)
    if name.startswith("<"):
        return inspect.getclosurevars(place).nonlocals.get(name.strip("<>"))
    return vars(place).get(name)


def test_prices_are_there() -> None:
    assert pricing.wait(600)
