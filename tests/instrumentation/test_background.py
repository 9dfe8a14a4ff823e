"""Responses that are asked for in the background: each is counted once, when its tokens first come."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from loopback import WIRE, Answer
from pipelines import owning
from surfaces import SURFACES

import otel_agentprof as ap
from otel_agentprof import pricing
from otel_agentprof.instrumentation import background

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

RESPONSES = SURFACES[2]
DONE = json.loads((WIRE / "openai_responses.json").read_text(encoding="utf-8"))
QUEUED = {**DONE, "status": "queued", "usage": None, "output": [], "background": True}
STREAM = "openai_responses_stream.sse"
USAGE = "gen_ai.usage.output_tokens"


def answers(*documents: dict[str, Any]) -> list[Answer]:
    return [Answer(json.dumps(document).encode()) for document in documents]


def ask(client: Any, **more: Any) -> Any:
    return client.responses.create(**RESPONSES.arguments, background=True, **more)


def told(spans: Spans) -> list[tuple[str, int | None]]:
    return [(span.name, (span.attributes or {}).get(USAGE)) for span in spans.all()]  # type: ignore[misc]  # ints


def test_the_first_fetch_that_brings_tokens_is_the_call(
    server: Loopback, spans: Spans, connect: Connect
) -> None:
    server.script = answers(QUEUED, {**QUEUED, "status": "in_progress"}, DONE, DONE)
    client = connect(RESPONSES)

    asked = ask(client)
    for _ in range(3):
        fetched = client.responses.retrieve(asked.id)

    assert fetched.usage.output_tokens == 150  # the user's object has it each time
    assert told(spans) == [
        ("chat gpt-5-mini", None),
        ("fetch_response", None),
        ("chat gpt-5-mini", 150),
        ("fetch_response", None),
    ]
    facts = dict(spans.all()[2].attributes or {})
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["agentprof.role"] == "llm"
    assert facts["agentprof.response.fetched"] is True
    assert facts["gen_ai.request.model"] == "gpt-5-mini"
    assert facts["agentprof.cost.total"] == 0.0003696
    assert "agentprof.cost.total" not in (spans.all()[3].attributes or {})


async def test_async_clients_and_raw_responses_fetch_too(server: Loopback, spans: Spans) -> None:
    async with RESPONSES.make(server.url, is_async=True) as client:
        server.script = answers(QUEUED, DONE, QUEUED, DONE, QUEUED, DONE)
        asked = await ask(client)
        await client.responses.retrieve(asked.id)
        raw = await client.responses.with_raw_response.create(**RESPONSES.arguments, background=True)
        await client.responses.with_raw_response.retrieve(raw.parse().id)
        await ask(client)
        async with client.responses.with_streaming_response.retrieve(asked.id) as body:
            await body.read()

    assert told(spans) == [("chat gpt-5-mini", None), ("chat gpt-5-mini", 150)] * 3


@pytest.mark.parametrize("is_raw", [False, True])
def test_a_stream_that_is_taken_up_again_is_counted_once(
    server: Loopback, spans: Spans, connect: Connect, *, is_raw: bool
) -> None:
    client = connect(RESPONSES)
    server.script = [Answer(STREAM)] * 3
    with ask(client, stream=True) as stream:
        response_id = next(event.response.id for event in stream if event.type == "response.created")

    if is_raw:
        with client.responses.with_streaming_response.retrieve(response_id, stream=True) as body:
            list(body.iter_lines())
    else:
        list(client.responses.retrieve(response_id, stream=True, starting_after=1))
    list(client.responses.retrieve(response_id, stream=True))

    assert told(spans) == [("chat gpt-5-mini", None), ("chat gpt-5-mini", 150), ("fetch_response", None)]


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_stream_helper_fetches_by_an_id(
    server: Loopback, spans: Spans, connect: Connect, *, is_async: bool
) -> None:
    client = connect(RESPONSES)
    server.script = [*answers(QUEUED), Answer(STREAM)]
    asked = ask(client)

    if is_async:
        async with (
            RESPONSES.make(server.url, is_async=True) as other,
            other.responses.stream(response_id=asked.id, starting_after=1) as stream,
        ):
            assert [event async for event in stream]
    else:
        with client.responses.stream(response_id=asked.id, starting_after=1) as stream:
            assert list(stream)

    assert told(spans) == [("chat gpt-5-mini", None), ("chat gpt-5-mini", 150)]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_was_counted_when_it_was_asked_for_is_not_counted_again(
    server: Loopback, spans: Spans, connect: Connect, *, is_streamed: bool
) -> None:
    client = connect(RESPONSES)
    server.script = [Answer(STREAM)] if is_streamed else answers({**DONE, "background": True})
    made = ask(client, stream=is_streamed)
    if is_streamed:
        list(made)

    server.script = answers(DONE)
    client.responses.retrieve(DONE["id"])

    assert told(spans) == [("chat gpt-5-mini", 150), ("fetch_response", None)]


def test_what_nobody_here_asked_for_is_not_counted(server: Loopback, spans: Spans, connect: Connect) -> None:
    server.script = answers(DONE)

    connect(RESPONSES).responses.retrieve(DONE["id"])

    assert told(spans) == [("fetch_response", None)]
    assert spans.facts()["gen_ai.response.id"] == DONE["id"]
    assert spans.only().kind.name == "CLIENT"


def test_a_fetch_that_fails_leaves_the_answer_owed(server: Loopback, spans: Spans, connect: Connect) -> None:
    client = connect(RESPONSES, max_retries=0)
    server.script = [*answers(QUEUED), Answer("openai_error_429.json", 429), *answers(DONE)]
    asked = ask(client)

    with pytest.raises(openai.RateLimitError):
        client.responses.retrieve(asked.id)
    client.responses.retrieve(asked.id)

    assert [usage for _, usage in told(spans)] == [None, None, 150]


def test_a_compacted_conversation_is_a_call(server: Loopback, spans: Spans, connect: Connect) -> None:
    client = connect(RESPONSES)
    if not hasattr(client.responses, "compact"):
        pytest.skip("this openai cannot compact")
    server.script = answers({**DONE, "object": "response.compaction", "output": []})

    client.responses.compact(model="gpt-5-mini", input="Capital of France?")

    assert told(spans) == [("chat gpt-5-mini", 150)]
    assert spans.facts()["agentprof.cost.total"] == 0.0003696


def test_a_report_counts_one_call_for_both_spans(server: Loopback, connect: Connect) -> None:
    server.script = answers(QUEUED, {**QUEUED, "status": "in_progress"}, DONE, DONE)
    client = connect(RESPONSES)
    pipeline = owning()

    with ap.instrument(tracer_provider=pipeline.provider):
        assert pricing.wait()
        with ap.profile("research") as run:
            asked = ask(client)
            for _ in range(3):
                client.responses.retrieve(asked.id)

    assert run.report is not None
    report = run.report.to_dict()
    assert report["tokens"]["output"] == 150
    assert report["cost"]["total_usd"] == pytest.approx(0.0003696)
    assert report["by_role"]["llm"]["count"] == 1
    assert report["data_quality"] == []


def test_a_budget_holds_the_estimate_until_the_answer_is_fetched(server: Loopback, connect: Connect) -> None:
    client = connect(RESPONSES)
    budget = ap.Budget(tokens=2_000, per="process", output_tokens=700)
    with ap.instrument(tracer_provider=owning().provider, budget=budget):
        assert pricing.wait()
        server.script = answers(QUEUED, {**QUEUED, "id": "resp_other"})
        ask(client, max_output_tokens=900)
        ask(client, max_output_tokens=900)
        with pytest.raises(ap.BudgetExceeded) as refused:  # both are under way
            ask(client, max_output_tokens=900)
        server.script = answers(DONE)
        client.responses.retrieve(DONE["id"])
        with pytest.raises(ap.BudgetExceeded) as later:
            ask(client, max_output_tokens=5_000)

    assert refused.value.spent == 0
    spent = DONE["usage"]["input_tokens"] + DONE["usage"]["output_tokens"]
    assert later.value.spent == Decimal(spent)


def test_answers_that_nobody_fetches_make_room_for_later_ones(
    server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_MOST", 1)
    client = connect(RESPONSES)
    pipeline = owning()
    with ap.instrument(tracer_provider=pipeline.provider, budget=ap.Budget(tokens=10**6, per="process")):
        assert pricing.wait()
        server.script = answers({**QUEUED, "id": "resp_first"}, QUEUED, QUEUED, {**DONE, "id": "resp_first"})
        for _ in range(3):  # the last two with the same id
            ask(client)
        client.responses.retrieve("resp_first")
        server.script = answers(DONE)
        client.responses.retrieve(DONE["id"])
        pipeline.flush()

    assert pipeline.names.count("chat gpt-5-mini") == 4
    assert pipeline.names.count("fetch_response") == 1
