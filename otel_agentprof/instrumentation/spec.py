"""A provider as data: what to patch, what a request says, how to read a reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from otel_agentprof.instrumentation.callers import by_identity

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from otel_agentprof.instrumentation.streamed import StreamedText
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.semconv import Role

    Arguments = Mapping[str, Any]

    class Replay(Protocol):
        """How a client's streams are made of items that came before.

        Attributes:
            has_final_event: Whether a whole stream ends with an event that says so; else with a reason.
        """

        has_final_event: bool

        def __call__(self, client: Any, items: tuple[Any, ...], is_async: bool) -> Any:  # noqa: FBT001 - one way to call it
            """Return a stream of the client's own type."""
            ...


class Reply:
    """What a call gave back; filled at once from a response, or chunk by chunk from a stream.

    Mutable on purpose: a stream adds to it in the hot path.

    Attributes:
        id: The provider's id of the response.
        model: The model that answered.
        finish_reasons: One per choice, in the provider's words.
        usage: Tokens by the convention of TokenUsage; None as long as the provider named none.
        tool_call_ids: Calls that the caller is asked to run; hosted tools are not among them.
        service_tier: What the provider billed the call as, be it a tier or a speed.
        error: Code of a failure that came as data instead of an exception.
        is_final: Whether the last event of a stream was seen.
        more: Attributes that only this provider tells, such as times at the server; None for none.
        cost_usd: What the provider itself says that the call cost; it goes before the price table.
        billed: Tokens that the provider bills, where they are not those that the model took and made.
        reckoned_usd: What the library reckons that the call cost; for models that the price table has not.
        output: The answer as messages in the conventions' shape; None unless content is captured.
    """

    __slots__ = (
        "billed",
        "cost_usd",
        "error",
        "finish_reasons",
        "id",
        "is_final",
        "model",
        "more",
        "output",
        "reckoned_usd",
        "service_tier",
        "tool_call_ids",
        "usage",
    )

    def __init__(self) -> None:
        self.id: str | None = None
        self.model: str | None = None
        self.finish_reasons: list[str] = []
        self.usage: TokenUsage | None = None
        self.tool_call_ids: list[str] = []
        self.service_tier: str | None = None
        self.error: str | None = None
        self.is_final = False
        self.more: dict[str, Any] | None = None
        self.cost_usd: float | None = None
        self.billed: TokenUsage | None = None
        self.reckoned_usd: float | None = None
        self.output: StreamedText | None = None


class Record(dict[str, Any]):
    """A JSON object whose keys read as attributes, None where missing: the shape of the SDK's own models."""

    __slots__ = ()
    __getattr__ = dict.get


