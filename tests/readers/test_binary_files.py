"""OTLP protobuf, bare and in records, and zstd: what is whole is read, what is broken is told."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import random
import sys
from typing import Any

import pytest
import refusals
import zstandard
from backend_shapes import framed
from opentelemetry.proto.trace.v1 import trace_pb2
from otlp_text import TRACE, line, span

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.model.span import Event, Link
from otel_agentprof.readers import read_spans

_VarintBytes = importlib.import_module("google.protobuf.internal.encoder")._VarintBytes  # it has no types


def load(content: bytes) -> tuple[list[str], dict[str, str]]:
    loaded = read_spans(io.BytesIO(content))
    return [span.name for span in loaded.spans], dict(loaded.notes)


def refusal(content: bytes) -> str:
    return refusals.refusal(io.BytesIO(content))


def message(*numbers: int, scope: str = "", service: str = "", **fields: Any) -> bytes:
    """Return a message with some spans."""
    data = trace_pb2.TracesData()
    group = data.resource_spans.add()
    if service:
        group.resource.attributes.add(key="service.name").value.string_value = service
    spans = group.scope_spans.add()
    spans.scope.name = scope
    for number in numbers:
        spans.spans.add(
            trace_id=bytes.fromhex(TRACE),
            span_id=number.to_bytes(8, "big"),
            name=f"span {number}",
            start_time_unix_nano=number,
            end_time_unix_nano=100,
            **fields,
        )
    encoded: bytes = data.SerializeToString()
    return encoded


def test_every_field_of_a_span_is_read() -> None:
    data = trace_pb2.TracesData.FromString(message(1, scope="s", service="x", kind=3, flags=0x300))
    raw = data.resource_spans[0].scope_spans[0].spans[0]
    raw.parent_span_id = b"\0" * 7 + b"\x09"
    raw.status.code, raw.status.message = 2, "went wrong"
    raw.dropped_attributes_count, raw.dropped_events_count, raw.dropped_links_count = 1, 2, 3
    raw.events.add(name="e", time_unix_nano=5).attributes.add(key="a").value.bool_value = True
    raw.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8).attributes.add(key="a").value.int_value = -1
    for kind, value in (
        ("string", "\U0001f600"),
        ("int", -(2**63)),
        ("double", float("inf")),
        ("bytes", b"\0\xff"),
    ):
        setattr(raw.attributes.add(key=kind).value, f"{kind}_value", value)
    raw.attributes.add(key="nothing")
    raw.attributes.add(key="list").value.array_value.values.add().bool_value = False
    inner = raw.attributes.add(key="map").value.kvlist_value.values.add(key="k")
    inner.value.array_value.values.add()

    (found,) = read_spans(io.BytesIO(data.SerializeToString())).spans

    assert (found.trace_id, found.span_id, found.parent_span_id) == (TRACE, f"{1:016x}", f"{9:016x}")
    assert (found.name, found.kind, found.start_ns, found.end_ns) == ("span 1", "CLIENT", 1, 100)
    assert (found.status, found.status_message, found.scope) == ("ERROR", "went wrong", "s")
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (1, 2, 3)
    assert (found.resource, found.has_remote_parent) == ({"service.name": "x"}, True)
    assert found.events == (Event("e", 5, {"a": True}),)
    assert found.links == (Link("01" * 16, "02" * 8, {"a": -1}),)
    assert found.attributes == {
        "string": "\U0001f600",
        "int": -(2**63),
        "double": float("inf"),
        "bytes": b"\0\xff",
        "nothing": None,
        "list": (False,),
        "map": {"k": (None,)},
    }


@pytest.mark.parametrize("lost", [1, 10, 60])
def test_a_message_that_breaks_off_keeps_the_spans_before(lost: int) -> None:
    long = "t" * 300
    whole = message(1, 2, scope="s", service="x") + message(*range(3, 40), scope=long, service="y")

    loaded = read_spans(io.BytesIO(whole[:-lost]))

    assert 36 <= len(loaded.spans) < 39
    assert [(span.scope, span.resource) for span in loaded.spans[1:3]] == [
        ("s", {"service.name": "x"}),
        (long, {"service.name": "y"}),
    ]
    assert dict(loaded.notes)["cut_proto"] == "the protobuf data is broken or cut off at line 1"
    assert "bad_span" in dict(loaded.notes)


def test_a_name_that_is_no_utf8_costs_only_its_span() -> None:
    names, notes = load(message(1, 2, 3).replace(b"span 2", b"span \xff"))

    assert names == ["span 1", "span 3"]
    assert notes["bad_span"].startswith("1 span left out")


@pytest.mark.parametrize(
    "tail",
    [
        b"\x0f",  # a field of a kind that there is not
        b"\xff" * 20,  # a number without an end
        b"\x10\x80",  # a number that breaks off
        b"\x11\x00",  # 8 bytes that break off
        b"\x15\x00",  # 4 bytes that break off
        b"\x12\x02\x00\x00\x0a\x7f",  # an unknown field, then one that breaks off
    ],
)
def test_rubbish_after_the_spans_is_told(tail: bytes) -> None:
    names, notes = load(message(1) + tail)

    assert names == ["span 1"]
    assert "cut_proto" in notes


def test_other_signals_give_no_spans() -> None:
    """Logs have the same fields with other things in them."""
    record = b"\x09" + (1).to_bytes(8, "little") + b"\x1a\x04INFO"
    scope = b"\x12" + _VarintBytes(len(record)) + record
    group = b"\x12" + _VarintBytes(len(scope)) + scope

    text = refusal(b"\x0a" + _VarintBytes(len(group)) + group)

    assert "no span can be read: 1 span left out: without a readable trace id and span id" in text


def test_records_are_read_one_after_another() -> None:
    records = framed(message(1), line(span(2)).encode(), zstandard.compress(message(3)), b"", message(4))

    assert load(records) == (["span 1", "span 2", "span 3", "span 4"], {})


@pytest.mark.parametrize("lost", [1, 30])
def test_a_record_that_breaks_off_is_told(lost: int) -> None:
    names, notes = load(framed(message(1), message(2, 3))[:-lost])

    assert names == ["span 1", "span 2"]
    assert notes["cut_record"].startswith("the data breaks off at record 2: ")
    assert notes["bad_span"].endswith("first at record 2")


def test_a_length_that_breaks_off_is_told() -> None:
    names, notes = load(framed(message(1)) + b"\0\0")

    assert names == ["span 1"]
    assert notes["cut_record"].startswith("the data breaks off at record 2")


def test_a_length_of_gigabytes_takes_no_room() -> None:
    names, notes = load(framed(message(1)) + b"\xff\xff\xff\xff" + message(2))

    assert names == ["span 1", "span 2"]
    assert notes["cut_record"].endswith(f"{len(message(2))} of 4294967295 bytes are there")


def test_a_record_that_is_broken_costs_only_itself() -> None:
    torn = zstandard.compress(message(7))[:-3]

    names, notes = load(framed(message(1), b'{"resourceSpans": [', torn, message(2)))

    assert names == ["span 1", "span 2"]
    assert notes == {
        "bad_record": "1 record left out: it cannot be read; first at record 2: no JSON",
        "cut_zstd": "the compressed data is broken or cut off at record 3: it ends too early",
    }


def test_zstd_that_breaks_off_keeps_the_lines_before() -> None:
    noise = random.Random(0)  # noqa: S311 - names that do not compress, no secrets
    text = "".join(line(span(number, name=noise.randbytes(400).hex())) for number in range(1, 2001))
    data = zstandard.compress(text.encode())

    names, notes = load(data[: len(data) // 2])

    assert 500 < len(names) < 1100
    assert notes["cut_zstd"].startswith("the compressed data is broken or cut off at line ")


def test_zstd_with_a_flipped_bit_is_told() -> None:
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(line(span(1)).encode()))
    data[-1] ^= 1

    for broken in (bytes(data), b"\x28\xb5\x2f\xfdrubbish"):
        assert "the compressed data is broken or cut off at line 1: zstd decompress" in refusal(broken)


def test_without_zstd_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 14):
        pytest.skip("this Python has zstd of its own")
    monkeypatch.setitem(sys.modules, "zstandard", None)

    assert refusal(zstandard.compress(b"{}")) == (
        "the stream: the data is packed with zstd; pip install 'otel-agentprof[zstd]', or unpack it first"
    )


@pytest.mark.parametrize("content", [b"\n{\n}", b"\n\n" + line(span(1)).encode(), b"\n  [1]"])
def test_text_that_begins_with_an_empty_line_is_no_protobuf(content: bytes) -> None:
    notes = str(load(content)[1]) if b"span" in content else refusal(content)

    assert "protobuf data" not in notes


def test_gzip_in_front_of_any_of_them_is_unpacked() -> None:
    assert load(gzip.compress(framed(message(1)))) == (["span 1"], {})
    assert load(gzip.compress(message(1))) == (["span 1"], {})


def test_a_disk_that_fails_in_a_message_is_told() -> None:
    class Failing(io.RawIOBase):
        parts = [message(1, 2)[:-5]]  # noqa: RUF012 - there is one instance only

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self.parts:
                raise OSError(5, "Input/output error")
            part = self.parts.pop()
            buffer[: len(part)] = part
            return len(part)

    with pytest.raises(UnreadableTraceError, match="read any further at line 1: Input/output error"):
        read_spans(io.BufferedReader(Failing()))


def test_json_in_a_record_may_be_nested_without_end() -> None:
    names, notes = load(framed(message(1), json.dumps({}).encode()[:1] + b'"a":[' + b"[" * 100_000))

    assert (names, list(notes)) == (["span 1"], ["bad_record"])
