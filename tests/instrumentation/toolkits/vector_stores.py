"""Real vector stores with two records each, every one of them without a server of its own to set up."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopback import Answer

from otel_agentprof.instrumentation import libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from loopback import Loopback

CANARY = "the canary sings of Paris"
VECTOR = [0.25, 0.5]
HITS = 2


@dataclass(frozen=True, eq=False)
class Store:
    """One kind of store; ``connect`` makes a context manager that gives a handle to it.

    Attributes:
        name: As the test shows it.
        library: Its name in ``instrument(include=[...])``.
        connect: From a folder and the loopback server to a handle with a collection of two records.
        read: Ask for VECTOR, which finds HITS records; by name, for the different ways to ask.
        write: Write a record that contains CANARY; by the name of the tool.
        fail: A read that the store refuses.
        collection: What the spans call the collection; None where only the server's address tells.
        facts: More attributes of each of its spans.
        needs: Modules without which it cannot be tested.
    """

    name: str
    library: str
    connect: Callable[[Path, Loopback], Any]
    read: Mapping[str, Callable[[Any], Any]]
    write: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    fail: Callable[[Any], Any] | None = None
    collection: str | None = "docs"
    has_server: bool = False
    has_fingerprint: bool = True
    is_async: bool = False
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def missing(self) -> str | None:
        """Return what is not installed here."""
        module = libraries.known()[self.library].module or ""
        for name in (module, *self.needs):
            try:
                import_module(name)
            except ImportError:
                return name
        return None


@contextmanager
def _chroma(_folder: Path, _server: Loopback) -> Iterator[Any]:
    chromadb = import_module("chromadb")

    client = chromadb.EphemeralClient()
    collection = client.get_or_create_collection("docs", embedding_function=None)
    collection.add(ids=["1", "2"], embeddings=[[1.0, 2.0], [2.0, 1.0]], documents=["one", "two"])
    yield collection
    client.delete_collection("docs")


@contextmanager
def _qdrant(_folder: Path, _server: Loopback) -> Iterator[Any]:
    models = import_module("qdrant_client.models")

    client = import_module("qdrant_client").QdrantClient(":memory:")
    client.create_collection(
        "docs", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE)
    )
    client.upsert("docs", [models.PointStruct(id=1, vector=[1.0, 2.0]), _point(2)])
    yield client
    client.close()


@contextmanager
def _async_qdrant(_folder: Path, _server: Loopback) -> Iterator[Any]:
    models = import_module("qdrant_client.models")

    async def made() -> Any:
        client = import_module("qdrant_client").AsyncQdrantClient(":memory:")
        await client.create_collection(
            "docs", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE)
        )
        await client.upsert("docs", [_point(1), _point(2)])
        return client

    yield made


@contextmanager
def _qdrant_server(_folder: Path, server: Loopback) -> Iterator[Any]:

    client = import_module("qdrant_client").QdrantClient(url=server.url, check_compatibility=False)
    server.script.append(
        Answer(b'{"result":{"points":[{"id":1,"version":1,"score":1},{"id":2,"version":1,"score":1}]}}')
    )
    yield client
    client.close()


def _point(number: int) -> Any:
    models = import_module("qdrant_client.models")

    return models.PointStruct(id=number, vector=[2.0, 1.0], payload={"text": CANARY})


@contextmanager
def _lance(folder: Path, _server: Loopback) -> Iterator[Any]:
    lancedb = import_module("lancedb")

    yield lancedb.connect(folder).create_table("docs", _ROWS)


@contextmanager
def _async_lance(folder: Path, _server: Loopback) -> Iterator[Any]:
    lancedb = import_module("lancedb")

    async def made() -> Any:
        connection = await lancedb.connect_async(folder)
        return await connection.create_table("docs", _ROWS)

    yield made


_ROWS = [{"vector": [1.0, 2.0], "text": "one"}, {"vector": [2.0, 1.0], "text": "two"}]
_ROW = {"vector": VECTOR, "text": CANARY}


@contextmanager
def _milvus(folder: Path, _server: Loopback) -> Iterator[Any]:

    client = import_module("pymilvus").MilvusClient(str(folder / "milvus.db"))
    client.create_collection("docs", dimension=2)
    client.insert("docs", [{"id": 1, "vector": [1.0, 2.0]}, {"id": 2, "vector": [2.0, 1.0]}])
    yield client
    client.close()


@contextmanager
def _pinecone(_folder: Path, server: Loopback) -> Iterator[Any]:
    pinecone = import_module("pinecone")

    server.script.append(Answer(_MATCHES))
    with pinecone.Index(host=server.url, api_key="none") as index:
        yield index


@contextmanager
def _async_pinecone(_folder: Path, server: Loopback) -> Iterator[Any]:
    pinecone = import_module("pinecone")

    async def made() -> Any:
        return pinecone.AsyncIndex(host=server.url, api_key="none")

    server.script.append(Answer(_MATCHES))
    yield made


_MATCHES = (
    b'{"matches":[{"id":"1","score":0.5},{"id":"2","score":0.4}],"namespace":"","usage":{"readUnits":1}}'
)


@contextmanager
def _weaviate(_folder: Path, server: Loopback) -> Iterator[Any]:
    yield _weaviate_collection(server, is_async=False)


@contextmanager
def _async_weaviate(_folder: Path, server: Loopback) -> Iterator[Any]:
    async def made() -> Any:
        return _weaviate_collection(server, is_async=True)

    yield made


def _weaviate_collection(server: Loopback, *, is_async: bool) -> Any:
    """Return a collection whose client's gRPC channel is replaced by one that answers from memory."""
    weaviate = import_module("weaviate")
    messages = import_module("weaviate.proto.v1").search_get_pb2

    reply = messages.SearchReply(results=[messages.SearchResult() for _ in range(HITS)])
    for result, number in zip(reply.results, "12", strict=True):
        result.metadata.id = f"0000000{number}-0000-4000-8000-000000000000"

    class Stub:
        def Search(self, request: Any, **_: Any) -> Any:  # noqa: N802 - gRPC's name
            return _soon(request) if is_async else reply

    async def _soon(_request: Any) -> Any:
        return reply

    make = weaviate.WeaviateAsyncClient if is_async else weaviate.WeaviateClient
    client = make(
        import_module("weaviate.connect").ConnectionParams.from_url(server.url, grpc_port=1),
        skip_init_checks=True,
    )
    connection = client._connection
    connection._weaviate_version = import_module("weaviate.util")._ServerVersion(1, 33, 0)
    connection._grpc_stub = Stub()
    connection._connected = True
    return client.collections.use("docs")