class Content(NamedTuple):
    """Messages in the conventions' shape: lists of ``{"role", "parts"}``, ready for JSON."""

    input: list[Any]
    system: list[Any]
    tools: list[Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CallSpec:
    """One method of a client library.

    Attributes:
        targets: Where the methods are, as ``module:Class.method`` or ``module:function``: sync, async, and
            what shares their shape.
        beneath: What those call, for a program that took one of them before we came; who came through a
            target is let pass. ``module:function.<name>`` is a function that a decorator keeps by that name.
        operation: ``gen_ai.operation.name``.
        role: What kind of work the span stands for.
        read: Fill a Reply from a whole response.
        read_chunk: Add one stream item to a Reply; None for a method that never streams.
        client_of: From the arguments to what knows the server, for a function that belongs to no client.
        positional: Names of the arguments that may be given by position, in order.
        model_of: From the object and the arguments to the model, where no argument ``model`` names it.
        subject: What the span is named after where that is not the model: a collection, a tool.
        subject_key: The attribute that says so too.
        about: More attributes to start with, from the object and the arguments: which server, which page.
        request: Attribute name for each keyword argument that is copied as it is.
        prompt: Arguments that make up the prompt, in the order in which the provider caches them; the last
            one is the list of messages.
        request_facts: Add what needs a look inside the arguments.
        constants: Attributes that every such span has.
        read_content: The messages of a request; only called when content is captured.
        read_output: The answer of a whole response as messages; likewise.
        streams: Whether the method always streams; else its argument ``stream`` tells.
        stream_at: Key of the stream in a result that is a dict; its attribute in any other.
        is_lazy: Whether a stream sends its request only when its first item is asked for.
        sends_late: Whether a stream may send its request with its first item though the call began before:
            that item is waited for inside the call.
        is_entered: Whether the method gives a context manager that sends the request when it is entered, and
            then gives what has the stream at ``stream_at``.
        deferred_request: For a helper that only sends its request when entered: name of the private
            attribute that holds the request (``__api_request``); the span covers that request.
        awaits: Whether the method of an object gives what has to be awaited, where sync and async clients
            share one function; None: as its definition says.
        later: For answers that may come without their tokens: whether the method asks for one (``asked``) or
            brings it (``fetched``); see ``background.py``.
        has_fingerprint: Whether equal arguments ask for the same again; not so for a click, or a large write.
        route: For one method that many calls go through: from the object, the positional and the keyword
            arguments to the spec of the call and its arguments by name; None for a call that is none of ours.
        tells_retries: For a method that is no call of its own: it is told, as ``retries_taken``, how often a
            call was tried again.
    """

    targets: tuple[str, ...]
    operation: str
    role: Role
    read: Callable[[Reply, Any], None]
    read_chunk: Callable[[Reply, Any], None] | None = None
    beneath: tuple[str, ...] = ()
    client_of: Callable[[Arguments], Any] | None = None
    positional: tuple[str, ...] = ()
    model_of: Callable[[Any, Arguments], str | None] | None = None
    subject: Callable[[Any, Arguments], str | None] | None = None
    subject_key: str | None = None
    about: Callable[[Any, Arguments], Mapping[str, Any]] | None = None
    request: Mapping[str, str] = field(default_factory=dict)
    prompt: tuple[str, ...] = ()
    request_facts: Callable[[Arguments, dict[str, Any]], None] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    read_content: Callable[[Arguments], Content] | None = None
    read_output: Callable[[Any], list[Any]] | None = None
    streams: bool = False
    stream_at: str | None = None
    is_lazy: bool = False
    sends_late: bool = False
    is_entered: bool = False
    deferred_request: str | None = None
    awaits: Callable[[Any], bool] | None = None
    later: Literal["asked", "fetched"] | None = None
    has_fingerprint: bool = True
    route: Callable[[Any, tuple[Any, ...], Arguments], tuple[CallSpec, Arguments] | None] | None = None
    tells_retries: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """All that is patched."""
        return self.targets + self.beneath


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProviderSpec:
    """One library: an LLM client, or a tool such as a vector store.

    Attributes:
        name: Short name, as in ``instrument(include=["openai"])``.
        provider: ``gen_ai.provider.name`` of the plain client; empty for a tool, which has none.
        distribution: What to install, with the oldest version that is known to work.
        calls: The methods to patch.
        client_of: From the object whose method is called to the client that knows the server.
        url_of: From that client to its base URL: a text or an object with ``scheme``, ``host`` and ``port``;
            None where it works without a server.
        caller_of: From that client to whom it asks for, for a cache's key (``callers.py``): a value, or
            ``Here``; a TypeError or an AttributeError where nobody knows. By default the client itself.
        transport: Module of the ``request`` method that every call of a client goes through; None where
            there is no such method.
        provider_by_client: Provider name for clients of another class name (Azure, Bedrock, Vertex).
        own_models: Names of the vendor's own models, for a client that is used with others' servers too: at
            an address that nobody knows, any other model is not the vendor's to answer, nor to bill.
        service_tier: Attribute for the tier that the provider billed; None where it has none.
        error_code: Attribute of the library's exceptions that holds the provider's own error code.
        provider_of: From a client to its provider's name, where one class of client serves several.
        read_error: The provider's code and the HTTP status of an exception that keeps them elsewhere.
        error_facts: More that an exception tells, such as how often the request was sent.
        not_in_fingerprint: Arguments that do not change the answer; all others, unknown ones too, do.
        cache_marks: Keys inside a prompt that steer caching and do not change the answer either.
        replay: Makes streams of items that a cache has kept; None where its streams cannot be cached.
        stateful: Arguments that name something at the server that may have changed: no cache for these.
        native_tracer: Attribute of a client that is not None while the client makes spans itself.
        native_scope: Instrumentation scope of those spans.
        native_switch: Environment variable, and the value that switches them off for later clients.
    """

    name: str
    provider: str
    distribution: str
    calls: tuple[CallSpec, ...]
    client_of: Callable[[Any], Any] = attrgetter("_client")  # where resources of Stainless clients keep it
    url_of: Callable[[Any], Any] = attrgetter("base_url")
    caller_of: Callable[[Any], Any] = by_identity
    transport: str | None = None
    provider_by_client: Mapping[str, str] = field(default_factory=dict)
    own_models: re.Pattern[str] | None = None
    service_tier: str | None = None
    error_code: str = "code"
    provider_of: Callable[[Any], str | None] | None = None
    read_error: Callable[[BaseException], tuple[str | None, int | None]] | None = None
    error_facts: Callable[[BaseException], Mapping[str, Any]] | None = None
    not_in_fingerprint: frozenset[str] = frozenset()
    cache_marks: frozenset[str] = frozenset()
    replay: Replay | None = None
    stateful: frozenset[str] = frozenset()
    native_tracer: str | None = None
    native_scope: str | None = None
    native_switch: tuple[str, str] | None = None
