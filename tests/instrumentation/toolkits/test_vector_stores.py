"""Vector stores: what is read is a retrieval, what is written is a tool's work; one span each, no content."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from toolkits.vector_stores import CANARY, HITS, STORES, VECTOR, opened

import otel_agentprof
from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Spans
    from loopback import Loopback
    from opentelemetry.sdk.trace import ReadableSpan
    from toolkits.vector_stores import Store

pytestmark = pytest.mark.filterwarnings("ignore")  # the stores' own dependencies warn of each other
_EACH_TIME = {"agentprof.lane", "agentprof.request.fingerprint", "server.port"}


@pytest.fixture(autouse=True)
def _without_analysis_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_AGENTPROF_EMIT_ANALYSIS_SPAN", "false")  # it comes when it comes


@pytest.fixture(autouse=True)
def _here(request: pytest.FixtureRequest) -> None:
    store = request.node.callspec.params.get("store") if hasattr(request.node, "callspec") else None
    if store is not None and (missing := store.missing()):
        pytest.skip(f"{missing} is not installed")


def _ways(kind: str) -> list[Any]:
    return [pytest.param(store, way, id=f"{store}-{way}") for store in STORES for way in getattr(store, kind)]


def _run(handle: Any, work: Callable[[Any], Any], spans: Spans) -> list[ReadableSpan]:
    """Do some work with a store and return the spans that it made, without those of setting it up."""

    async def main() -> None:
        connected = await handle()
        spans.exporter.clear()
        try:
            await work(connected)
        finally:
            close = getattr(connected, "close", None)
            if close is not None and inspect.isawaitable(closing := close()):
                await closing

    if inspect.iscoroutinefunction(handle):
        asyncio.run(main())
    else:
        spans.exporter.clear()
        work(handle)
    return list(spans.all())


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return {key: value for key, value in (span.attributes or {}).items() if key not in _EACH_TIME}


def _collection(store: Store, server: Loopback) -> str:
    return store.collection or server.url.removeprefix("http://")


def _place(store: Store) -> dict[str, Any]:
    return {"server.address": "127.0.0.1"} if store.has_server else {}


@pytest.mark.parametrize(("store", "way"), _ways("read"))
def test_reading_is_one_retrieval_that_tells_how_much_was_found(
    store: Store, way: str, tmp_path: Path, server: Loopback, spans: Spans
) -> None:
    with opened(store, tmp_path, server) as handle:
        (span,) = _run(handle, store.read[way], spans)

    facts = _facts(span)
    assert facts.pop("gen_ai.retrieval.top_k", HITS) == HITS
    assert facts == {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.provider.name": store.library,
        "agentprof.role": "retrieval",
        "gen_ai.data_source.id": _collection(store, server),
        "agentprof.result.count": HITS,
        **_place(store),
    }
    assert span.name == f"retrieval {_collection(store, server)}"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert ("agentprof.request.fingerprint" in (span.attributes or {})) == store.has_fingerprint


@pytest.mark.parametrize(("store", "way"), _ways("write"))
def test_writing_is_one_tools_span_without_what_was_written(
    store: Store, way: str, tmp_path: Path, server: Loopback, spans: Spans
) -> None:
    with opened(store, tmp_path, server) as handle:
        (span,) = _run(handle, store.write[way], spans)

    assert _facts(span) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": store.library,
        "agentprof.role": "tool",
        "gen_ai.tool.name": way,
        "gen_ai.tool.type": "datastore",
        "gen_ai.data_source.id": _collection(store, server),
        **_place(store),
    }
    assert span.name == f"execute_tool {way}"
    assert span.kind is SpanKind.INTERNAL
    assert "agentprof.request.fingerprint" not in (span.attributes or {})
    assert CANARY not in span.to_json()


@pytest.mark.parametrize("store", [s for s in STORES if s.fail is not None], ids=str)
def test_a_refused_read_is_an_error_that_the_caller_gets_too(
    store: Store, tmp_path: Path, server: Loopback, spans: Spans
) -> None:
    assert store.fail is not None

    with opened(store, tmp_path, server) as handle, pytest.raises(Exception) as raised:  # noqa: PT011 - of any kind
        _run(handle, store.fail, spans)

    span = spans.only()
    kind = raised.type
    assert span.status.status_code is StatusCode.ERROR
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    assert _facts(span)["error.type"] == name
    assert span.status.description == kind.__qualname__
    assert span.events == ()


@pytest.mark.parametrize("store", STORES, ids=str)
def test_every_method_is_found_and_put_back(store: Store) -> None:
    spec = libraries.known()[store.library].load()
    paths = [path for call in getattr(spec, "calls", ()) for path in call.targets]

    with otel_agentprof.instrument(include=[store.library]):
        __import__(libraries.known()[store.library].module or "")
        states = {target.path: target.state for target in REGISTRY.targets()}

    assert set(paths) <= set(states)
    assert not {path for path in paths if states[path] in ("missing", "broken", "foreign", "unfit")}
    assert REGISTRY.targets() == ()


def test_what_embeds_the_question_is_seen_inside_the_retrieval(server: Loopback, spans: Spans) -> None:
    chromadb = pytest.importorskip("chromadb")
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="none", base_url=server.url)

    class Embedder(chromadb.EmbeddingFunction):  # type: ignore[misc, name-defined]  # not installed where types are checked
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:  # noqa: A002 - Chroma's name
            client.embeddings.create(model="text-embedding-3-small", input=input)
            return [VECTOR for _ in input]

    chroma = chromadb.EphemeralClient()
    collection = chroma.get_or_create_collection("embedded", embedding_function=Embedder())
    collection.query(query_texts=[CANARY])
    chroma.delete_collection("embedded")
    client.close()

    inner, outer = spans.all()
    assert inner.name == "embeddings text-embedding-3-small"
    assert outer.name == "retrieval embedded"
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert "gen_ai.usage.input_tokens" in (inner.attributes or {})


def test_the_same_question_to_another_collection_is_another_one(spans: Spans) -> None:
    chromadb = pytest.importorskip("chromadb")
    client = chromadb.EphemeralClient()

    for name in ("first", "second", "first"):
        client.get_or_create_collection(name, embedding_function=None).get(ids=["1"])
    for name in ("first", "second"):
        client.delete_collection(name)

    one, other, again = [(span.attributes or {})["agentprof.request.fingerprint"] for span in spans.all()]
    assert one == again
    assert one != other


def test_a_hybrid_search_is_one_retrieval_in_and_outside_of_a_trace(tmp_path: Path, spans: Spans) -> None:
    lancedb = pytest.importorskip("lancedb")
    table = lancedb.connect(tmp_path).create_table("docs", [{"vector": VECTOR, "text": CANARY}])
    table.create_fts_index("text")

    def search() -> None:
        table.search(query_type="hybrid").vector(VECTOR).text("canary").to_list()

    search()
    with otel_agentprof.agent("seeker"):
        search()

    assert [span.name for span in spans.all()] == ["retrieval docs", "retrieval docs", "invoke_agent seeker"]
