"""instrument() and uninstrument(): what is patched, what is left alone, and that it all comes back."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import openai
import pytest
import wrapt
from endings import ends_with_open_streams
from openai.resources.chat.completions import AsyncCompletions, Completions
from opentelemetry import context as context_api
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from surfaces import SURFACES

import otel_agentprof
from otel_agentprof.instrumentation.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import Connect, Spans
    from loopback import Loopback

CHAT, MESSAGES = SURFACES[0], SURFACES[4]


def patched_attributes() -> dict[str, Any]:
    found = {}
    for target in REGISTRY.targets():
        module, _, path = target.path.partition(":")
        name, _, attribute = path.rpartition(".")
        if target.state == "patched":
            place = getattr(sys.modules[module], name) if name else sys.modules[module]
            found[target.path] = vars(place)[attribute]
    return found


def test_uninstrument_puts_the_very_same_functions_back(pipeline: Spans) -> None:
    before = (vars(Completions)["create"], vars(AsyncCompletions)["parse"])

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        during = patched_attributes()
        is_patched = vars(Completions)["create"] is not before[0]

    assert is_patched
    assert len(during) >= 20
    assert (vars(Completions)["create"], vars(AsyncCompletions)["parse"]) == before
    assert not any(isinstance(value, wrapt.ObjectProxy) for value in patched_attributes().values())


def test_a_second_instrument_changes_nothing(pipeline: Spans) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider) as first:
        during = patched_attributes()

        second = otel_agentprof.instrument(exclude=["openai"])

        assert second is first
        assert patched_attributes() == during


def test_a_client_made_before_is_covered_and_after_is_bare(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    client = connect(CHAT)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        client.chat.completions.create(**CHAT.arguments)
    client.chat.completions.create(**CHAT.arguments)

    assert len(pipeline.all()) == 1


def test_a_method_taken_while_instrumented_only_passes_on_later(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        create = connect(CHAT).chat.completions.create

    create(**CHAT.arguments)

    assert pipeline.all() == ()


@pytest.mark.parametrize("choice", [{"include": ["anthropic"]}, {"exclude": ["openai"]}])
def test_include_and_exclude_choose_clients(
    choice: dict[str, Any], pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    with otel_agentprof.instrument(tracer_provider=pipeline.provider, **choice):
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        connect(MESSAGES).messages.create(**MESSAGES.arguments)

    assert [dict(span.attributes or {})["gen_ai.provider.name"] for span in pipeline.all()] == ["anthropic"]


def test_an_unknown_library_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(otel_agentprof.AgentProfError, match=r"'opneai'.*anthropic.*openai"):
        otel_agentprof.instrument(include=["opneai"])


@pytest.mark.parametrize("given", [{"include": "openai"}, {"exclude": "openai"}])
def test_a_name_that_is_no_list_of_names_is_an_error_that_shows_one(given: dict[str, Any]) -> None:
    with pytest.raises(otel_agentprof.AgentProfError, match=r'\["openai", "langchain"\]'):
        otel_agentprof.instrument(**given)


@pytest.mark.parametrize("names", ["*", "agentprof_openai,agentprof_anthropic"])
def test_disabled_instrumentations_are_honoured(
    names: str, pipeline: Spans, server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", names)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert pipeline.all() == ()


def test_a_disabled_sdk_patches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    before = vars(Completions)["create"]

    with otel_agentprof.instrument() as handle:
        assert vars(Completions)["create"] is before

    assert handle.processor is None


@pytest.mark.parametrize(
    "silence",
    [
        suppress_instrumentation,
        lambda: _with_key("suppress_language_model_instrumentation"),
        lambda: _with_key("opentelemetry.genai.client.inference.context"),
    ],
    ids=["otel", "openllmetry", "util-genai"],
)
def test_suppression_by_anyone_is_honoured(
    silence: Any, server: Loopback, spans: Spans, connect: Connect
) -> None:
    with silence():
        connect(CHAT).chat.completions.create(**CHAT.arguments)

    assert spans.all() == ()


class _with_key:  # noqa: N801 - reads as what it does
    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        self._token = context_api.attach(context_api.set_value(self._key, True))  # noqa: FBT003 - by position

    def __exit__(self, *_: object) -> None:
        context_api.detach(self._token)


def test_an_unsampled_call_leaves_no_span_and_works(
    pipeline: Spans, server: Loopback, connect: Connect
) -> None:
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(pipeline.exporter))

    with otel_agentprof.instrument(tracer_provider=provider):
        items = list(connect(CHAT).chat.completions.create(**CHAT.arguments, stream=True))

    assert len(items) == 6
    assert pipeline.all() == ()


def test_what_another_package_has_wrapped_is_left_to_it(
    pipeline: Spans, server: Loopback, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def foreign(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapper = wrapt.FunctionWrapper(vars(Completions)["create"], foreign)
    monkeypatch.setattr(Completions, "create", wrapper)

    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        connect(CHAT).chat.completions.create(**CHAT.arguments)
        foreign_targets = [target for target in REGISTRY.targets() if target.state == "foreign"]

    assert pipeline.all() == ()
    assert vars(Completions)["create"] is wrapper
    assert [target.detail for target in foreign_targets] == ["test_instrument"]


def test_a_wrapper_around_ours_survives_uninstrument(
    pipeline: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Completions, "create", vars(Completions)["create"])  # put back when all is over
    with otel_agentprof.instrument(tracer_provider=pipeline.provider):
        theirs = wrapt.FunctionWrapper(vars(Completions)["create"], lambda w, _i, a, k: w(*a, **k))
        Completions.create = theirs  # type: ignore[method-assign]

    assert vars(Completions)["create"] is theirs


def test_nothing_is_imported_that_the_user_did_not_import() -> None:
    code = (
        "import sys, otel_agentprof; otel_agentprof.instrument();"
        "print([m for m in ('openai', 'anthropic', 'rich') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_client_imported_after_instrument_is_patched(server: Loopback) -> None:
    code = f"""
import otel_agentprof
reports = []
with otel_agentprof.instrument(on_report=reports.append):
    import openai
    openai.OpenAI(api_key="none", base_url="{server.url}/v1").responses.create(model="gpt-5-mini", input="x")
print(reports[0].usage.input)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "1200"


@ends_with_open_streams
def test_a_stream_left_at_the_end_of_the_program_is_still_reported(server: Loopback) -> None:
    code = f"""
import openai, otel_agentprof
otel_agentprof.instrument(on_report=lambda report: print(report.usage.input, report.by_role["llm"].count))
stream = openai.OpenAI(api_key="none", base_url="{server.url}/v1").chat.completions.create(
    model="gpt-5-mini", messages=[], stream=True)
next(stream)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "0 1"


def test_the_module_level_client_is_covered(
    server: Loopback, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "api_key", "none")
    monkeypatch.setattr(openai, "base_url", f"{server.url}/v1/")

    openai.chat.completions.create(**CHAT.arguments)

    assert spans.facts()["gen_ai.usage.input_tokens"] == 1200
    openai._reset_client()
