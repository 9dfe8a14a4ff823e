"""What is too long for a span is cut and says so, what is binary is named; what comes out is JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from otel_agentprof.model.content_limits import MOST_OF_ATTRIBUTE, MOST_OF_TEXT, cut, within_limits

BASE64 = base64.b64encode(bytes(range(250)) * 12).decode()
LEFT_OUT = "3,000 bytes: left out]"


def limited(value: Any) -> Any:
    text = within_limits(json.dumps(value))
    assert len(text) <= MOST_OF_ATTRIBUTE
    return json.loads(text)


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}],
        {"data": "a word", "result": "x" * 5_000, "bytes": "abc"},
        {"data": "x" * 5_000},
        {"result": BASE64},
        ["x" * MOST_OF_TEXT],
        ['"\\' * 10_000] * 4,
    ],
)
def test_what_is_short_and_no_data_stays_as_it_is(value: Any) -> None:
    assert within_limits(json.dumps(value)) == json.dumps(value)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"image_url": {"url": f"data:image/png;base64,{BASE64}"}}, "image/png"),
        ({"images": [f"data:image/png;charset=utf-8;base64,{BASE64}"]}, "image/png"),
        ({"file": {"file_data": f"data:application/pdf;base64,{BASE64}"}}, "application/pdf"),
        ({"file_data": f"data:;base64,{BASE64}"}, "data"),
        ({"input_audio": {"data": BASE64, "format": "wav"}}, "wav"),
        ({"source": {"type": "base64", "media_type": "image/jpeg", "data": BASE64}}, "image/jpeg"),
        ({"inline_data": {"mime_type": "image/png", "data": BASE64}}, "image/png"),
        ({"type": "image_generation_call", "result": BASE64}, "data"),
        ({"encrypted_content": BASE64}, "data"),
    ],
)
def test_binary_data_is_left_out_and_named(part: Any, kind: str) -> None:
    found = json.dumps(limited([{"role": "user", "parts": [part]}]))

    assert f"[{kind}, {LEFT_OUT}" in found
    assert BASE64[:40] not in found


@pytest.mark.parametrize(
    "wrapped",
    [lambda text: text, lambda text: [text], lambda text: {"a": {"b": text}}, lambda text: [{"c": [text]}]],
)
def test_a_long_text_is_cut_and_says_so(wrapped: Any) -> None:
    text = 'a "quoted" word ' * 5_000

    found = json.dumps(limited(wrapped(text)))

    assert "[cut: 80,000 characters in all]" in found
    assert len(found) < MOST_OF_TEXT * 1.3


def test_what_was_cut_is_not_cut_again() -> None:
    once = within_limits(json.dumps(["x" * 100_000]))

    assert within_limits(once) == once
    assert cut(cut("x" * 100_000)) == cut("x" * 100_000)


def test_a_text_that_is_no_json_is_cut_too() -> None:
    assert cut("short") == "short"
    assert cut("x" * 100_000) == "x" * MOST_OF_TEXT + " [cut: 100,000 characters in all]"


def test_many_texts_are_cut_shorter_and_still_say_how_long_they_were() -> None:
    found = limited([{"content": "x" * 100_000} for _ in range(50)])

    assert len(found) == 50
    assert {each["content"][-32:] for each in found} == {"[cut: 100,000 characters in all]"}


def test_of_many_messages_the_newest_are_kept() -> None:
    found = limited([{"content": f"{number} " + "x" * 900} for number in range(3_000)])

    assert (
        found[0]["parts"][0]["content"]
        == f"[cut: the first {3_001 - len(found):,} of 3,000 items are left out]"
    )
    assert found[-1]["content"].startswith("2999 ")
    assert len(found) > 1_000


def test_what_is_no_list_and_too_much_is_cut_as_a_text() -> None:
    found = limited({str(number): number for number in range(100_000)})

    assert found.startswith('{"0": 0, ')
    assert found.endswith("characters in all]")
