"""Who is paid for a call: from OpenTelemetry's provider names and server addresses to the table's sellers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genai_prices.types import ModelInfo, Provider

_SELLER_IDS: Final[Mapping[str, str]] = {
    "gcp.gen_ai": "google",
    "gcp.gemini": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
}
# A cloud that sells another firm's models has both names in its own ("anthropic_vertex"): the cloud is paid.
_CLOUDS: Final = (("azure", "azure"), ("bedrock", "aws"), ("vertex", "google"))
# Names of a library or of a manner of speaking, not of somebody who is paid.
_ROUTERS: Final = frozenset({"", "litellm", "openai_compatible", "anthropic_compatible"})


def seller_id(provider: str) -> str:
    """Return the table's name of a provider, or the given name in lower case where it has none."""
    name = provider.strip().lower()
    for word, cloud in _CLOUDS:
        if word in name:
            return cloud
    return _SELLER_IDS.get(name, name)


def seller_at(sellers: Sequence[Provider], server_address: str | None) -> Provider | None:
    """Return the seller whose API answers at a host or URL; None for localhost, proxies and unknown hosts."""
    if not server_address:
        return None
    url = server_address if "://" in server_address else f"https://{server_address}"
    return next((seller for seller in sellers if re.match(seller.api_pattern, url)), None)


def find(
    sellers: Sequence[Provider], model: str, *, provider: str | None, server_address: str | None
) -> tuple[Provider, ModelInfo] | None:
    """Return the seller and the entry of the table that a call is billed by; None when it has none.

    The address wins, since a client that was pointed elsewhere still names its own vendor. Where nobody is
    named, the model's name decides, but not for an unknown address: that may serve an open model itself.
    """
    seller = seller_at(sellers, server_address)
    if seller is None and provider is not None and seller_id(provider) not in _ROUTERS:
        seller = seller_called(sellers, provider)
    elif seller is None and not server_address:
        return _find_by_name(sellers, model)
    return None if seller is None else _offer(sellers, seller, model)


def _find_by_name(sellers: Sequence[Provider], model: str) -> tuple[Provider, ModelInfo] | None:
    vendor, slash, rest = model.partition("/")  # LiteLLM's spelling: vendor/model
    named = seller_called(sellers, vendor) if slash else None
    if named is not None:
        return _offer(sellers, named, rest)
    name = model.lower()
    for seller in sellers:
        if seller.model_match is not None and seller.model_match.is_match(name):
            return _offer(sellers, seller, model)
    return None


def seller_called(sellers: Sequence[Provider], provider: str) -> Provider | None:
    """Return the seller of that name, else one whose rule fits the name; None when nobody's does."""
    name = seller_id(provider)
    for seller in sellers:
        if seller.id == name:
            return seller
    for seller in sellers:
        if seller.provider_match is not None and seller.provider_match.is_match(name):
            return seller
    return None


def _offer(sellers: Sequence[Provider], seller: Provider, model: str) -> tuple[Provider, ModelInfo] | None:
    everybody = list(sellers)
    info = seller.find_model(model, all_providers=everybody)
    if info is None and "models/" in model:  # Google's resource names: publishers/google/models/NAME
        info = seller.find_model(model.rpartition("models/")[2], all_providers=everybody)
    if info is None and seller.id == "google" and model.startswith("google/"):  # at Vertex's OpenAI endpoint
        info = seller.find_model(model.removeprefix("google/"), all_providers=everybody)
    return None if info is None else (seller, info)
