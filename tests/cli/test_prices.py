from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot

from otel_agentprof import pricing
from otel_agentprof.cli.prices import Prices
from otel_agentprof.pricing import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH = 80


@pytest.fixture(autouse=True)
def _no_own_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OTEL_AGENTPROF_PRICES", raising=False)
    yield
    pricing.configure(None)


def run(*words: str) -> int:
    verb, parser = Prices(), argparse.ArgumentParser()
    verb.prepare_parser(parser)
    return verb.run(parser.parse_args(words))


def test_the_rates_tiers_source_and_other_sellers_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("gpt-5.4")

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "gpt-5.4, sold by openai"
    assert "                    US dollars  above 272,000 input tokens" in lines
    assert "  cache read              0.25                        0.50  per 1M tokens" in lines
    assert "  billed as   flex  priority   fast  batch" in lines
    assert any(line.startswith("Source: genai-prices@") and "newest price is of 20" in line for line in lines)
    assert "  azure            2.50   15.00  gpt-5.4" in lines
    assert max(map(len, lines)) <= WIDTH


def test_the_json_form_has_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("gpt-5.4", "--format", "json")

    data = json.loads(capsys.readouterr().out)
    assert code == 0
    assert data["model"] == "gpt-5.4"
    assert data["table"].startswith("genai-prices@")
    assert data["newest_price"] > "2026"
    assert data["used"]["provider"] == "openai"
    assert data["used"]["rates"][0] == {
        "name": "input",
        "usd": 2.5,
        "per": "1M tokens",
        "above": [{"input_tokens": 272000, "usd": 5.0}],
    }
    assert {"azure", "github-copilot"} <= {offer["provider"] for offer in data["others"]}
    assert set(data["used"]["tiers"]) == {"flex", "priority", "fast", "batch"}


def test_one_provider_is_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("gpt-4o", "--provider", "azure.ai.openai")

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("gpt-4o, sold by azure\n")
    assert "sold also by" not in out


def test_a_name_that_does_not_say_who_is_paid_lists_the_sellers(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("llama-3.3-70b")

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("llama-3.3-70b: the name alone does not say who is paid; choose with --provider\n")
    assert "  cerebras   0.85    1.20  llama-3.3-70b\n" in out
    assert "\nSource: genai-prices@" in out


def test_a_free_model_a_price_by_the_hour_and_one_for_a_time_of_day(
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes = [
        run("gpt-4o", "--provider", "github-copilot"),
        run("whisper-1", "--provider", "openai"),
        run("deepseek-chat", "--provider", "deepseek"),
        run("deepseek-chat", "--provider", "deepseek", "--format", "json"),
    ]

    out = capsys.readouterr().out
    assert codes == [0, 0, 0, 0]
    assert "free, according to the table" in out
    assert "  audio              0.36  per hour\n" in out
    assert "  These prices hold until 20" in out
    assert '"until": "20' in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["gpt-9o"], "no price for 'gpt-9o'; did you mean gpt-4o or "),
        (["\x1b[31mzzzzzzzz"], "no price for '\\x1b[31mzzzzzzzz'\n"),
        (["gpt-4o", "--provider", "ollama"], "no price for 'gpt-4o' at 'ollama'; it is sold by azure, "),
        (["claude-sonet-4-5", "--provider", "anthropic"], "at 'anthropic'; did you mean claude-sonnet-4-5"),
    ],
)
def test_an_unknown_model_is_one_clear_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(*words)

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("agentprof: no price for ")
    assert complaint in err
    assert err.count("\n") == 1


def test_own_prices_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"gpt-4o": {"input": 1, "output": 2.125}}', encoding="utf-8")
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(path))

    code = run("gpt-4o")

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("gpt-4o, sold by any provider\n")
    assert "  input         1.00  per 1M tokens\n  output       2.125  per 1M tokens\n" in out
    assert "\nSource: own-prices@20" in out
    assert "  openai           2.50   10.00  gpt-4o\n" in out


_AZURE = {"input": 1, "output": 2.125, "provider": "azure.ai.openai"}


def _own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **prices: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(prices), encoding="utf-8")
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(path))


def test_own_prices_of_one_provider_lead_the_list_and_replace_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _own_prices(tmp_path, monkeypatch, **{"gpt-4o": _AZURE, "gpt-*": {**_AZURE, "provider": "venice"}})

    codes = run("gpt-4o"), run("gpt-4o", "--format", "json")

    text, _, data = capsys.readouterr().out.partition("{")
    lines = [line.split() for line in text.splitlines()]
    at = next(number for number, words in enumerate(lines) if words[:3] == ["sold", "also", "by"])
    assert codes == (0, 0)
    assert text.startswith("gpt-4o, sold by openai\n")
    assert lines[at + 1] == ["azure", "1.00", "2.125", "gpt-4o", "(your", "own", "price)"]
    assert lines[at + 2] == ["venice", "1.00", "2.125", "gpt-*", "(your", "own", "price)"]
    assert [words[0] for words in lines[at:]].count("azure") == 1
    assert [offer["provider"] for offer in json.loads("{" + data)["others"]][:2] == ["azure", "venice"]


def test_a_model_that_only_own_prices_of_a_provider_know_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _own_prices(tmp_path, monkeypatch, **{"my-model": _AZURE})

    code = run("my-model")

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("my-model: the name alone does not say who is paid; choose with --provider\n")
    assert "  azure     1.00   2.125  my-model (your own price)\n" in out


def test_an_own_price_of_the_seller_that_the_name_tells_is_what_a_call_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _own_prices(tmp_path, monkeypatch, **{"gpt-4o": {**_AZURE, "provider": "openai"}})

    code = run("gpt-4o")

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("gpt-4o, sold by openai\n")
    assert "  input         1.00  per 1M tokens\n" in out
    assert "your own price" not in out  # in the list of the others: it is said above
    assert "\nSource: own-prices@20" in out


def test_a_broken_file_of_own_prices_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"gpt-4o": {"input": 1}}', encoding="utf-8")
    monkeypatch.setenv("OTEL_AGENTPROF_PRICES", str(path))

    code = run("gpt-4o")

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err == f"agentprof: {path}: 'gpt-4o': 'output' is missing; give 0 where it costs nothing\n"


def test_no_table_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = table.Loader()
    loader._done.set()
    monkeypatch.setattr(table, "_LOADER", loader)

    code = run("gpt-4o")

    assert code == 2
    assert capsys.readouterr().err == "agentprof: there is no price table: install genai-prices\n"


def test_an_empty_table_has_no_near_names(capsys: pytest.CaptureFixture[str]) -> None:
    set_custom_snapshot(DataSnapshot([], from_auto_update=False))
    try:
        code = run("gpt-4o")
    finally:
        set_custom_snapshot(None)

    assert code == 2
    assert capsys.readouterr().err == "agentprof: no price for 'gpt-4o'\n"
