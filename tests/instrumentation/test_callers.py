"""For whom a client asks: two callers are never told as one, and one is told the same each time."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import anthropic
import cohere
import groq
import httpx
import huggingface_hub
import ollama
import openai
import pytest
import together
from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AccessToken, AzureKeyCredential
from botocore.credentials import Credentials, RefreshableCredentials  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]
from google import genai
from google.auth.credentials import AnonymousCredentials
from http_library import OPENAI_HTTP
from mistralai.client import Mistral

from otel_agentprof.instrumentation import libraries
from otel_agentprof.instrumentation.callers import Here, by_identity
from otel_agentprof.instrumentation.spec import ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://127.0.0.1:9"


def told(provider: str, client: Any) -> Any:
    """Return a caller as a key has it."""
    spec = libraries.known()[provider].load()
    assert isinstance(spec, ProviderSpec)
    return spec.caller_of(client)


def aws(name: str, *, refreshed: bool = False, region: str = "us-east-1") -> Any:
    session = Session()
    keys = RefreshableCredentials(name, "s", "t", None, dict, "test") if refreshed else Credentials(name, "s")
    session._credentials = keys
    return session.create_client("bedrock-runtime", region_name=region)


def google(name: str) -> Any:
    return genai.Client(api_key=name)._api_client


def mistral(key: Any) -> Any:
    return Mistral(api_key=key).sdk_configuration


BY_VALUE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "openai": ("openai", lambda name: openai.OpenAI(api_key=name)),
    "openai organization": ("openai", lambda name: openai.OpenAI(api_key="k", organization=name)),
    "openai project": ("openai", lambda name: openai.AsyncOpenAI(api_key="k", project=name)),
    "openai headers": ("openai", lambda name: openai.OpenAI(api_key="k", default_headers={"x": name})),
    "openai query": ("openai", lambda name: openai.OpenAI(api_key="k", default_query={"x": name})),
    "openai http": (
        "openai",
        lambda name: openai.OpenAI(api_key="k", http_client=OPENAI_HTTP.Client(headers={"x": name})),
    ),
    "openai basic": (
        "openai",
        lambda name: openai.OpenAI(api_key="k", http_client=OPENAI_HTTP.Client(auth=(name, "b"))),
    ),
    "openai cookies": (
        "openai",
        lambda name: openai.OpenAI(api_key="k", http_client=OPENAI_HTTP.Client(cookies={"x": name})),
    ),
    "azure openai": (
        "openai",
        lambda name: openai.AzureOpenAI(azure_ad_token=name, azure_endpoint=URL, api_version="1"),
    ),
    "anthropic": ("anthropic", lambda name: anthropic.Anthropic(api_key=name)),
    "anthropic token": ("anthropic", lambda name: anthropic.AsyncAnthropic(auth_token=name)),
    "groq": ("groq", lambda name: groq.Groq(api_key=name)),
    "together": ("together", lambda name: together.Together(api_key=name)),
    "cohere": ("cohere", lambda name: cohere.Client(api_key=name)),
    "cohere v2": ("cohere", lambda name: cohere.ClientV2(api_key=name)),
    "mistral": ("mistral", mistral),
    "google": ("google_genai", google),
    "ollama": ("ollama", lambda name: ollama.Client(headers={"authorization": name})._client),
    "hugging face": ("huggingface", lambda name: huggingface_hub.InferenceClient(token=name)),
    "hugging face bill": (
        "huggingface",
        lambda name: huggingface_hub.InferenceClient(token="hf_t", bill_to=name),  # noqa: S106 - nobody's
    ),
    "azure": ("azure_ai_inference", lambda name: ChatCompletionsClient(URL, AzureKeyCredential(name))),
    "bedrock": ("bedrock", aws),
}


@pytest.mark.parametrize("name", BY_VALUE)
def test_two_callers_are_told_apart_by_value(name: str) -> None:
    provider, make = BY_VALUE[name]

    alice, again, bob = (told(provider, make(who)) for who in ("alice", "alice", "bob"))

    assert alice == again
    assert alice != bob
    assert type(alice) is not Here


class Token:
    """What fetches tokens."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("t", 9_999_999_999)


def _vertex() -> Any:
    client = google("a")
    client._credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google's
    return client


