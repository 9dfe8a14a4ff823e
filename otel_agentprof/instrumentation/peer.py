"""Who is at the other end of a client: provider name and server, found once per base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv

if TYPE_CHECKING:
    from otel_agentprof.instrumentation.spec import ProviderSpec

_MAX_KNOWN: Final = 256


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
    """Peers by client class and base URL.

    Keyed by the identity of the URL object, which is kept alive here: hashing a URL costs a dozen calls, and
    a client that is pointed elsewhere gets a new URL object.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[type, int], tuple[object, Peer]] = {}

    def peer(self, provider: ProviderSpec, client: Any) -> Peer:
        """Return who a client talks to."""
        url = client.base_url
        key = (client.__class__, id(url))
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
    attributes: dict[str, Any] = {semconv.PROVIDER_NAME: name}
    address = getattr(url, "host", None) or None
    if address:
        attributes[semconv.SERVER_ADDRESS] = address
        default = {"https": 443, "http": 80}.get(url.scheme)
        attributes[semconv.SERVER_PORT] = url.port or default or 0
    return Peer(name, address, attributes)
