"""The LLM clients that we know, one file of data each."""

from __future__ import annotations

from typing import Final

# The short name of a library, which is also its file here, and the module whose import makes it needed.
MODULES: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "cohere": "cohere",
    "groq": "groq",
    "mistral": "mistralai.client",
    "ollama": "ollama",
    "together": "together",
    "azure_ai_inference": "azure.ai.inference",
    "huggingface": "huggingface_hub",
    "litellm": "litellm",
    "google_genai": "google.genai",
    "bedrock": "botocore.client",
}