BY_ITSELF: dict[str, tuple[str, Callable[[], Any]]] = {
    "anthropic bedrock": ("anthropic", lambda: anthropic.AnthropicBedrock(aws_region="us-east-1")),
    "azure": ("azure_ai_inference", lambda: ChatCompletionsClient(URL, Token())),
    "bedrock": ("bedrock", lambda: aws("a", refreshed=True)),
    "google": ("google_genai", _vertex),
}


@pytest.mark.parametrize("name", BY_ITSELF)
def test_an_object_that_fetches_keys_is_told_by_itself(name: str) -> None:
    provider, make = BY_ITSELF[name]
    one, other = make(), make()

    assert type(told(provider, one)) is Here
    assert told(provider, one) == told(provider, one) != told(provider, other)


class OwnHeaders(openai.OpenAI):
    """A client that decides anew for each request."""

    @property
    def auth_headers(self) -> dict[str, str]:
        return {}


UNKNOWN: dict[str, tuple[str, Callable[[], Any]]] = {
    "openai": ("openai", lambda: openai.OpenAI(api_key=lambda: "k")),
    "openai azure": (
        "openai",
        lambda: openai.AzureOpenAI(azure_ad_token_provider=lambda: "t", azure_endpoint=URL, api_version="1"),
    ),
    "openai class": ("openai", lambda: OwnHeaders(api_key="k")),
    "openai auth": (
        "openai",
        lambda: openai.OpenAI(api_key="k", http_client=OPENAI_HTTP.Client(auth=lambda asked: asked)),
    ),
    "ollama hook": ("ollama", lambda: httpx.Client(event_hooks={"request": [print]})),
    "cohere": ("cohere", lambda: cohere.Client(api_key=lambda: "k")),
    "mistral": ("mistral", lambda: mistral(lambda: "k")),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_nobody_knows_for_whom_a_function_answers(name: str) -> None:
    provider, make = UNKNOWN[name]

    with pytest.raises((AttributeError, TypeError)):
        told(provider, make())


class Named(openai.OpenAI):
    """A class of the user's that leaves requests alone."""


def test_a_class_of_the_users_that_leaves_requests_alone_is_known() -> None:
    assert told("openai", Named(api_key="a")) != told("openai", Named(api_key="b"))


def test_the_module_as_a_client_is_told_by_what_the_module_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "api_key", "alice")
    client = openai.chat.completions._client

    alice = told("openai", client)
    monkeypatch.setattr(openai, "api_key", "bob")

    assert told("openai", client) != alice


def test_cookies_of_load_balancers_name_nobody() -> None:
    one = httpx.Client(cookies={"x": "a"})
    other = httpx.Client(cookies={"x": "a", "__cf_bm": "1"})

    assert told("ollama", one) == told("ollama", other)


def test_hugging_face_without_a_token_asks_with_that_of_the_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    client = huggingface_hub.InferenceClient()
    monkeypatch.setenv("HF_TOKEN", "alice")

    alice = told("huggingface", client)
    monkeypatch.setenv("HF_TOKEN", "bob")

    assert told("huggingface", client) != alice


def test_litellm_asks_with_what_its_module_and_the_environment_say(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("litellm")
    monkeypatch.setitem(sys.modules, "litellm", module)
    first = told("litellm", None)

    monkeypatch.setenv("OPENAI_API_KEY", "bob")
    second = told("litellm", None)
    module.api_key = "carol"

    assert first != second != told("litellm", None)


def test_aws_is_told_by_its_bearer_token_too() -> None:
    def signed_by(token: Any) -> Any:
        signer = SimpleNamespace(_credentials=None, _auth_token=token, _signature_version="bearer")
        return SimpleNamespace(meta=SimpleNamespace(region_name="r"), _request_signer=signer)

    plain, other = (signed_by(SimpleNamespace(token=name)) for name in "ab")
    frozen = signed_by(SimpleNamespace(get_frozen_token=lambda: SimpleNamespace(token="a")))  # noqa: S106 - nobody's

    assert told("bedrock", plain) == told("bedrock", frozen) != told("bedrock", other)
    assert told("bedrock", signed_by(None)) != told("bedrock", plain)


def test_a_client_that_nobody_knows_is_told_by_itself() -> None:
    one, other = OwnHeaders(api_key="a"), OwnHeaders(api_key="a")

    assert by_identity(one) == by_identity(one) != by_identity(other)
    with pytest.raises(TypeError):
        by_identity(None)
