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

    from otel_agentprof.instrumentation.frameworks.run_book import RunBook

_ENTER: Final = "_set_config_context"  # "imported and used in langgraph, so don't break", says LangChain
_OF_CHAINS: Final = "langchain_core.runnables.config"
_OF_GRAPHS: Final = "langgraph._internal._runnable"


class _Always:
    """The variable that LangChain asks for a handler, whatever runs: the same one in every context."""

    def __init__(self, handler: Any, contexts: _Contexts) -> None:
        self._handler, self._contexts = handler, contexts

    def get(self) -> Any:
        """Return the handler."""
        self._contexts.look_for_graphs()
        return self._handler


class _Contexts:
    """Makes the span of a run current in the copies of the context that its work runs in."""

    def __init__(self, book: RunBook) -> None:
        self._book = book
        self._restore: list[Callable[[], None]] = []
        self._has_graphs = False
        self._patch(import_module(_OF_CHAINS))

    @guarded
    def look_for_graphs(self) -> None:
        """Do so for LangGraph too, once it is there."""
        if not self._has_graphs and _OF_GRAPHS in sys.modules:
            self._has_graphs = True
            self._patch(sys.modules[_OF_GRAPHS])

    def restore(self) -> None:
        """Put back what was replaced."""
        while self._restore:
            self._restore.pop()()

    def _patch(self, module: Any) -> None:
        if hasattr(module, _ENTER):
            self._restore.append(replace(module, _ENTER, self._entering))

    def _entering(self, enter: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(enter)
        def entered(config: Any, *args: Any, **kwargs: Any) -> Any:
            result = enter(config, *args, **kwargs)
            self._enter(config)
            return result

        return entered

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
        raise TracedByOthersError(foreign.wrapper_of(initializer, callbacks))
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
