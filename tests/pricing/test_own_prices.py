from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from otel_agentprof import pricing
from otel_agentprof.errors import UnknownPriceError
from otel_agentprof.model import TokenUsage
from otel_agentprof.pricing import own_prices

if TYPE_CHECKING:
    from pathlib import Path

MILLION = TokenUsage(input=1_000_000)


def test_own_prices_win_over_the_table_and_fall_back_to_the_group_they_are_part_of() -> None:
    pricing.configure({"gpt-4o": {"input": 1.1, "output": 4, "cache_read": Decimal("0.1")}})

    usage = TokenUsage(input=10, output=10, cache_read=1, cache_write=2, reasoning=3)
    cost = pricing.price(usage, "gpt-4o", provider="openai", server_address="api.openai.com")

    assert cost is not None
    assert cost.input == Decimal("0.0000077")
    assert cost.cache_read == Decimal("0.0000001")
    assert cost.cache_write == Decimal("0.0000022")
    assert cost.output == Decimal("0.000028")
    assert cost.reasoning == Decimal("0.000012")
    assert cost.price_table == "own-prices"


def test_the_exact_name_wins_over_the_longest_prefix_and_that_over_shorter_ones() -> None:
    prices = {
        name: {"input": usd, "output": 0}
        for usd, name in enumerate(["*", "house-*", "house-big-*", "House-Big-1"])
    }
    pricing.configure(prices)

    totals = [
        pricing.price(MILLION, name) for name in ("gpt-4o", "house-small", "house-big-2", "house-big-1")
    ]

    assert [cost and cost.total for cost in totals] == [0, 1, 2, 3]


def test_an_entry_with_a_provider_holds_for_that_provider_only() -> None:
    pricing.configure({"gpt-4o": {"input": 1, "output": 1, "provider": "azure.ai.openai"}})

    azure = pricing.rate_card("gpt-4o", provider="az.ai.openai")
    openai = pricing.rate_card("gpt-4o", provider="openai")
    nobody = pricing.rate_card("gpt-4o")

    assert azure is not None
    assert azure.table == "own-prices"
    assert openai is not None
    assert openai.table.startswith("genai-prices@")
    assert nobody is not None
    assert nobody.table.startswith("genai-prices@")


def test_every_group_of_tokens_can_have_a_price_of_its_own() -> None:
    names = TokenUsage._fields
    pricing.configure({"m": {name: place for place, name in enumerate(names, start=1)}})

    card = pricing.rate_card("m")

    assert card is not None
    assert [getattr(card.bands[0], name) * 1_000_000 for name in names] == list(range(1, len(names) + 1))


def test_a_file_is_read_without_binary_fractions_and_dated(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"m": {"input": 0.1000000000000000055, "output": 1e1}}', encoding="utf-8")

    pricing.configure(str(path))
    card = pricing.rate_card("m")

    assert card is not None
    assert card.bands[0].input == Decimal("1.000000000000000055E-7")
    assert card.table.startswith("own-prices@20")


def test_the_configured_file_is_read_when_the_first_price_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"m": {"input": 2, "output": 2}}', encoding="utf-8")
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(path))
    monkeypatch.setattr("otel_agentprof.pricing.lookup._Own.prices", None)

    cost = pricing.price(MILLION, "m")

    assert cost is not None
    assert cost.total == 2


@pytest.mark.parametrize(
    ("prices", "complaint"),
    [
        ([], "expected an object of model names, found list"),
        ({"m": 3}, "'m': expected an object of prices, found '3'"),
        ({"m": {"output": 1}}, "'m': 'input' is missing; give 0 where it costs nothing"),
        ({"m": {"input": 1}}, "'m': 'output' is missing; give 0 where it costs nothing"),
        (
            {"m": {"input": 1, "output": 1, "cash_read": 1}},
            "unknown field 'cash_read'; did you mean 'cache_read'?",
        ),
        ({"m": {"input": 1, "output": 1, "zzz": 1}}, "unknown field 'zzz'; known are audio_cache_read, "),
        ({"m": {"input": "1", "output": 1}}, "'input' must be US dollars per million tokens, found '1'"),
        ({"m": {"input": -1, "output": 1}}, "'input' must be US dollars per million tokens, found '-1'"),
        (
            {"m": {"input": 1e300, "output": 1}},
            "'input' must be US dollars per million tokens, found '1E+300'",
        ),
        ({"m": {"input": True, "output": 1}}, "'input' must be US dollars per million tokens, found 'True'"),
        (
            {"m": {"input": None, "output": 1}},
            "'input' must be US dollars per million tokens, found NoneType",
        ),
        (
            {"m": {"input": float("nan"), "output": 1}},
            "'input' must be US dollars per million tokens, found 'nan'",
        ),
        ({"m": {"input": 1, "output": 1, "provider": 7}}, "'provider' must be a name, found '7'"),
    ],
)
def test_a_malformed_file_is_refused_in_one_clear_line(prices: Any, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(prices), encoding="utf-8")

    with pytest.raises(UnknownPriceError) as refused:
        own_prices.read(path)

    text = str(refused.value)
    assert text.lower().startswith(f"{path}: ".lower())
    assert complaint.lower() in text.lower()
    assert "\n" not in text


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"m": {"input": 1e999999999999999999999, "output": 1}}'],
)
def test_a_file_that_is_no_json_is_refused_in_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(content)

    with pytest.raises(UnknownPriceError) as refused:
        own_prices.read(str(path))

    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_told_once_and_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "nowhere.json")

    with caplog.at_level(logging.WARNING):
        pricing.configure(path)
        pricing.configure(path)
    cost = pricing.price(MILLION, "gpt-4o", provider="openai")

    assert [record.getMessage() for record in caplog.records] == [
        f"your own prices are ignored: {path}: No such file or directory"
    ]
    assert cost is not None
    assert cost.price_table.startswith("genai-prices@")


def test_a_strict_reader_is_told_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownPriceError, match="Is a directory"):
        pricing.configure(tmp_path, is_strict=True)