STORES = (
    Store(
        name="chromadb",
        library="chromadb",
        connect=_chroma,
        read={
            "query": lambda docs: docs.query(query_embeddings=[VECTOR], n_results=HITS),
            "get": lambda docs: docs.get(ids=["1", "2"]),
            "peek": lambda docs: docs.peek(HITS),
        },
        write={
            "chromadb.add": lambda docs: docs.add(ids=["3"], embeddings=[VECTOR], documents=[CANARY]),
            "chromadb.upsert": lambda docs: docs.upsert(ids=["1"], embeddings=[VECTOR], documents=[CANARY]),
            "chromadb.update": lambda docs: docs.update(ids=["1"], embeddings=[VECTOR], documents=[CANARY]),
            "chromadb.delete": lambda docs: docs.delete(ids=["1"]),
        },
        fail=lambda docs: docs.query(query_embeddings=[[1.0, 2.0, 3.0]]),
    ),
    Store(
        name="qdrant",
        library="qdrant",
        connect=_qdrant,
        read={
            "query_points": lambda client: client.query_points("docs", query=VECTOR, limit=HITS),
            "scroll": lambda client: client.scroll(collection_name="docs"),
            "retrieve": lambda client: client.retrieve("docs", ids=[1, 2]),
        },
        write={
            "qdrant.upsert": lambda client: client.upsert("docs", [_point(3)]),
            "qdrant.upload_points": lambda client: client.upload_points("docs", [_point(3)]),
            "qdrant.delete": lambda client: client.delete("docs", [1]),
        },
        fail=lambda client: client.query_points("docs", query=[1.0, 2.0, 3.0]),
    ),
    Store(
        name="qdrant-async",
        library="qdrant",
        connect=_async_qdrant,
        read={"query_points": lambda client: client.query_points("docs", query=VECTOR)},
        write={"qdrant.upsert": lambda client: client.upsert("docs", [_point(3)])},
        fail=lambda client: client.query_points("docs", query=[1.0, 2.0, 3.0]),
        is_async=True,
    ),
    Store(
        name="qdrant-server",
        library="qdrant",
        connect=_qdrant_server,
        read={"query_points": lambda client: client.query_points("docs", query=VECTOR)},
        has_server=True,
    ),
    Store(
        name="lancedb",
        library="lancedb",
        connect=_lance,
        read={
            "list": lambda table: table.search(VECTOR).limit(HITS).to_list(),
            "arrow": lambda table: table.search().limit(HITS).to_arrow(),
            "pandas": lambda table: table.search(VECTOR).limit(HITS).to_pandas(),
            "take": lambda table: table.take_offsets([0, 1]).to_list(),
        },
        write={
            "lancedb.add": lambda table: table.add([_ROW]),
            "lancedb.update": lambda table: table.update(values={"text": CANARY}),
            "lancedb.delete": lambda table: table.delete(f"text = '{CANARY}'"),
            "lancedb.merge_insert": lambda table: (
                table.merge_insert("text").when_not_matched_insert_all().execute([_ROW])
            ),
        },
        fail=lambda table: table.search(VECTOR).where("no such column > 1").to_list(),
        has_fingerprint=False,
        needs=("pandas",),
    ),
    Store(
        name="lancedb-async",
        library="lancedb",
        connect=_async_lance,
        read={"list": lambda table: table.query().nearest_to(VECTOR).limit(HITS).to_list()},
        write={"lancedb.add": lambda table: table.add([_ROW])},
        fail=lambda table: table.query().where("no such column > 1").to_list(),
        has_fingerprint=False,
        is_async=True,
    ),
    Store(
        name="milvus",
        library="milvus",
        connect=_milvus,
        read={
            "search": lambda client: client.search("docs", data=[VECTOR], limit=HITS),
            "query": lambda client: client.query(collection_name="docs", filter="id > 0"),
            "get": lambda client: client.get("docs", ids=[1, 2]),
        },
        write={
            "milvus.insert": lambda client: client.insert(
                "docs", [{"id": 3, "vector": VECTOR, "text": CANARY}]
            ),
            "milvus.upsert": lambda client: client.upsert(
                "docs", [{"id": 1, "vector": VECTOR, "text": CANARY}]
            ),
            "milvus.delete": lambda client: client.delete("docs", ids=[1]),
        },
        fail=lambda client: client.search("docs", data=[[1.0, 2.0, 3.0]]),
        has_server=True,  # pymilvus runs one of its own, here, for a file
        needs=("milvus_lite",),
    ),
    Store(
        name="pinecone",
        library="pinecone",
        connect=_pinecone,
        read={"query": lambda index: index.query(top_k=HITS, vector=VECTOR)},
        collection=None,
        has_server=True,
    ),
    Store(
        name="pinecone-async",
        library="pinecone",
        connect=_async_pinecone,
        read={"query": lambda index: index.query(top_k=HITS, vector=VECTOR)},
        collection=None,
        has_server=True,
        is_async=True,
    ),
    Store(
        name="weaviate",
        library="weaviate",
        connect=_weaviate,
        read={
            "bm25": lambda docs: docs.query.bm25(CANARY),
            "near_text": lambda docs: docs.query.near_text(CANARY, limit=HITS),
            "near_vector": lambda docs: docs.query.near_vector(VECTOR),
            "fetch_objects": lambda docs: docs.query.fetch_objects(),
        },
        fail=lambda docs: docs.query.near_text(7),
        has_server=True,
        collection="Docs",
    ),
    Store(
        name="weaviate-async",
        library="weaviate",
        connect=_async_weaviate,
        read={"hybrid": lambda docs: docs.query.hybrid(CANARY)},
        fail=lambda docs: docs.query.near_text(7),
        has_server=True,
        collection="Docs",
        is_async=True,
    ),
)


@contextmanager
def opened(store: Store, folder: Path, server: Loopback) -> Iterator[Any]:
    """Give a store's handle; for an async one, the coroutine function that makes it."""
    with ExitStack() as stack:
        yield stack.enter_context(store.connect(folder, server))
