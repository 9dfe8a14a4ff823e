from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import serve

_CALL = """
import openai
from opentelemetry import trace
client = openai.OpenAI()
with trace.get_tracer("app").start_as_current_span("request"):
    client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}])
"""
_ANTHROPIC_CALL = """
import anthropic
from opentelemetry import trace
client = anthropic.Anthropic()
with trace.get_tracer("app").start_as_current_span("request"):
    client.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=[])
"""
_INSTRUMENT = Path(sys.executable).parent / "opentelemetry-instrument"


def _spans(text: str) -> list[dict[str, Any]]:
    """Return the JSON documents of a console exporter."""
    found, decoder, place = [], json.JSONDecoder(), 0
    while (place := text.find("{", place)) >= 0:
        span, place = decoder.raw_decode(text, place)
        found.append(span)
    return found


@pytest.mark.parametrize(
    ("program", "name"), [(_CALL, "chat gpt-5-mini"), (_ANTHROPIC_CALL, "chat claude-sonnet-4-5")]
)
def test_opentelemetry_instrument_finds_our_instrumentors_and_our_processor(
    tmp_path: Path, program: str, name: str
) -> None:
    app = tmp_path / "app.py"
    app.write_text(program)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    with serve() as server:
        done = subprocess.run(
            [_INSTRUMENT, sys.executable, str(app)],
            env={
                **kept,
                "OTEL_TRACES_EXPORTER": "console",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OPENAI_API_KEY": "none",
                "OPENAI_BASE_URL": f"{server.url}/v1",
                "ANTHROPIC_API_KEY": "none",
                "ANTHROPIC_BASE_URL": server.url,
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    spans = {span["name"]: span for span in _spans(done.stdout)}
    assert set(spans) == {"request", name, "agentprof.analysis"}
    assert spans[name]["attributes"]["agentprof.cost.total"] > 0
    assert spans[name]["parent_id"] == spans["request"]["context"]["span_id"]
    assert spans["agentprof.analysis"]["attributes"]["agentprof.span_count"] == 2
    assert len(server.requests) == 1
