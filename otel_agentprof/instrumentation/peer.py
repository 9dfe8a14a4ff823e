"""Who is at the other end of a client: provider name and server, found once per base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from otel_agentprof import semconv
from otel_agentprof.instrumentation.shapes import compatible

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.spec import ProviderSpec, Reply

_MAX_KNOWN: Final = 256
_SELLERS: Final = {  # by the end of the host name, as OpenTelemetry calls them where it has a name
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "azure-api.net": "azure.ai.openai",
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
    "api.together.ai": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.cerebras.ai": "cerebras",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.novita.ai": "novita",
    "api.z.ai": "zai",
    "inference.baseten.co": "baseten",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "models.github.ai": "github",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",  # with "us-central1-" before it
    "api.anthropic.com": "anthropic",
    "api.openai.com": "openai",
}


class Peer(NamedTuple):
    """A provider behind an address.

    Attributes:
        provider: ``gen_ai.provider.name``.
        address: Host name, None where the client names none.
        url: The base URL as a text.
        attributes: What every span to this peer has.
        read_more: Add to a Reply what this peer tells in a way of its own; also called with each chunk.
        stranger: Who it is taken for when it is asked for a model that the client's vendor does not have;
            None where the address is known.
    """

    provider: str
    address: str | None
    attributes: dict[str, Any]
    url: str = ""
    read_more: Callable[[Reply, Any], None] | None = None
    stranger: Peer | None = None


class PeerBook:
    """Peers by library, client class and base URL.

    Keyed by the URL's text or, where it is an object, by its identity, and kept alive here: hashing such an
    object costs a dozen calls, and a client that is pointed elsewhere gets a new one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, type | str, object], tuple[object, Peer]] = {}

    def peer(self, provider: ProviderSpec, client: Any) -> Peer:
        """Return who a client talks to."""
        url = provider.url_of(client)
        name = None if provider.provider_of is None else provider.provider_of(client)
        key = (provider.name, name or client.__class__, url if url.__class__ is str else id(url))
        known = self._known  # another thread may start a new one: this one never shrinks
        if key in known:
            return known[key][1]
        if len(known) >= _MAX_KNOWN:
            self._known = known = {}
        peer = _find(provider, client, url, name)
        known[key] = (url, peer)
        return peer


def _find(provider: ProviderSpec, client: Any, url: Any, told: str | None) -> Peer:
    names = [base.__name__ for base in type(client).__mro__]  # a user's subclass of AzureOpenAI is Azure too
    found = [provider.provider_by_client[name] for name in names if name in provider.provider_by_client]
    found[:0] = [told] if told else []
    address, port = _server(url)
    known = found[0] if found else seller(address)
    server = {semconv.SERVER_ADDRESS: address, semconv.SERVER_PORT: port} if address else {}
    name = known or provider.provider
    peer = Peer(name, address, {semconv.PROVIDER_NAME: name, **server} if name else server, str(url))
    if provider.own_models is None:
        return peer
    if known is None and address:
        other = f"{provider.name}_compatible"
        peer = peer._replace(
            stranger=peer._replace(provider=other, attributes={semconv.PROVIDER_NAME: other, **server})
        )
    return peer._replace(read_more=compatible.READ_MORE.get(name))


def _server(url: Any) -> tuple[str | None, int]:
    parts = urlsplit(url if "://" in url else f"//{url}") if url.__class__ is str else url
    host = getattr(parts, "hostname", None) or getattr(parts, "host", None) or None
    default = {"https": 443, "http": 80}.get(getattr(parts, "scheme", ""))
    return host, (getattr(parts, "port", None) or default or 0)


def seller(host: str | None) -> str | None:
    """Return who is behind a host that clients of another vendor are often pointed at."""
    if host is None:
        return None
    for ending, provider in _SELLERS.items():
        if host == ending or host.endswith((f".{ending}", f"-{ending}")):
            return provider
    is_bedrock = host.startswith("bedrock-") and host.endswith((".amazonaws.com", ".api.aws"))
    return "aws.bedrock" if is_bedrock else None
