"""Answers read as they are written: the user sees the first words long before the last ones exist."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import statistics
import time
from collections import defaultdict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.errors import StreamStalledError
from otel_agentprof.model.hand_over import PACE
from otel_agentprof.optimize import own_spans
from otel_agentprof.optimize.stream_pace import StreamPace
from otel_agentprof.optimize.stream_readers import END, Reader, open_stream, output_tokens_of, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SPAN: Final = "agentprof.stream"
_ANSWERS_KEPT: Final = 50  # lengths by model, for the estimate of what an early stop saves
_MODELS_KEPT: Final = 100
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_NS_PER_S: Final = 1_000_000_000


class StreamingOptimizer:
    """Streams the answers of any client, and tells how fast they came.

        optimizer = StreamingOptimizer(stall_timeout_s=20)
        text = await optimizer.stream_llm_response(client, messages, on_chunk=print, model="gpt-4o-mini")
        print(optimizer.pace.time_to_first_text_s)

    The pace goes on the span of the call where ``instrument()`` makes one, as ``agentprof.stream.*``, else on
    a step of its own, ``agentprof.stream``: there is never a second span of the same call.

    Args:
        stop_when: Called with the text so far after each piece; when it returns True, nothing more is read
            and the stream is closed, so that the model stops writing where the server supports that.
        stall_timeout_s: How long a chunk is waited for; None for as long as the client waits. A thread that
            reads a sync client is left behind until the server sends something or hangs up.
        first_timeout_s: Likewise for the first one; None for the same as ``stall_timeout_s``.

    Attributes:
        pace: Of the call that began last.
    """

    def __init__(
        self,
        *,
        stop_when: Callable[[str], bool] | None = None,
        stall_timeout_s: float | None = None,
        first_timeout_s: float | None = None,
    ) -> None:
        self.stop_when = stop_when
        self.stall_timeout_s = stall_timeout_s
        self.first_timeout_s = stall_timeout_s if first_timeout_s is None else first_timeout_s
        self.pace = StreamPace()
        self._lengths: defaultdict[str, deque[int]] = defaultdict(partial(deque, maxlen=_ANSWERS_KEPT))

    @property
    def partial(self) -> str:
        """What has come so far of the call that began last; an exception has it as ``.partial`` too."""
        return self.pace.text

    async def stream_llm_response(
        self,
        client: Any,
        messages: Any,
        on_chunk: Callable[[str], object] | None = None,
        **request: Any,
    ) -> str:
        """Return the whole text of an answer, and hand each piece on as soon as it is there.

        Args:
            client: Of ``openai`` or ``anthropic`` (or one that looks like it), sync or async; or any object
                whose ``stream(messages)`` gives an iterator, sync or async, of dicts with ``content``, of
                texts, or of the chunks of those two.
            messages: What to send.
            on_chunk: Called with each piece of text, a function of either kind. The next one is not asked for
                before it has returned: slow work in it slows the reading down, and nothing piles up. What it
                raises ends the stream.
            request: More arguments for the client: ``model=``, ``max_tokens=``, ...

        Raises:
            StreamStalledError: When a chunk took too long (also a ``TimeoutError``).
            AgentProfError: For a client that cannot be asked.
        """
        pace = self.pace = StreamPace()
        reader: Reader | None = None
        failure: BaseException | None = None
        try:
            reader = await self._waited(pace, partial(open_stream, client, messages, request))
            is_complete = await self._read(reader, pace, on_chunk)
            self._count(pace, request, is_complete=is_complete)
        except BaseException as error:
            failure = error
            if not isinstance(error, StreamStalledError):
                pace.wait(None)
            with contextlib.suppress(AttributeError, TypeError):  # it may have no room for more
                error.partial = pace.text  # type: ignore[attr-defined]  # told by the docs
            raise
        finally:
            if reader is not None:
                await reader.close()
            if not pace.is_told:
                _record(pace, failure)
        return pace.text

    async def _read(self, reader: Reader, pace: StreamPace, on_chunk: Callable[[str], object] | None) -> bool:
        """Read a stream; return whether it came to its end."""
        while (item := await self._waited(pace, reader.next)) is not END:
            text = text_of(item)
            pace.take(text, output_tokens_of(item))
            if text and on_chunk is not None:
                answer = on_chunk(text)
                if inspect.isawaitable(answer):
                    await answer
            if text and self.stop_when is not None and self.stop_when(pace.text):
                pace.stopped_early = True
                return False
        return True

    async def _waited(self, pace: StreamPace, work: Callable[[], Awaitable[Any]]) -> Any:
        """Return what some work brings in time; a call that it makes tells the pace on its span."""
        limit_s = self.stall_timeout_s if pace.chunks else self.first_timeout_s
        pace.wait(limit_s)
        token = PACE.set(pace)
        try:
            async with asyncio.timeout(limit_s) as timer:
                return await work()
        except TimeoutError as error:
            if not timer.expired():  # the client's own
                raise
            raise StreamStalledError(
                f"nothing came for {limit_s} s, after {pace.chunks} chunks; the text before is in .partial",
                pace.text,
            ) from error
        finally:
            PACE.reset(token)

    def _count(self, pace: StreamPace, request: dict[str, Any], *, is_complete: bool) -> None:
        """Note how long an answer was; of one that was stopped, how long it might have been."""
        if len(self._lengths) > _MODELS_KEPT:
            self._lengths.clear()
        lengths = self._lengths[str(request.get("model"))]
        if is_complete:
            lengths.append(pace.output_tokens)
            return
        allowed = next((request[name] for name in _LIMITS if isinstance(request.get(name), int)), None)
        if lengths:
            expected, pace.saved_basis = int(statistics.median(lengths)), "earlier_answers"
        elif allowed is not None:
            expected, pace.saved_basis = allowed, "max_tokens"
        else:
            return
        pace.saved_tokens = max(0, expected - pace.output_tokens)


def _record(pace: StreamPace, failure: BaseException | None) -> None:
    """Make a step's span of a stream that no call tells of."""
    # As long as the clock says that does not jump, put down where the wall clock is now.
    end_ns = time.time_ns()
    start_ns = end_ns - int(pace.elapsed_s * _NS_PER_S)
    span = own_spans.start(SPAN, {semconv.ROLE: "step"}, start_ns=start_ns)
    own_spans.finish(span, failure, pace.facts(), end_ns=end_ns)
