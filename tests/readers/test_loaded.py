"""Sources of every kind and in every state of decay: good lines are kept, the rest is told in one line."""

from __future__ import annotations

import gc
import gzip
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import refusals

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import read, read_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"


def line(name: str, trace_id: str = TRACE) -> str:
    span = {
        "traceId": trace_id,
        "spanId": name.encode().hex().zfill(16)[-16:],
        "name": name,
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "2000",
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def pretty(name: str) -> str:
    return json.dumps(json.loads(line(name)), indent=2)


def load(content: str | bytes) -> tuple[list[str], dict[str, str]]:
    data = content if isinstance(content, bytes) else content.encode()
    loaded = read_spans(io.BytesIO(data))
    return [span.name for span in loaded.spans], dict(loaded.notes)


def refusal(source: Any) -> str:
    return refusals.refusal(io.BytesIO(source.encode()) if isinstance(source, str) else source)


@pytest.mark.parametrize(
    "content",
    [
        line("a") + "\n" + line("b"),
        "\n \r\n" + line("a") + "\r\n\r\n" + line("b") + "\n\n",
        pretty("a") + pretty("b"),
        "\n\n" + pretty("a") + "\n\n" + pretty("b") + "\n",
        line("a") + " " + line("b"),
        f"[{line('a')}, {line('b')}]",
        f"[{pretty('a')},\n{pretty('b')}]",
    ],
)
def test_json_may_be_laid_out_in_any_way(content: str) -> None:
    assert load(content) == (["a", "b"], {})


@pytest.mark.parametrize(
    "data",
    [
        line("ä").encode("utf-8-sig"),
        line("ä").encode("utf-16"),
        gzip.compress(line("ä").encode()),
        gzip.compress(line("ä").encode("utf-8-sig")),
        json.dumps(json.loads(line("ä")), ensure_ascii=False).encode(),
    ],
)
def test_byte_order_marks_utf16_and_gzip_are_seen_by_content(data: bytes) -> None:
    assert load(data) == (["ä"], {})


def test_two_gzip_members_are_one_file() -> None:
    assert load(gzip.compress(line("a").encode() + b"\n") + gzip.compress(line("b").encode()))[0] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{line('a')}\n{line('x')[:70]}\n{line('b')}\noops", "2 lines left out: no JSON; first at line 2: "),
        (f"INFO start\n{line('a')}\n{line('b')}", "1 line left out: no JSON; first at line 1: "),
        (f"{line('x')[:70]}\n{line('a')}\n{line('b')}", "1 line left out: no JSON; first at line 1: "),
        (
            f"{line('a')}\n{line('b')}\n{'[' * 100_000}",
            "1 line left out: no JSON; first at line 3: nested too",
        ),
        (f"{line('a')}\n{line('b')}\n{'9' * 5000}", "1 line left out: no JSON; first at line 3: Exceeds the"),
    ],
)
def test_a_broken_line_costs_only_itself(content: str, message: str) -> None:
    names, notes = load(content)

    assert names == ["a", "b"]
    assert notes["bad_line"].startswith(message)


def test_a_file_that_lost_its_head_in_the_middle_of_a_line_is_read_from_the_next_line() -> None:
    names, notes = load('7"}}]}\n' + line("a"))

    assert names == ["a"]
    assert list(notes) == ["no_trace", "bad_line"]


def test_pretty_objects_before_the_one_that_breaks_off_are_kept() -> None:
    whole = pretty("a")

    names, notes = load(whole + "\n" + pretty("b")[:-40])

    assert names == ["a"]
    assert notes["cut_json"].startswith("the JSON is broken or cut off at line ")
    assert int(notes["cut_json"].split("line ")[1].split(":")[0]) > whole.count("\n") + 2


@pytest.mark.parametrize("lost", [0, 1, 2, 3, 100])
def test_gzip_that_breaks_off_keeps_the_lines_before(lost: int) -> None:
    noise = random.Random(0)  # noqa: S311 - names that do not compress, no secrets
    text = "\n".join(line(noise.randbytes(400).hex()) for _ in range(500))
    data = gzip.compress(text.encode())

    names, notes = load(data[: len(data) - 1000 - lost])

    assert 490 < len(names) < 500
    assert notes["cut_gzip"].startswith("the compressed data is broken or cut off at line ")


