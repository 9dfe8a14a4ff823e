from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
import pytest
from loopback import serve
from programs import agentprof

from otel_agentprof.cli import demo, demo_export, demo_server, main

if TYPE_CHECKING:
    from pathlib import Path

    from otel_agentprof.report.report import Report


def test_the_demo_ends_with_a_report_that_shows_what_the_product_does() -> None:
    # A proxy that nobody answers at, a sampler that drops all, an exporter without a collector.
    ours = agentprof(
        "demo",
        HTTP_PROXY="http://127.0.0.1:9",
        HTTPS_PROXY="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )

    assert ours.returncode == 0
    assert ours.stderr.count("\n") == 1
    assert "█ on the critical path" in ours.stdout
    assert "cost      $0.0" in ours.stdout
    assert "cached" in ours.stdout
    assert "4 LLM, 6 tool in 12 spans" in ours.stdout
    assert max(map(len, ours.stdout.splitlines())) <= 80


def test_the_demo_has_the_same_structure_every_time(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"

    assert main(["demo", "-o", str(path)]) == 0

    report: dict[str, Any] = json.loads(path.read_text())
    # On a machine that is busy with other things the agent's own code takes its time, too.
    assert {found["rule"] for found in report["findings"]} - {"own_code_gap"} == {
        "costly_operation",
        "slow_tool",
        "sequential_group",
        "prompt_heavy",
    }
    assert set(report["cost"]["by_model"]) == {"gpt-4o", "gpt-5-mini"}
    assert report["cost"]["unpriced_models"] == []
    assert report["tokens"]["cache_read"] > 1024
    assert report["tokens"]["reasoning"] == 64
    assert 2e9 < report["duration_ns"] < 15e9
    sequential = next(found for found in report["findings"] if found["rule"] == "sequential_group")
    assert sequential["confidence"] == "proven"
    assert report["data_quality"] == []


def test_the_demo_leaves_nothing_behind() -> None:
    before = {thread.name for thread in threading.enumerate()}

    with demo_server.serve() as url:
        assert url.startswith("http://127.0.0.1:")

    assert {thread.name for thread in threading.enumerate()} <= before


def test_without_the_client_the_demo_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert main(["demo"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'agentprof: the demo needs the openai client: pip install "otel-agentprof[demo]"\n'


def test_with_the_sdk_disabled_the_demo_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    assert main(["demo"]) == 2
    assert "OTEL_SDK_DISABLED is true" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_the_agent_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "-o", "/nowhere/x"]) == 2
    assert capsys.readouterr().err.startswith("agentprof: cannot write")


def test_a_demo_without_report_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nothing(_: str) -> Report | None:
        return None

    monkeypatch.setattr(demo, "_profiled", nothing)

    assert main(["demo"]) == 2
    assert "no report came of it" in capsys.readouterr().err


def test_the_stand_in_model_knows_its_paths_and_survives_who_hangs_up(
    capfd: pytest.CaptureFixture[str],
) -> None:
    request = {"model": "m", "stream": True, "messages": [], "tools": [{"name": "t"}]}
    with demo_server.serve() as url:
        address = urlsplit(url).netloc
        unknown = http.client.HTTPConnection(address)
        unknown.request("POST", "/v1/embeddings", body="{}")
        status = unknown.getresponse().status
        unknown.close()
        hasty = http.client.HTTPConnection(address)
        hasty.request("POST", "/v1/chat/completions", body=json.dumps(request))
        first = hasty.getresponse().readline()
        hasty.close()

    assert status == 404
    assert first.startswith(b"data: ")
    assert "Traceback" not in capfd.readouterr().err


def test_the_stand_in_model_streams_its_tool_calls() -> None:
    async def ask() -> list[Any]:
        with demo_server.serve() as url:
            async with openai.AsyncOpenAI(
                api_key="x", base_url=f"{url}/v1", http_client=openai.DefaultAsyncHttpxClient(trust_env=False)
            ) as client:
                tool: Any = {"type": "function", "function": {"name": "look"}}
                stream = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "?"}], tools=[tool], stream=True
                )
                return [chunk async for chunk in stream]

    chunks = asyncio.run(ask())

    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.function.name for call in calls] == ["look"]
    assert chunks[-2].choices[0].finish_reason == "tool_calls"


def test_keys_of_the_users_own_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415 - the environment is the subject here

    monkeypatch.setenv("OPENAI_API_KEY", "real")
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    with demo_server.in_place_of_missing_keys():
        inside = dict(os.environ)

    assert inside["OPENAI_API_KEY"] == "real"
    assert "OPENAI_BASE_URL" not in inside
    assert inside["ANTHROPIC_BASE_URL"].startswith("http://127.0.0.1:")
    assert "ANTHROPIC_API_KEY" not in os.environ


def test_a_demo_that_nobody_takes_spans_from_prints_its_report_and_says_so_in_one_line() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and it does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"

        done = agentprof("demo", "--otlp", address)

    assert done.returncode == 2
    assert "█ on the critical path" in done.stdout
    assert done.stderr.splitlines()[1:] == [
        (
            f"agentprof: nobody takes spans at http://{address} (connection refused); "
            "docker compose up -d starts a Collector at 4317"
        )
    ]


def test_an_endpoint_that_is_none_is_told_before_the_agent_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("ftp://localhost", "http://", "localhost:many", "http://localhost:0"):
        assert main(["demo", "--otlp", wrong]) == 2

        assert capsys.readouterr().err == (
            f"agentprof: --otlp {wrong!r} is no endpoint; give one such as http://localhost:4317\n"
        )


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("localhost", "http://localhost:4317"),
        ("[::1]", "http://[::1]:4317"),
        ("https://collector.example/", "https://collector.example:4317/"),
        ("https://collector.example/v1/traces", "https://collector.example:443/v1/traces"),
        ("http://collector.example/v1/traces", "http://collector.example:80/v1/traces"),
        ("http://localhost:4318", "http://localhost:4318"),
    ],
)
def test_an_endpoint_gets_the_scheme_and_the_port_that_it_lacks(given: str, endpoint: str) -> None:
    assert demo_export.checked(given) == endpoint


def test_what_the_exporter_logs_is_the_reason_and_stays_off_the_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve() as server:
        reason = demo_export.send((), f"{server.url}/elsewhere")

    assert reason == "Failed to export spans batch code: 404, reason: Not Found"
    assert caplog.records == []
    assert demo_export.places("ab", "http://[::1]:4317")[0] == "http://[::1]:16686/trace/ab"
