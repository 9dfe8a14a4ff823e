"""Traces from servers: which requests are made, and what becomes of every kind of answer."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from otlp_text import OTHER, TRACE, line, span
from refusals import refusal
from trace_server import UI_PAGE, Reply, TraceServer, serving_traces

from otel_agentprof.readers import read, read_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_FOUND_V3 = Reply({"error": {"httpCode": 404, "message": "No traces found"}}, 404)
NOT_FOUND_LEGACY = Reply({"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}, 404)
SEARCH = "/api/v3/traces"


@pytest.fixture
def server() -> Iterator[TraceServer]:
    with serving_traces() as server:
        yield server


def result(number: int, trace: str = TRACE) -> dict[str, Any]:
    return {"result": json.loads(line(span(number, trace=trace)))}


def legacy(trace: str = TRACE) -> dict[str, Any]:
    row = {"traceID": trace, "spanID": "1", "operationName": "old", "startTime": 1, "duration": 2, "tags": []}
    return {"data": [{"traceID": trace, "spans": [row], "processes": {}}]}


def names(address: str) -> list[str]:
    return [span.name for span in read_spans(address).spans]


# -- Jaeger


def test_jaeger_is_asked_for_the_trace_as_it_was_written(server: TraceServer) -> None:
    server.pages[f"{SEARCH}/{TRACE}"] = Reply(result(1))

    assert names(f"jaeger+{server.url}/{TRACE.upper()}") == ["span 1"]
    assert server.requests == [(f"{SEARCH}/{TRACE}", {"raw_traces": ["true"]})]


def test_an_answer_of_several_objects_is_read_whole(server: TraceServer) -> None:
    server.pages[f"{SEARCH}/{TRACE}"] = Reply(json.dumps(result(1)) + "\n" + json.dumps(result(2)))

    assert names(f"jaeger+{server.url}/{TRACE}") == ["span 1", "span 2"]


@pytest.mark.parametrize("missing", [Reply(UI_PAGE), Reply("404 page not found", 404)])
def test_an_old_jaeger_is_asked_in_the_old_way(server: TraceServer, missing: Reply) -> None:
    server.other = missing
    server.pages[f"/api/traces/{TRACE}"] = Reply(legacy())

    assert names(f"jaeger+{server.url}/{TRACE}") == ["old"]
    assert server.requests[-1] == (f"/api/traces/{TRACE}", {"raw": ["true"]})


def test_a_search_of_jaeger_sends_names_that_old_and_new_servers_know(server: TraceServer) -> None:
    server.pages[SEARCH] = Reply(result(1))

    names(
        f"jaeger+{server.url}?service=a%20b&operation=x&min_duration=1.5h&max_duration=2d&limit=7&lookback=30m"
    )

    sent = {name: value for name, (value,) in server.requests[0][1].items()}
    first, last = (datetime.fromisoformat(sent.pop(f"query.start_time_{end}")) for end in ("min", "max"))
    assert last - first == timedelta(minutes=30)
    assert sent == {
        "query.service_name": "a b",
        "query.operation_name": "x",
        "query.duration_min": "5400.000000000s",
        "query.duration_max": "172800.000000000s",
        "query.search_depth": "7",
        "query.num_traces": "7",
        "query.raw_traces": "true",
    }


def test_a_search_of_an_old_jaeger_is_made_in_the_old_way(server: TraceServer) -> None:
    server.other = Reply(UI_PAGE)
    server.pages["/base/api/traces"] = Reply(legacy())
    moments = "start=2026-11-29T00:00:00Z&end=1796000000"

    assert names(f"jaeger+{server.url}/base?service=x&min_duration=1ms&{moments}") == ["old"]

    sent = {name: value for name, (value,) in server.requests[-1][1].items()}
    start = int(datetime(2026, 11, 29, tzinfo=UTC).timestamp()) * 1_000_000
    assert sent == {
        "service": "x",
        "minDuration": "0.001000000s",
        "start": str(start),
        "end": "1796000000000000",
        "limit": "20",
        "raw": "true",
    }


def test_a_trace_that_jaeger_does_not_know_is_told(server: TraceServer) -> None:
    server.pages[f"{SEARCH}/{TRACE}"] = NOT_FOUND_V3

    assert refusal(f"jaeger+{server.url}/{TRACE}") == f"{server.url} knows no trace {TRACE}"
    assert len(server.requests) == 1

    server.pages[f"{SEARCH}/{TRACE}"] = Reply(UI_PAGE)
    server.pages[f"/api/traces/{TRACE}"] = NOT_FOUND_LEGACY
    assert refusal(f"jaeger+{server.url}/{TRACE}") == f"{server.url} knows no trace {TRACE}"


def test_a_search_that_finds_nothing_says_where_it_looked(server: TraceServer) -> None:
    server.pages[SEARCH] = NOT_FOUND_V3

    text = refusal(f"jaeger+{server.url}?service=x&start=2026-01-01&end=2026-01-02T12:30:00Z")

    assert (
        "knows no trace of service 'x' that began between 2026-01-01 00:00 and 2026-01-02 12:30 UTC" in text
    )
    assert "lookback=7d" in text


def test_a_port_that_is_not_jaegers_is_told(server: TraceServer) -> None:
    assert "has no API of Jaeger there (404): is it the port of the query service" in refusal(
        f"jaeger+{server.url}/{TRACE}"
    )

    server.other = Reply(UI_PAGE)
    assert "answers with a web page and not with traces: is this the port of Jaeger's API" in refusal(
        f"jaeger+{server.url}/{TRACE}"
    )


# -- Tempo


def tempo_found(*trace_ids: str) -> Reply:
    return Reply({"traces": [{"traceID": one, "rootTraceName": "x"} for one in trace_ids], "metrics": {}})


def tempo_trace(trace: str) -> Reply:
    return Reply({"trace": json.loads(line(span(1, trace=trace))), "metrics": {}})


def test_a_traceql_search_is_made_and_each_trace_fetched(server: TraceServer) -> None:
    server.pages["/tempo/api/search"] = tempo_found(TRACE, OTHER, TRACE)
    server.pages |= {f"/tempo/api/v2/traces/{one}": tempo_trace(one) for one in (TRACE, OTHER)}
    told: list[tuple[int, int]] = []
    query = '{ span.x > 0.1 && name = "a+b" } | count() > 2'

    loaded = read_spans(
        f"tempo+{server.url}/tempo?q={query}&limit=5", progress=lambda done, total: told.append((done, total))
    )

    assert [span.trace_id for span in loaded.spans] == [TRACE, OTHER]
    assert told == [(0, 2), (1, 2), (2, 2)]
    sent = {name: value for name, (value,) in server.requests[0][1].items()}
    assert (sent["q"], sent["limit"]) == (query, "5")
    assert int(sent["end"]) - int(sent["start"]) == 24 * 3600 + 1


@pytest.mark.parametrize("query", ["%7B+span.x+%3D+1+%7D", "%7B%20span.x%20%3D%201%20%7D", "{ span.x = 1 }"])
def test_traceql_may_be_escaped_or_not(server: TraceServer, query: str) -> None:
    server.pages["/api/search"] = tempo_found(TRACE)
    server.pages[f"/api/v2/traces/{TRACE}"] = tempo_trace(TRACE)

    names(f"tempo+{server.url}?limit=1&q={query}")

    assert server.requests[0][1]["q"] == ["{ span.x = 1 }"]


def test_a_trace_that_tempo_does_not_give_is_told_and_the_others_are_read(server: TraceServer) -> None:
    server.pages["/api/search"] = tempo_found("1", TRACE, "3", "../x", "")
    server.pages |= {
        "/api/v2/traces/1": Reply({"message": "no luck"}, 500),
        f"/api/v2/traces/{TRACE}": tempo_trace(TRACE),
    }

    loaded = read_spans(f"tempo+{server.url}?q={{}}")

    assert len(loaded.spans) == 1
    (bad, (code, message)) = loaded.notes
    assert bad[1].startswith("2 fields unreadable")
    assert code == "lost_trace"
    assert message.startswith("2 traces left out: the server did not give it; first at trace 1: ")
    assert message.endswith("answered with an error (500): no luck")


def test_where_tempo_gives_no_trace_at_all_the_reason_is_the_error(server: TraceServer) -> None:
    server.pages["/api/search"] = tempo_found("1", "2")

    assert refusal(f"tempo+{server.url}?q={{}}") == f"{server.url} knows no trace 2: 404 page not found"


def test_a_partial_trace_is_told(server: TraceServer) -> None:
    whole = json.loads(str(tempo_trace(TRACE).data, "utf-8"))
    server.pages[f"/api/v2/traces/{TRACE}"] = Reply(
        whole | {"status": "PARTIAL", "message": "too\x1b[1m\nlarge"}
    )

    loaded = read_spans(f"tempo+{server.url}/{TRACE}")

    assert loaded.notes == (
        ("partial_trace", "1 trace incomplete, says the server; first at line 1: too [1m large"),
    )


@pytest.mark.parametrize(
    "empty", [Reply({"traces": [], "metrics": {}}), Reply({"metrics": {}}), Reply(b"", 404)]
)
def test_a_traceql_search_that_finds_nothing_is_told(server: TraceServer, empty: Reply) -> None:
    server.pages["/api/search"] = empty

    assert "knows no trace for '{ span.x }' that began between" in refusal(
        f"tempo+{server.url}?q={{ span.x }}"
    )


def test_a_query_that_tempo_refuses_is_told_in_its_words(server: TraceServer) -> None:
    server.pages["/api/search"] = Reply(b"invalid TraceQL query: parse error\nat line 1", 400)

    assert refusal(f"tempo+{server.url}?q=nonsense") == (
        f"{server.url} answered with an error (400): invalid TraceQL query: parse error at line 1"
    )


# -- Phoenix


def row(number: int, trace: str = TRACE) -> dict[str, Any]:
    return {
        "trace_id": trace,
        "span_id": f"{number:016x}",
        "name": f"span {number}",
        "start_time_unix_nano": number,
        "end_time_unix_nano": 100,
        "attributes": [{"key": "snake_case.key", "value": {"int_value": number, "string_value": None}}],
    }


@pytest.mark.parametrize(
    ("address", "project"),
    [
        (f"/{TRACE}", "/v1/projects/default"),
        (f"/my%20project/{TRACE}", "/v1/projects/my%20project"),
        (f"/base/mine/{TRACE}", "/base/v1/projects/mine"),
        (f"/base/{TRACE}?project=mine", "/base/v1/projects/mine"),
        (f"/projects/UHJvamVjdDox/traces/{TRACE}", "/v1/projects/UHJvamVjdDox"),
    ],
)
def test_phoenix_is_read_page_by_page(server: TraceServer, address: str, project: str) -> None:
    server.pages[f"{project}/spans/otlpv1"] = lambda asked: (
        Reply({"data": [row(2), row(1)], "next_cursor": None})
        if "cursor" in asked
        else Reply({"data": [row(4), row(3)], "next_cursor": "c1"})
    )

    (tree,) = read(f"phoenix+{server.url}{address}")

    assert [span.name for span in tree.spans] == ["span 1", "span 2", "span 3", "span 4"]
    assert tree.spans[0].attributes == {"snake_case.key": 1}
    assert [(asked["trace_id"], asked.get("cursor")) for _, asked in server.requests] == [
        ([TRACE], None),
        ([TRACE], ["c1"]),
    ]


def test_the_last_traces_of_a_project_are_read(server: TraceServer) -> None:
    ids = [f"{number:032x}" for number in range(1, 26)]
    server.pages["/v1/projects/x/traces"] = Reply(
        {"data": [{"trace_id": one} for one in ids] + [{"no": "id"}], "next_cursor": "more"}
    )
    server.pages["/v1/projects/x/spans/otlpv1"] = lambda asked: Reply(
        {"data": [row(1, one) for one in asked["trace_id"]], "next_cursor": None}
    )

    assert len(list(read(f"phoenix+{server.url}?project=x&limit=25"))) == 25
    assert [len(asked.get("trace_id", ())) for _, asked in server.requests] == [0, 20, 5]


def test_pages_before_one_that_fails_are_kept(server: TraceServer) -> None:
    server.pages["/v1/projects/default/spans/otlpv1"] = [
        Reply({"data": [row(1)], "next_cursor": "c"}),
        Reply({"detail": "no luck"}, 500),
    ]

    loaded = read_spans(f"phoenix+{server.url}/{TRACE}")

    assert len(loaded.spans) == 1
    ((code, message),) = loaded.notes
    assert code == "cut_answer"
    assert message.endswith("answered with an error (500): no luck")


def test_a_cursor_that_goes_round_in_circles_ends(server: TraceServer) -> None:
    server.pages["/v1/projects/default/spans/otlpv1"] = Reply({"data": [row(1)], "next_cursor": "c"})

    (tree,) = read(f"phoenix+{server.url}/{TRACE}")

    assert len(tree) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Reply({"data": [], "next_cursor": None}), f"knows no trace {TRACE} in project 'default'"),
        (Reply({"detail": "Project not found"}, 404), "has nothing there (404): Project not found"),
        (Reply(UI_PAGE), "answers with a web page and not with traces: is this the port of Phoenix's API"),
    ],
)
def test_what_phoenix_does_not_have_is_told(server: TraceServer, page: Reply, message: str) -> None:
    server.other = page

    assert message in refusal(f"phoenix+{server.url}/{TRACE}")


def test_a_project_without_traces_is_told(server: TraceServer) -> None:
    server.other = Reply({"data": [], "next_cursor": None})

    assert "knows no trace in project 'x' that began between" in refusal(f"phoenix+{server.url}?project=x")


# -- any of them


def test_what_is_readable_of_an_answer_that_breaks_off_is_read(server: TraceServer) -> None:
    whole = json.dumps(result(1)) + "\n"
    server.pages[f"{SEARCH}/{TRACE}"] = Reply(whole + whole[:-30])

    loaded = read_spans(f"jaeger+{server.url}/{TRACE}")

    assert len(loaded.spans) == 1
    assert [code for code, _ in loaded.notes] == ["bad_line"]


def test_a_packed_answer_is_unpacked(server: TraceServer) -> None:
    packed = gzip.compress(json.dumps(result(1)).encode())
    server.pages[f"{SEARCH}/{TRACE}"] = Reply(packed, headers={"content-encoding": "gzip"})

    assert names(f"jaeger+{server.url}/{TRACE}") == ["span 1"]

    server.pages[f"{SEARCH}/{TRACE}"] = Reply(gzip.compress(b'{"message": "packed words"}'), 500)
    assert refusal(f"jaeger+{server.url}/{TRACE}").endswith("(500): packed words")


def test_an_empty_or_a_foreign_answer_is_told(server: TraceServer) -> None:
    server.pages[f"{SEARCH}/{TRACE}"] = Reply({"hello": 1})

    assert "no span can be read: 1 JSON value left out: no trace in it" in refusal(
        f"jaeger+{server.url}/{TRACE}"
    )

    server.pages[f"{SEARCH}/{TRACE}"] = Reply(b"")
    assert "it is empty" in refusal(f"jaeger+{server.url}/{TRACE}")


def test_a_trace_that_is_in_a_file_and_on_a_server_is_one(server: TraceServer) -> None:
    server.pages[f"{SEARCH}/{TRACE}"] = Reply(result(1))

    (tree,) = read(io.BytesIO(line(span(2, parent=1)).encode()), f"jaeger+{server.url}/{TRACE}")

    assert len(tree) == 2