@pytest.mark.parametrize("lost", range(1, 9))
def test_gzip_that_lost_only_its_checksum_loses_nothing(lost: int) -> None:
    names, notes = load(gzip.compress(line("a").encode())[:-lost])

    assert names == ["a"]
    assert notes["cut_gzip"].endswith("it ends too early")


def test_a_gzip_bomb_is_unpacked_piece_by_piece() -> None:
    bomb = gzip.compress(b"\n" * 3_000_000 + line("a").encode())

    assert len(bomb) < 5_000
    assert load(bomb) == (["a"], {})


def test_lines_after_a_gzip_member_that_is_none_are_told() -> None:
    names, notes = load(gzip.compress(line("a").encode()) + b"trailing")

    assert (names, list(notes)) == (["a"], ["cut_gzip"])


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert load(line("NAME").replace("NAME", "\xe9").encode("latin-1")) == (["\ufffd"], {})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d", "\ufffd"),
        (r"\uDE00x", "\ufffdx"),
        (r"\\ud83d", r"\ud83d"),
    ],
)
@pytest.mark.parametrize("layout", [line, pretty])
def test_half_a_surrogate_pair_becomes_a_replacement_character(
    layout: Any, written: str, expected: str
) -> None:
    assert load(layout("NAME").replace("NAME", written)) == ([expected], {})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"resourceLogs":[]}', "other_signal"),
        ('{"hello":1}', "no_trace"),
        ("[[]]", "no_trace"),
        ("5", "no_trace"),
    ],
)
def test_json_that_is_no_trace_is_told(content: str, code: str) -> None:
    names, notes = load(f"{line('a')}\n{content}")

    assert (names, list(notes)) == (["a"], [code])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the stream: it is empty; give"),
        (" \n\n", "the stream: it holds no spans; give"),
        ('{"resourceSpans":[]}', "the stream: it holds no spans; give"),
        ('{"data":[]}', "the stream: it holds no spans; give"),
        ('{"data":null}', "the stream: it holds no spans; give"),
        ('{"resourceSpans":null}', "the stream: it holds no spans; give"),
        ("{}", "no span can be read: 1 JSON value left out: no trace in it; first at line 1; give"),
        ("null", "no span can be read: 1 JSON value left out"),
        (
            "<html>\n</html>",
            "no span can be read: this is no JSON at line 1: expecting value at column 1; give",
        ),
        ("[" * 100_000, "the JSON is broken or cut off at line 1: nested too deeply; give"),
        ('{"a":' * 100_000, "the JSON is broken or cut off at line 1: nested too deeply; give"),
        (line("a")[:-3], "the JSON is broken or cut off at line 1: expecting ',' delimiter at column "),
        (line("a")[:40], "the JSON is broken or cut off at line 1: unterminated string starting at column 3"),
        (pretty("a")[:-9], "the JSON is broken or cut off at line "),
        ("9" * 5000, "this is no JSON at line 1: Exceeds the limit"),
    ],
)
def test_nothing_to_read_is_one_clear_line(content: str, message: str) -> None:
    assert message in refusal(content)


def test_compressed_rubbish_is_one_clear_line() -> None:
    assert "the compressed data is broken or cut off at line 1" in refusal(
        io.BytesIO(b"\x1f\x8b\x08zzzzzzzz")
    )


def test_binary_rubbish_is_one_clear_line() -> None:
    assert "this is no JSON" in refusal(io.BytesIO(bytes(range(256)) * 1000))


def test_wrong_places_are_one_clear_line(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"'{tmp_path}': is a directory; give a file of OTLP JSON")
    assert "no such file or directory" in refusal(tmp_path / "\x1b[31m\nnone")
    assert "null byte" in refusal(Path("a\0b"))
    assert refusal(5).startswith(
        "the stream: nothing can be read from it; give a file of OTLP JSON, JSON lines"
    )


def test_a_closed_stream_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line("a"))
    with path.open("rb") as file:
        pass
    memory = io.BytesIO()
    memory.close()

    assert "closed file" in refusal(memory)
    assert "closed file" in refusal(file)


