"""What the readers of servers share: the documents in an answer, and many traces fetched one by one."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import http_errors
from otel_agentprof.readers.documents import documents
from otel_agentprof.readers.source import text_lines, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from otel_agentprof.readers.documents import Json
    from otel_agentprof.readers.http import Answer
    from otel_agentprof.readers.losses import Losses
    from otel_agentprof.readers.url import Address


Progress = Callable[[int, int], object]  # hears how many traces of how many are there


def nothing_between(address: Address, what: str) -> str:
    """Return what to say about a search that finds nothing."""
    start, end = address.window(datetime.now(UTC))
    return (
        f"{address.origin} knows no trace {what} that began between {start:%Y-%m-%d %H:%M} and "
        f"{end:%Y-%m-%d %H:%M} UTC; lookback=7d, or start= and end=, look elsewhere"
    )


def documents_in(answer: Answer, address: Address, losses: Losses) -> Iterator[Json]:
    """Return the JSON documents in an answer; that it breaks off is counted.

    Raises:
        UnreadableTraceError: It is a web page.
    """
    if answer.is_page:
        raise UnreadableTraceError(
            f"{address.origin} answers with a web page and not with traces: is this the port of "
            f"{address.kind.capitalize()}'s API, and is a base path missing, as in "
            f"{address.kind}+{address.origin}/{address.kind}/TRACEID?"
        )
    return _documents(answer, losses)


def not_found(answer: Answer, address: Address) -> str:
    """Return what to say about a 404 that is about more than one trace."""
    return f"{address.origin} has nothing there (404){http_errors.words_of(answer.body)}"


def one_by_one(
    groups: Sequence[Sequence[str]],
    fetch: Callable[[Sequence[str]], Iterable[Json]],
    losses: Losses,
    progress: Progress,
) -> Iterator[Json]:
    """Yield the documents of groups of traces; what the server does not give is counted.

    Raises:
        UnreadableTraceError: It gave nothing at all.
    """
    total, done, given = sum(map(len, groups)), 0, 0
    for group in groups:
        progress(done, total)
        try:
            yield from fetch(group)
            given += 1
        except UnreadableTraceError as error:
            is_over = isinstance(
                error, http_errors.UnansweredError
            )  # the others would not be answered either
            if not given and (is_over or group is groups[-1]):
                raise
            losses.unit, losses.line = "trace", done + 1
            losses.add("lost_trace", str(error), count=total - done if is_over else len(group))
            if is_over:
                break
        done += len(group)
    progress(total, total)


def _documents(answer: Answer, losses: Losses) -> Iterator[Json]:
    losses.unit, losses.line = "line", 1
    stream = unpacked(io.BufferedReader(io.BytesIO(answer.body)), losses)
    yield from documents(text_lines(stream, losses), losses)
    if answer.cut:
        losses.add("cut_answer", answer.cut)
