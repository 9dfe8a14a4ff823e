"""Calls of tools: reading from a store of data, and doing something, such as writing to it or clicking.

A span of theirs says which store or tool, how many results came back and how long it took; never what was
asked for or what was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_agentprof import semconv
from otel_agentprof.instrumentation.spec import CallSpec, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_agentprof.instrumentation.spec import Arguments

    Count = Callable[[Any], int | None]
    Name = Callable[[Any, Arguments], str | None]


def retrieval(
    *targets: str,
    store: Name,
    count: Count,
    request: Mapping[str, str] | None = None,
    positional: tuple[str, ...] = (),
) -> CallSpec:
    """Return the spec of methods that read from a store of data.

    Args:
        targets: The methods.
        store: The name of the collection, the index or the table.
        count: How many results there are.
        request: Arguments that are copied as they are, by the name of the attribute.
        positional: Names of the arguments that may be given by position, in order.
    """
    return CallSpec(
        targets=targets,
        operation="retrieval",
        role="retrieval",
        read=_counting(count),
        positional=positional,
        subject=store,
        subject_key=semconv.DATA_SOURCE_ID,
        request=request or {},
    )


def writing(name: str, *targets: str, store: Name, positional: tuple[str, ...] = ()) -> CallSpec:
    """Return the spec of methods that write to a store of data: such a call is a tool's.

    Args:
        name: The name of the tool, such as ``chromadb.upsert``.
        targets: The methods.
        store: The name of the collection, the index or the table.
        positional: Names of the arguments that may be given by position, in order.
    """

    def about(instance: Any, arguments: Arguments) -> Mapping[str, Any]:
        where = store(instance, arguments)
        return {semconv.DATA_SOURCE_ID: where} if where else {}

    # What is written is large, and the same written again changes nothing worth telling: no fingerprint.
    return _tool(name, targets, "datastore", about=about, positional=positional, has_fingerprint=False)


def tool(name: str, *targets: str, count: Count | None = None, positional: tuple[str, ...] = ()) -> CallSpec:
    """Return the spec of methods that ask a service outside, such as a search.

    Args:
        name: The name of the tool, such as ``tavily.search``.
        targets: The methods.
        count: How many results there are; None where there are no such things.
        positional: Names of the arguments that may be given by position, in order.
    """
    return _tool(name, targets, "extension", count=count, positional=positional)


def action(
    name: str,
    *targets: str,
    about: Callable[[Any, Arguments], Mapping[str, Any]],
    positional: tuple[str, ...],
) -> CallSpec:
    """Return the spec of methods that act on something that changes: the same again is another act.

    Args:
        name: The name of the tool, such as ``playwright.click``.
        targets: The methods.
        about: More attributes, from the object and the arguments.
        positional: Names of the arguments that may be given by position, in order.
    """
    return _tool(name, targets, "extension", about=about, positional=positional, has_fingerprint=False)


def _tool(
    name: str, targets: tuple[str, ...], kind: str, *, count: Count | None = None, **more: Any
) -> CallSpec:
    return CallSpec(
        targets=targets,
        operation="execute_tool",
        role="tool",
        read=_silent if count is None else _counting(count),
        subject=lambda _instance, _arguments: name,
        subject_key=semconv.TOOL_NAME,
        constants={semconv.TOOL_TYPE: kind},
        **more,
    )


def _counting(count: Count) -> Callable[[Reply, Any], None]:
    def read(reply: Reply, answer: Any) -> None:
        found = count(answer)
        if found is not None:
            reply.more = {semconv.RESULT_COUNT: found}

    return read


def _silent(_reply: Reply, _answer: Any) -> None:
    """Say nothing of the answer."""
