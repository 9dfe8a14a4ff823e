"""What instrumentation knows of a cache for answers, and a cache of instrumentation: nothing but this.

lookup = cache.lookup(salt, arguments)
answer = lookup.find()      an answer: nobody is asked
                            None: the call is made, and then one of
    keep(value, ns)         its answer is kept
    begin(), add(item), finish(ns)      likewise, of a stream
    drop()                  it failed: whoever waits for it makes the call
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

CONTEXT_KEY: Final = "otel_agentprof.cache"  # where a context has the cache of `with cache.enabled()`


class Answer(NamedTuple):
    """What was kept of a call.

    Attributes:
        value: The answer, the caller's own copy; for a stream a tuple of its items.
        duration_ns: How long the call took that gave it; None where nobody measured.
    """

    value: Any
    duration_ns: int | None


if TYPE_CHECKING:  # all of it: making the classes would cost every import a millisecond
    from collections.abc import Mapping, Sequence
    from typing import Literal, Protocol

    # Why a call went past the cache: an argument that only its address tells apart, an answer of that kind; a
    # temperature above 0; a stream that nobody can play again; a conversation that the server keeps; what was
    # kept of an answer cannot be built again.
    Skipped = Literal["not_by_value", "sampled", "stream", "stateful", "unreadable"]

    class Lookup(Protocol):
        """The way of one request through a cache."""

        def find(self) -> Answer | None:
            """Return the answer: kept, or that of an equal call which is on its way."""
            ...

        async def afind(self) -> Answer | None:
            """Do as :meth:`find`, and let the event loop work meanwhile."""
            ...

        def keep(self, value: Any, duration_ns: int | None) -> None:
            """Keep a whole answer, as it is now."""
            ...

        async def akeep(self, value: Any, duration_ns: int | None) -> None:
            """Do as :meth:`keep`, and let the event loop work meanwhile."""
            ...

        def begin(self) -> None:
            """Note that a stream is here, and that its reader decides when it goes on."""
            ...

        def add(self, item: Any) -> None:
            """Note an item of a stream, as it is now."""
            ...

        def finish(self, duration_ns: int | None) -> None:
            """Keep the stream whose items were noted."""
            ...

        def drop(self) -> None:
            """Keep nothing; harmless after anything else."""
            ...

    class AnswerCache(Protocol):
        """A cache in front of calls.

        Attributes:
            caches_sampled: Whether it is for calls with a temperature above 0 too.
        """

        caches_sampled: bool

        def lookup(
            self,
            salt: Sequence[Any],
            arguments: Mapping[str, Any],
            *,
            is_local: bool = False,
            is_sent: bool = True,
        ) -> Lookup | None:
            """Return the way of a request through the cache; None where it can have none.

            Args:
                salt: What tells calls apart that take the same arguments.
                arguments: By name.
                is_local: Whether the key means nothing outside this process.
                is_sent: Whether the arguments are sent as JSON, and a tuple is a list there.
            """
            ...

        def skip(self, reason: Skipped) -> None:
            """Count a call that goes past the cache."""
            ...
