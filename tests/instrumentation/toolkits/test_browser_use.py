"""browser-use: each action is a tool's span; a failure comes as a result. In an environment of its own."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Spans

pytestmark = pytest.mark.filterwarnings("ignore")


def test_each_action_is_a_span_with_its_name(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "false")
    pytest.importorskip("browser_use")
    tools = import_module("browser_use.tools.service").Tools()
    make = tools.registry.create_action_model()

    async def act(action: dict[str, Any]) -> Any:
        return await tools.act(make(**action), browser_session=None)

    waited = asyncio.run(act({"wait": {"seconds": 0}}))
    failed = asyncio.run(act({"navigate": {"url": "https://canary.example", "new_tab": False}}))

    one, other = spans.all()
    assert (waited.error is None, failed.error is None) == (True, False)
    assert [span.name for span in (one, other)] == ["execute_tool wait", "execute_tool navigate"]
    assert one.status.status_code is StatusCode.UNSET
    assert other.status.status_code is StatusCode.ERROR
    assert (other.attributes or {})["error.type"] == "tool_error"
    assert "canary" not in other.to_json()


def test_the_run_of_an_agent_is_patched(spans: Spans) -> None:
    pytest.importorskip("browser_use")
    import_module("browser_use.agent.service")

    states = {target.path: target.state for target in REGISTRY.targets() if target.provider == "browser_use"}

    assert states == {
        "browser_use.agent.service:Agent.run": "patched",
        "browser_use.tools.service:Tools.act": "patched",
    }
