"""Blocks of Tempo: every kind of attribute, columns of their own, and blocks that are none."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext
from tempo_shapes import tempo_block

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import read, read_spans, spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

pa = importlib.import_module("pyarrow")  # it has no types
parquet = importlib.import_module("pyarrow.parquet")
ATTRIBUTES = {
    "text": "ü",
    "empty": "",
    "number": -(2**63),
    "ratio": 0.1,
    "yes": True,
    "texts": ("a", "b"),
    "numbers": (1, 2),
    "ratios": (0.5,),
    "flags": (True, False),
    "nothing": (),
    "http.method": "POST",
    "http.status_code": 200,
    "my.text": "dedicated",
    "my.number": 7,
}
DEDICATED = (
    {"s": "resource", "n": "region"},
    {"n": "my.text"},
    {"s": "event", "n": "ignored"},
    {"n": "my.number", "t": "int"},
)


def spans(**attributes: Any) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "x", "region": "eu", "host.cpus": 4}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    link = Link(SpanContext(1, 2, is_remote=False), {"why": "so"})
    span = provider.get_tracer("scope").start_span(
        "one", attributes=attributes, links=[link], start_time=1000
    )
    span.add_event("early", {"a": 1}, timestamp=900)
    span.add_event("late", timestamp=1100)
    span.end(2000)
    provider.shutdown()
    return exporter.get_finished_spans()


def test_a_span_comes_back_as_it_was(tmp_path: Path) -> None:
    written = spans(**ATTRIBUTES)

    loaded = read_spans(tempo_block(tmp_path / "block", written, dedicated=DEDICATED))

    (before,), (after,) = spans_of(written), loaded.spans
    assert loaded.notes == ()
    assert after == before
    assert after.attributes == ATTRIBUTES


def test_a_trace_in_several_blocks_is_one_tree(tmp_path: Path) -> None:
    parts = spans(), spans()
    for number, part in enumerate((*parts, parts[0])):
        tempo_block(tmp_path / "tenant" / str(number), part)

    assert sorted(len(tree.spans) for tree in read(tmp_path)) == [1, 1]


def test_without_its_meta_json_a_block_loses_the_names_of_its_columns(tmp_path: Path) -> None:
    block = tempo_block(tmp_path / "block", spans(**ATTRIBUTES), dedicated=DEDICATED)
    (block / "meta.json").unlink()

    loaded = read_spans(block)

    assert "my.text" not in loaded.spans[0].attributes
    ((code, message),) = loaded.notes
    assert code == "unnamed_value"
    assert message.startswith("3 attributes left out: its name is in the block's meta.json")
    assert message.endswith("first at trace 1")


def test_lists_and_maps_that_tempo_has_no_column_for_are_read(tmp_path: Path) -> None:
    block = tempo_block(tmp_path / "block", spans(number=5, text="t"))
    table = parquet.read_table(block / "data.parquet")
    rows = table.to_pylist()
    attributes = rows[0]["rs"][0]["ss"][0]["Spans"][0]["Attrs"]
    attributes[0] |= {"ValueInt": [], "ValueUnsupported": json.dumps({"kvlistValue": {"values": []}})}
    attributes[1] |= {"Value": [], "ValueUnsupported": "{torn"}
    attributes.append(attributes[0] | {"Key": "none", "ValueUnsupported": None})
    parquet.write_table(pa.Table.from_pylist(rows, schema=table.schema), block / "data.parquet")

    loaded = read_spans(block)

    assert loaded.spans[0].attributes == {"number": {}}
    assert [code for code, _ in loaded.notes] == ["bad_value"]


def test_columns_with_lists_in_them_are_read(tmp_path: Path) -> None:
    """Later blocks keep arrays in columns of their own."""
    block = tempo_block(tmp_path / "block", spans(), dedicated=DEDICATED)
    rows = parquet.read_table(block / "data.parquet").to_pylist()
    written = rows[0]["rs"][0]["ss"][0]["Spans"][0]
    written |= {"DedicatedAttributes": {"String01": ["a", "b"], "Int01": []}, "Events": []}
    rows[0]["rs"][0]["Resource"]["DedicatedAttributes"] = {"String01": ["eu"]}
    parquet.write_table(pa.Table.from_pylist(rows), block / "data.parquet")

    (span,) = read_spans(block).spans

    assert span.attributes["my.text"] == ("a", "b")
    assert span.resource["region"] == "eu"
    assert "my.number" not in span.attributes


def test_parquet_of_something_else_is_told(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")

    with pytest.raises(UnreadableTraceError, match="is Parquet, but no block of Tempo: it has no TraceID"):
        read_spans(tmp_path / "x.parquet")


def test_a_torn_block_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    torn = tempo_block(tmp_path / "a", spans()) / "data.parquet"
    torn.write_bytes(torn.read_bytes()[:-20])

    with pytest.raises(UnreadableTraceError, match="no span can be read: the input cannot be read"):
        read_spans(torn)

    tempo_block(tmp_path / "b", spans())
    loaded = read_spans(tmp_path)
    assert len(loaded.spans) == 1
    assert [code for code, _ in loaded.notes] == ["cut_input"]


def test_without_pyarrow_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = tempo_block(tmp_path / "block", spans())
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(UnreadableTraceError, match=r"pyarrow; pip install 'otel-agentprof\[parquet\]'"):
        read_spans(block)
