"""The models of smolagents: whatever class a program uses, the library's or its own, once it is used."""

from __future__ import annotations

import functools
import inspect
from threading import Lock
from typing import TYPE_CHECKING, Any

from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_agentprof.instrumentation.frameworks.run_book import RunBook


class Models:
    """The classes whose ``generate`` and ``generate_stream`` are wrapped."""

    def __init__(self, book: RunBook) -> None:
        self._book = book
        self._known: set[type] = set()
        self._restores: list[Callable[[], None]] = []
        self._lock = Lock()

    def watch(self, model: type) -> None:
        """Wrap what generates in the class of a model, and in those it inherits from, once."""
        with self._lock:
            for kind in model.__mro__:
                if kind in self._known:
                    continue
                self._known.add(kind)
                for name, wrapper in (("generate", self._whole), ("generate_stream", self._streamed)):
                    if inspect.isfunction(vars(kind).get(name)):
                        self._restores.append(replace(kind, name, wrapper))

    def restore(self) -> None:
        """Put all classes back."""
        with self._lock:
            for restore in self._restores:
                restore()

    def _whole(self, original: Any) -> Any:
        @functools.wraps(original)
        def generate(model: Any, *args: Any, **kwargs: Any) -> Any:
            key = object()
            self._book.start_model(key)
            try:
                message = original(model, *args, **kwargs)
            except BaseException as error:
                self._book.end_model(key, _answer(model), error)
                raise
            self._book.end_model(key, _answer(model, (message,), message))
            return message

        return generate

    def _streamed(self, original: Any) -> Any:
        @functools.wraps(original)
        def generate_stream(model: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            key, counted = object(), []
            self._book.start_model(key)
            try:
                for delta in original(model, *args, **kwargs):
                    if getattr(delta, "token_usage", None) is not None:
                        counted.append(delta)
                    yield delta
            except BaseException as error:
                self._book.end_model(key, _answer(model, counted), error)
                raise
            self._book.end_model(key, _answer(model, counted))

        return generate_stream


@guarded
def _answer(model: Any, parts: Sequence[Any] = (), message: Any = None) -> ModelAnswer:
    told = [part.token_usage for part in parts if part.token_usage is not None]
    usage = TokenUsage(sum(u.input_tokens for u in told), sum(u.output_tokens for u in told))
    calls = getattr(message, "tool_calls", None) or ()
    return ModelAnswer(
        model=getattr(model, "model_id", None),
        usage=usage if told else None,
        tool_call_ids=[call.id for call in calls if getattr(call, "id", None)],
    )
