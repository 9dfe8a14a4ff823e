"""Answers that come later: who asks gets an id, and another call fetches the tokens with it.

    create(background=True)   chat             an id, no usage       owed from now on
    retrieve(id)              fetch_response   not finished yet      nothing
    retrieve(id)              chat             the answer's usage    paid: the tokens are on this span
    retrieve(id)              fetch_response   the same once more    nothing

Only what this engine saw being asked for is owed, and it is paid once: an answer that was asked for
elsewhere may be counted there.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.call import Call
    from otel_agentprof.instrumentation.peer import Peer
    from otel_agentprof.instrumentation.spec import CallSpec

_MOST: Final = 10_000  # answers that are owed at a time; the oldest goes first


class _Asked(NamedTuple):
    """What is kept of a call whose answer comes later."""

    spec: CallSpec
    peer: Peer
    opening: Mapping[str, Any]
    claim: object


class Owed:
    """The answers that were asked for and have not come with their tokens yet.

    No lock is held, for a fork to find it taken: each step is one operation of a dict.
    """

    __slots__ = ("_asked", "_reopen", "_settle")

    def __init__(self, *, settle: Callable[[object], None], reopen: Callable[[object, Any], None]) -> None:
        """Begin with none.

        Args:
            settle: Does with a budget's claim what is done where nobody tells the tokens.
            reopen: Gives a claim to the span that fetches the answer.
        """
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._settle, self._reopen = settle, reopen

    def note(self, call: Call) -> None:
        """Keep what a call asked for, if its answer is still to come, and the claim until then."""
        reply = call.reply
        if reply.id is None or reply.usage is not None or reply.finish_reasons or reply.error is not None:
            return
        before = self._asked.pop(reply.id, None)
        self._asked[reply.id] = _Asked(call.spec, call.peer, call.opening, call.claim)
        call.claim = None
        if before is None and len(self._asked) > _MOST:
            _, before = self._asked.popitem(last=False)
        if before is not None and before.claim is not None:
            self._settle(before.claim)

    def pay(self, call: Call) -> None:
        """Make a call that fetched an owed answer the one that is counted; else take its tokens away."""
        reply = call.reply
        if reply.usage is None or reply.id is None:
            return
        asked = self._asked.pop(reply.id, None)
        if asked is None:
            reply.usage = None
            return
        call.spec, call.peer, call.opening = asked.spec, asked.peer, asked.opening
        call.facts.update(asked.opening)
        call.facts[semconv.RESPONSE_FETCHED] = True
        model = asked.opening[semconv.REQUEST_MODEL] if semconv.REQUEST_MODEL in asked.opening else ""
        call.span.update_name(f"{asked.spec.operation} {model}".rstrip())
        if asked.claim is not None:
            call.claim = asked.claim
            self._reopen(asked.claim, call.span)
