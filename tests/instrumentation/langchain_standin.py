"""LangChain in small: the modules that our adapter attaches to, and runs that call back as LangChain's do."""

from __future__ import annotations

import contextvars
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Manager:
    """What holds the handlers; another package may wrap its initializer."""

    def __init__(self, parent_run_id: Any = None) -> None:
        self.parent_run_id = parent_run_id


class Handler:
    """The base of all handlers."""


class ChatModel:
    """A model, whose answers are told in tasks of their own."""

    def __init__(self, handlers: Callable[[], list[Any]]) -> None:
        self.handlers = handlers

    def generate(self, messages: list[str], stop: object = None, callbacks: object = None) -> list[str]:  # noqa: ARG002 - as LangChain's
        handlers = self.handlers()
        runs = [uuid4() for _ in messages]
        for run in runs:
            for handler in handlers:
                handler.on_chat_model_start({}, [], run_id=run)
        return messages

    async def agenerate(
        self, messages: list[str], stop: object = None, callbacks: object = None
    ) -> list[str]:
        return self.generate(messages, stop, callbacks)


class LangChain:
    """The stand-in, as it is now."""

    def __init__(self) -> None:
        self.hooks: list[tuple[Any, bool]] = []
        self.config = module("langchain_core.runnables.config", _set_config_context=self.enter)
        self.graphs = module("langgraph._internal._runnable", _set_config_context=self.enter)
        self.models = module("langchain_core.language_models.chat_models", BaseChatModel=ChatModel)
        self.callbacks = module(
            "langchain_core.callbacks", BaseCallbackManager=Manager, BaseCallbackHandler=Handler
        )
        self.context = module(
            "langchain_core.tracers.context",
            _configure_hooks=self.hooks,
            register_configure_hook=self.register,
        )

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for made in (self.config, self.models, self.callbacks, self.context):
            monkeypatch.setitem(sys.modules, made.__name__, made)

    def register(self, variable: Any, *, inheritable: bool) -> None:
        self.hooks.append((variable, inheritable))

    def enter(self, config: dict[str, Any]) -> str:
        return f"entered {len(config)}"

    def handlers(self) -> list[Any]:
        return [variable.get() for variable, _ in self.hooks]

    def run_inside(self, run_id: object, body: Callable[[], Any]) -> Any:
        """Run some work of a run, in a copy of the context, as LangChain does."""
        copy = contextvars.copy_context()
        copy.run(self.config._set_config_context, {"callbacks": Manager(run_id)})
        return copy.run(body)


def module(name: str, **attributes: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(attributes)
    return made
