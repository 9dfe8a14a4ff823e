"""One operation of one client as data: how it is called, what the server answers, what the span must say."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otel_agentprof.instrumentation import libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loopback import Answer

CANARY = "the canary sings of Paris"
TOOL_ID = "call_canary_1"
Kind = Literal["sync", "async"]


@dataclass(frozen=True, eq=False)
class Case:
    """One operation of one client.

    ``client`` is whatever ``connect`` makes; for an async client the callables return what has to be awaited,
    and ``stream`` an async iterator or what has to be awaited for one.

    Attributes:
        name: As the test shows it: library-operation.
        library: Its name in ``instrument(include=[...])``.
        operation: ``gen_ai.operation.name``.
        span_name: Of the whole call's span.
        connect: From the server's URL and a kind to a client that retries once at most, quickly.
        kinds: Which kinds of client there are.
        call: Make a whole call whose prompt contains CANARY.
        stream: Start a stream with the same prompt; None where there is none.
        answer: What the server answers to ``call``.
        stream_answer: What it answers to ``stream``.
        facts: Attributes of a whole call's span: exact values, usage attributes are complete.
        stream_facts: Likewise for a stream read to its end; as ``facts`` where None.
        has_cost: Whether the served model has a price.
        is_lazy: Whether a stream sends its request when its first item is asked for.
        error: A refusal, with status 429; the client raises.
        error_facts: Attributes of the span of a call that was refused.
        retries: Whether the client tries again by itself after ``error``.
        broken_stream: A stream that breaks off so that the client raises; None where it cannot tell.
        long_stream: A stream with so many more items of text in it.
        bad_call: A call with arguments that do not fit; it raises before anything is sent.
        tools_call: A call that sends the result of TOOL_ID and is answered with another tool call.
        tools_answer: That answer.
        tools_facts: What the span must say of the two: ``agentprof.tool_call.ids`` and ``.tool_result.ids``.
        helpers: Other ways to the same answer, by name: raw responses, helper methods, module functions.
        stream_helpers: Likewise for the streamed answer; each reads it to the end.
    """

    name: str
    library: str
    operation: str
    span_name: str
    connect: Callable[[str, Kind], Any]
    call: Callable[[Any], Any]
    answer: Answer
    facts: Mapping[str, Any]
    stream: Callable[[Any], Any] | None = None
    stream_answer: Answer | None = None
    stream_facts: Mapping[str, Any] | None = None
    kinds: tuple[Kind, ...] = ("sync", "async")
    has_cost: bool = True
    has_content: bool = True
    is_lazy: bool = False
    error: Answer | None = None
    error_facts: Mapping[str, Any] = field(default_factory=dict)
    retries: bool = True
    broken_stream: Answer | None = None
    long_stream: Callable[[int], Answer] | None = None
    bad_call: Callable[[Any], Any] | None = None
    tools_call: Callable[[Any], Any] | None = None
    tools_answer: Answer | None = None
    tools_facts: Mapping[str, Any] = field(default_factory=dict)
    helpers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    stream_helpers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def all_cases() -> tuple[Case, ...]:
    """Return the cases of all clients that are installed here."""
    found: list[Case] = []
    for path in sorted((Path(__file__).parent / "clients").glob("*_cases.py")):
        module = libraries.known()[path.stem.removesuffix("_cases")].module
        if module is not None and _is_here(module):
            found += importlib.import_module(f"providers.clients.{path.stem}").CASES
    return tuple(found)


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False