def test_a_disk_that_fails_half_way_keeps_what_was_read() -> None:
    class Failing(io.RawIOBase):
        chunks = [line("a").encode() + b"\n"]  # noqa: RUF012 - there is one instance only

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self.chunks:
                raise OSError(5, "Input/output error")
            chunk = self.chunks.pop()
            buffer[: len(chunk)] = chunk
            return len(chunk)

    loaded = read_spans(io.BufferedReader(Failing()))

    assert len(loaded.spans) == 1
    assert dict(loaded.notes) == {
        "cut_input": "the input cannot be read any further at line 1: Input/output error"
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_stream_of_the_caller_stays_open(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line("a"), encoding)

    with path.open("rb") as file:
        loaded = read_spans(file)
        gc.collect()

        assert not file.closed
    assert len(loaded.spans) == 1


def test_an_open_text_file_is_read_too() -> None:
    assert len(read_spans(io.StringIO(line("a"))).spans) == 1  # type: ignore[arg-type]  # that is the point


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(line("a").encode()))))

    assert [span.name for span in read_spans("-").spans] == ["a"]


def test_a_process_without_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert "stdin: this process has no standard input" in refusal_of_stdin()


def refusal_of_stdin() -> str:
    with pytest.raises(UnreadableTraceError) as caught:
        read_spans("-")
    return str(caught.value)


def test_a_pipe_is_read_like_a_file() -> None:
    out, into = os.pipe()
    with os.fdopen(into, "wb") as writer:
        writer.write(line("a").encode())

    with os.fdopen(out, "rb") as reader:
        loaded = read_spans(reader)

    assert len(loaded.spans) == 1


def test_read_gives_one_tree_per_trace_in_order_of_first_appearance(tmp_path: Path) -> None:
    first, second = "b" * 32, "a" * 32
    path = tmp_path / "several.jsonl"
    path.write_text("\n".join([line("1", first), line("2", second), line("3", first)]))

    trees = list(read(str(path)))

    assert [(tree.trace_id, len(tree)) for tree in trees] == [(first, 2), (second, 1)]


@pytest.mark.parametrize("is_on", [True, False])
def test_the_cycle_collector_is_left_as_it_was(is_on: bool) -> None:  # noqa: FBT001 - pytest calls it by name
    was_on = gc.isenabled()
    (gc.enable if is_on else gc.disable)()

    load(line("a"))

    try:
        assert gc.isenabled() is is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_a_huge_file_of_something_else_is_given_up() -> None:
    names, notes = load(line("a") + "\n" + "x\n" * 3_000_000)

    assert names == ["a"]
    assert notes["bad_line"].startswith("100000 lines left out")


def test_a_line_of_60_megabytes_is_read() -> None:
    span = json.loads(line("a"))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"] = [{"key": "k", "value": {"stringValue": "x" * 30_000}}]
    spans = [span | {"spanId": f"{number:016x}"} for number in range(1, 2001)]
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

    names, notes = load(text)

    assert len(text) > 60_000_000
    assert (len(names), notes) == (2000, {})


def test_spans_of_one_trace_in_several_sources_are_one_tree(tmp_path: Path) -> None:
    other = "1" * 32
    path = tmp_path / "b.jsonl"
    path.write_text(line("c", other) + "\n" + line("b"))

    trees = list(read(io.BytesIO(line("a").encode()), path, io.BytesIO(gzip.compress(line("d").encode()))))

    assert [tree.trace_id for tree in trees] == [TRACE, other]
    assert [[span.name for span in tree.spans] for tree in trees] == [["a", "b", "d"], ["c"]]


def test_what_is_wrong_with_one_of_several_sources_is_told_with_its_name(tmp_path: Path) -> None:
    good, torn, empty = (tmp_path / name for name in ("good", "torn", "empty"))
    good.write_text(line("a"))
    torn.write_text(line("b") + "\n{torn")
    empty.write_text("")

    loaded = read_spans(good, torn)

    assert [span.name for span in loaded.spans] == ["a", "b"]
    ((code, message),) = loaded.notes
    assert code == "bad_line"
    assert message.startswith(f"{str(torn)!r}: 1 line left out")
    with pytest.raises(UnreadableTraceError, match="it is empty"):
        read_spans(good, empty)
