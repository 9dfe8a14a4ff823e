"""Who is asking: what a client tells a server of the one that it works for, part of a cache's key.

    api key, organization, project ...     by value, hashed together with the whole request
    an object that fetches keys            by the object itself: known in this process only
    a function that is asked each time     nobody knows for whom it answers: no cache

Nothing that is returned here is kept, logged or sent.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof.environment import credentials
from otel_agentprof.model.identity import identity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE: Final = type(None)
_BY_VALUE: Final = frozenset({str, int, float, bool, dict, tuple})
# What Stainless clients hold that tells nobody's name; much of it differs from client to client.
_NOT_TOLD: Final = frozenset(
    {
        "_ambient_authorizations",
        "_base_url",
        "base_url",
        "_client",
        "_default_stream_cls",
        "_idempotency_header",
        "_lazy_tracer",
        "_open_telemetry",
        "_otel",
        "_platform",
        "_strict_response_validation",
        "_timeout",
        "_unchosen_base_url",
        "_version",
        "max_retries",
        "timeout",
        "webhook_key",
        "webhook_secret",
        "websocket_base_url",
    }
)
_KEYS: Final = frozenset({"access_token", "api_key", "auth_token", "aws_access_key"})
# Where a class may put more into a request than its client's state says.
_SEAMS: Final = frozenset(
    {
        "_build_headers",
        "_build_request",
        "_prepare_options",
        "_prepare_request",
        "_prepare_url",
        "auth_headers",
        "default_headers",
        "default_query",
        "post",
        "request",
    }
)
# Cookies that load balancers set: they follow from an answer, not from the one who asks.
_PASSING: Final = frozenset({"AWSALB", "AWSALBCORS", "__cf_bm", "__cflb", "_cfuvid"})
_kinds: Final[dict[type, tuple[str, ...] | None]] = {}  # there are as many as clients have classes


class Here(NamedTuple):
    """A caller that is only known in this process.

    Attributes:
        told: What can be told by its value.
        words: Of the objects that cannot; see :func:`identity_of`.
    """

    told: Any
    words: list[str]


def by_identity(client: Any) -> Here:
    """Return a caller of which nothing is known but its client.

    Raises:
        TypeError: Where there is none.
    """
    return Here(None, [identity_of(client)])


def of_stainless(client: Any) -> Any:
    """Return the caller of a client of OpenAI's kind: all that it holds, and all that its HTTP client adds.

    Raises:
        TypeError: A function, or a class of the user's, has a say in what is sent.
    """
    kind = client.__class__
    properties = _kinds[kind] if kind in _kinds else _properties(kind)
    if properties is None:
        raise TypeError("a class of the user's puts together what is sent")
    held = client.__dict__
    if properties:
        held = {**held, **{name: getattr(client, name) for name in properties}}
    told: dict[str, Any] = {}
    words: list[str] = []
    for name in held:
        value = held[name]
        of = value.__class__
        if of is _NONE or name in _NOT_TOLD:
            continue
        if of in _BY_VALUE:
            told[name] = value
        elif of.__name__ == "URL":
            told[name] = str(value)
        elif ".resources" not in of.__module__:
            words.append(_word(value))
    if _KEYS.isdisjoint(told):  # as of Bedrock and Vertex: it takes what the machine has
        words.append(identity_of(client))
    told["http"] = of_http(client._client)  # noqa: SLF001 - where every client of this kind keeps it
    return Here(told, words) if words else told


def _properties(kind: type) -> tuple[str, ...] | None:
    """Return which parts of a client's state are properties; None where the user's class has a say."""
    library = next(each.__module__ for each in kind.__mro__[::-1] if "BaseClient" in each.__name__)
    own = library.partition(".")[0]
    found: list[str] = []
    is_known = True
    for each in kind.__mro__[:-1]:
        names = vars(each)
        if each.__module__.partition(".")[0] in (own, "typing"):
            if each.__name__ == "_ModuleClient":  # the module itself as a client: its state is the module's
                found += [name for name in names if isinstance(names[name], property)]
        elif not _SEAMS.isdisjoint(names):
            is_known = False
    _kinds[kind] = tuple(found) if is_known else None
    return _kinds[kind]


def of_http(client: Any) -> Any:
    """Return what an HTTP client adds to each request: headers, authentication, cookies.

    Raises:
        TypeError: Where a function has a say.
    """
    for hook in client._event_hooks["request"]:  # noqa: SLF001 - its public reader copies them
        if not getattr(hook, "__module__", "").startswith("openai."):  # Azure's, which adds nobody's name
            raise TypeError("a hook may change what is sent")
    auth, cookies = client._auth, client._cookies.jar._cookies  # noqa: SLF001 - each public reader is a call
    told = repr(client._headers.raw)  # noqa: SLF001 - likewise
    if auth is not None:
        if auth.__class__.__name__ != "BasicAuth":
            raise TypeError("a function makes the credentials of each request")
        told += repr(auth._auth_header)  # noqa: SLF001 - where it is
    if cookies:
        sent = [(each.name, each.value) for each in client.cookies.jar if each.name not in _PASSING]
        told += repr(sorted(sent))
    return told


def of_cohere(client: Any) -> Any:
    """Return the caller of a Cohere client.

    Raises:
        TypeError: Where a function gives the token.
    """
    wrapper = (client._raw_client if hasattr(client, "_raw_client") else client)._client_wrapper  # noqa: SLF001 - has no public name
    told = _text(wrapper._token), wrapper._client_name, wrapper.get_custom_headers()  # noqa: SLF001 - likewise
    return (*told, of_http(wrapper.httpx_client.httpx_client))


def of_mistral(configuration: Any) -> Any:
    """Return the caller of a Mistral client.

    Raises:
        TypeError: Where a function gives the key.
    """
    security = configuration.security
    key = None if security is None else _text(security.api_key)
    http = [each for each in (configuration.client, configuration.async_client) if each is not None]
    return (key, *map(of_http, http))


def of_google(client: Any) -> Any:
    """Return the caller of a Google client; its credentials are told by themselves."""
    options = client._http_options  # noqa: SLF001 - the one place where it is kept
    told = client.vertexai, client.api_key, client.project, client.location, options.headers
    clients = client._httpx_client, client._async_httpx_client  # noqa: SLF001 - likewise
    told += tuple(of_http(each) for each in clients if each is not None)
    return told if client._credentials is None else Here(told, [identity_of(client._credentials)])  # noqa: SLF001 - likewise


def of_azure(client: Any) -> Any:
    """Return the caller of an Azure client: its key, else the credential that fetches tokens."""
    config = client._config  # noqa: SLF001 - has no public name
    told, credential = config.headers_policy.headers, config.credential
    return (told, credential.key) if hasattr(credential, "key") else Here(told, [identity_of(credential)])


def of_hugging_face(client: Any) -> Any:
    """Return the caller of a Hugging Face client; without a token it sends that of this computer."""
    token = client.token
    if token.__class__ is not str:
        token = sys.modules["huggingface_hub"].get_token()
    return token, client.provider, dict(client.headers), dict(client.cookies or {})


def of_aws(client: Any) -> Any:
    """Return the caller of an AWS client: the key that signs its requests, the one at hand."""
    signer = client._request_signer  # noqa: SLF001 - has no public name
    keys, token = signer._credentials, signer._auth_token  # noqa: SLF001 - likewise
    told: list[Any] = [client.meta.region_name, signer._signature_version]  # noqa: SLF001 - likewise
    if token is not None:
        told.append(token.token if hasattr(token, "token") else token.get_frozen_token().token)
    if keys is None:
        return told
    if hasattr(keys, "_access_key"):  # made anew now and then; its public reader may ask a server
        return Here(told, [identity_of(keys)])
    return [*told, keys.access_key, keys.secret_key, keys.token]


def of_litellm(_server: Any) -> Any:
    """Return the caller of LiteLLM's functions where no argument names it: module and environment do."""
    held: Mapping[str, Any] = vars(sys.modules["litellm"])
    return {name: held[name] for name in held if held[name].__class__ is str}, credentials()


def _text(given: Any) -> str | None:
    """Return a credential that is a text, or None.

    Raises:
        TypeError: For a function.
    """
    if given is not None and given.__class__ is not str:
        raise TypeError("a function gives the credentials")
    return given


def _word(value: Any) -> str:
    """Return a word for an object that fetches credentials.

    Raises:
        TypeError: For a function, and what cannot be watched to its end.
    """
    if callable(value):
        raise TypeError("a function gives the credentials")
    return identity_of(value)
