"""LangChain and LangGraph: one callback handler that every run gets, by the hook for just that.

Parents are told by ids (langchain_runs.py). A run's span becomes current where LangChain enters the run's own
copy of the context: that copy is thrown away afterwards, so nothing leaks to who reads a stream.
"""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation import foreign
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.langchain_runs import Callbacks
from otel_agentprof.instrumentation.frameworks.replacing import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_agentprof.instrumentation.frameworks.run_book import ModelScope, RunBook

_ENTER: Final = "_set_config_context"  # "imported and used in langgraph, so don't break", says LangChain
_CHAINS: Final = "langchain_core.runnables.config"
_GRAPHS: Final = "langgraph._internal._runnable"
_OLD_GRAPHS: Final = "langgraph.utils.runnable"  # before 0.6
_MODELS: Final = ("langchain_core.language_models.chat_models", "BaseChatModel")
_TEXT_MODELS: Final = ("langchain_core.language_models.llms", "BaseLLM")


class _Always:
    """The variable that LangChain asks for a handler, whatever runs: the same one in every context."""

    def __init__(self, handler: Any, contexts: _Contexts) -> None:
        self._handler, self._contexts = handler, contexts

    def get(self) -> Any:
        """Return the handler."""
        self._contexts.look()
        return self._handler


class _Contexts:
    """Makes the span of a run current in the copies of the context that its work runs in."""

    def __init__(self, book: RunBook) -> None:
        self._book = book
        self._restore: list[Callable[[], None]] = []
        self._wanted: list[tuple[str, str, str, Callable[[Any], Any]]] = [
            (_CHAINS, "", _ENTER, self._entering),
            (_GRAPHS, "", _ENTER, self._entering),
            (_OLD_GRAPHS, "", _ENTER, self._entering),
            *((*model, "generate", self._generating) for model in (_MODELS, _TEXT_MODELS)),
            *((*model, "agenerate", self._agenerating) for model in (_MODELS, _TEXT_MODELS)),
        ]
        self.look()

    @guarded
    def look(self) -> None:
        """Replace what is there by now: modules come late, and may still be at their import."""
        for wanted in list(self._wanted):
            module, owner, name, make = wanted
            place = sys.modules.get(module)
            if owner:
                place = getattr(place, owner, None)
            if hasattr(place, name):
                self._wanted.remove(wanted)
                self._restore.append(replace(place, name, make))

    def restore(self) -> None:
        """Put back what was replaced."""
        self._wanted.clear()
        while self._restore:
            self._restore.pop()()

    def _entering(self, enter: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(enter)
        def entered(config: Any, *args: Any, **kwargs: Any) -> Any:
            result = enter(config, *args, **kwargs)
            self._enter(config)
            return result

        return entered

    def _generating(self, generate: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(generate)
        def generated(*args: Any, **kwargs: Any) -> Any:
            scope = self._models(args, kwargs)
            try:
                return generate(*args, **kwargs)
            finally:
                self._leave(scope)

        return generated

    def _agenerating(self, agenerate: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(agenerate)
        async def generated(*args: Any, **kwargs: Any) -> Any:
            scope = self._models(args, kwargs)
            try:
                return await agenerate(*args, **kwargs)
            finally:
                self._leave(scope)

        return generated

    @guarded
    def _models(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelScope:
        # Several calls begin before any ends, and asynchronous ones tell of their ends in tasks of their own.
        callbacks = kwargs.get("callbacks") or next(iter(args[3:4]), None)
        return self._book.start_models(parent=getattr(callbacks, "parent_run_id", None))

    @guarded
    def _leave(self, scope: ModelScope | None) -> None:
        if scope is not None:
            self._book.end_models(scope)

    @guarded
    def _enter(self, config: Any) -> None:
        run_id = getattr(config.get("callbacks"), "parent_run_id", None)
        if run_id is not None:
            self._book.enter(run_id)


def _attach(attachment: Attachment) -> Callable[[], None]:
    callbacks = import_module("langchain_core.callbacks")
    hooks = import_module("langchain_core.tracers.context")
    initializer = callbacks.BaseCallbackManager.__init__
    if foreign.traces(initializer):
        raise TracedByOthersError(getattr(initializer, "_self_wrapper", initializer).__module__)
    handler: Any = type("AgentProfHandler", (Callbacks, callbacks.BaseCallbackHandler), {})(attachment)
    contexts = _Contexts(handler.book)
    registered = hooks._configure_hooks  # noqa: SLF001 - there is no public way to take a hook back
    hooks.register_configure_hook(_Always(handler, contexts), inheritable=True)
    ours = registered[-1]

    def detach() -> None:
        if ours in registered:
            registered.remove(ours)
        contexts.restore()
        handler.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="langchain",
    distribution="langchain-core>=0.3",
    attach=_attach,
    note="callback handler, for LangGraph too",
)
