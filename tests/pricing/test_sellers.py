from __future__ import annotations

import pytest

from otel_agentprof import pricing
from otel_agentprof.pricing.sellers import seller_id


@pytest.mark.parametrize(
    ("provider", "seller"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("aws.bedrock", "aws"),
        ("azure.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("az.ai.openai", "azure"),
        ("gcp.gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gen_ai", "google"),
        ("anthropic_vertex", "google"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("moonshot_ai", "moonshotai"),
        (" Groq ", "groq"),
        ("ollama", "ollama"),
    ],
)
def test_a_provider_has_the_tables_name(provider: str, seller: str) -> None:
    assert seller_id(provider) == seller


@pytest.mark.parametrize(
    ("model", "provider", "address", "seller"),
    [
        ("gpt-4o", "openai", "api.openai.com", "openai"),
        ("gpt-4o", "openai", "localhost", "openai"),
        ("gpt-4o", "openai", "127.0.0.1", "openai"),
        ("gpt-4o", "openai", "llm-proxy.example.com", "openai"),
        ("openai/gpt-4o", "openai", "openrouter.ai", "openrouter"),
        ("deepseek-chat", "openai", "api.deepseek.com", "deepseek"),
        ("deepseek-chat", "openai", "https://api.deepseek.com/v1", "deepseek"),
        ("gpt-4o", "openai", "my-firm.openai.azure.com", "azure"),
        ("gemini-2.5-flash", "openai", "generativelanguage.googleapis.com", "google"),
        ("claude-sonnet-4-5", "anthropic", "us-east5-aiplatform.googleapis.com", "google"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "aws.bedrock", None, "aws"),
        ("claude-3-haiku-20240307", "anthropic", "bedrock-runtime.us-east-1.amazonaws.com", "aws"),
        ("publishers/google/models/gemini-2.5-flash", "gcp.vertex_ai", None, "google"),
        ("GPT-4o", "OpenAI", None, "openai"),
        ("gpt-4o", None, None, "openai"),
        ("gpt-4o", "litellm", None, "openai"),
        ("anthropic/claude-sonnet-4-5", "litellm", None, "anthropic"),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", None, None, "aws"),
        ("openrouter/openai/gpt-4o", None, None, "openrouter"),
        ("gemini-2.5-flash", "vertex_ai_beta", None, "google"),
        ("mistral-large-latest", "mistral_ai", None, "mistral"),
        ("gpt-4o-mini", "openai-responses", None, "openai"),
    ],
)
def test_who_is_paid(model: str, provider: str | None, address: str | None, seller: str) -> None:
    card = pricing.rate_card(model, provider=provider, server_address=address)

    assert card is not None
    assert card.provider == seller


@pytest.mark.parametrize(
    ("model", "provider", "address"),
    [
        ("my-finetune", "openai", None),
        ("gpt-99", None, None),
        ("llama3.2", "ollama", "localhost"),
        (
            "gpt-4o",
            "openai",
            "api.groq.com",
        ),  # the address knows better than the client, and has no such model
        ("deepseek-r1", None, "localhost"),  # the name fits DeepSeek's own API, but this is not it
        ("google/gemma-3-27b-it", "openai", "localhost"),  # a local server of open weights
        ("nobody/gpt-4o", None, None),
        ("gpt-4o", "ibm.watsonx.ai", None),
        ("", None, None),
    ],
)
def test_a_price_that_nobody_knows_is_none(model: str, provider: str | None, address: str | None) -> None:
    assert pricing.rate_card(model, provider=provider, server_address=address) is None
