"""Who is at the other end of a client: provider name and server, found once per base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from otel_agentprof import semconv

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import ProviderSpec

_MAX_KNOWN: Final = 256
_SELLERS: Final = {  # by the end of the host name, as OpenTelemetry calls them where it has a name
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.together.xyz": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.cerebras.ai": "cerebras",
    "api.moonshot.ai": "moonshot_ai",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.anthropic.com": "anthropic",
    "api.openai.com": "openai",
}


class Peer(NamedTuple):
    """A provider behind an address.

    Attributes:
        provider: ``gen_ai.provider.name``.
        address: Host name, None where the client names none.
        attributes: What every span to this peer has.
    """

    provider: str
    address: str | None
    attributes: dict[str, Any]


class PeerBook:
    """Peers by library, client class and base URL.

    Keyed by the URL's text or, where it is an object, by its identity, and kept alive here: hashing such an
    object costs a dozen calls, and a client that is pointed elsewhere gets a new one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, type, object], tuple[object, Peer]] = {}

    def peer(self, provider: ProviderSpec, client: Any) -> Peer:
        """Return who a client talks to."""
        url = provider.url_of(client)
        key = (provider.name, client.__class__, url if url.__class__ is str else id(url))
        known = self._known  # another thread may start a new one: this one never shrinks
        if key in known:
            return known[key][1]
        if len(known) >= _MAX_KNOWN:
            self._known = known = {}
        peer = _find(provider, client, url)
        known[key] = (url, peer)
        return peer


def _find(provider: ProviderSpec, client: Any, url: Any) -> Peer:
    names = [base.__name__ for base in type(client).__mro__]  # a user's subclass of AzureOpenAI is Azure too
    found = [provider.provider_by_client[name] for name in names if name in provider.provider_by_client]
    name = found[0] if found else provider.provider
    address, port = _server(url)
    if not found and address:
        name = _seller(address) or name
    attributes: dict[str, Any] = {semconv.PROVIDER_NAME: name} if name else {}
    if address:
        attributes[semconv.SERVER_ADDRESS] = address
        attributes[semconv.SERVER_PORT] = port
    return Peer(name, address, attributes)


def _server(url: Any) -> tuple[str | None, int]:
    parts = urlsplit(url if "://" in url else f"//{url}") if url.__class__ is str else url
    host = getattr(parts, "hostname", None) or getattr(parts, "host", None) or None
    default = {"https": 443, "http": 80}.get(getattr(parts, "scheme", ""))
    return host, (getattr(parts, "port", None) or default or 0)


def _seller(host: str) -> str | None:
    """Return who is behind a host that clients of another vendor are often pointed at."""
    for ending, provider in _SELLERS.items():
        if host == ending or host.endswith(f".{ending}"):
            return provider
    return None
