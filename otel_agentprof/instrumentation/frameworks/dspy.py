"""DSPy, through its callbacks.

    module of the program           WORKFLOW   STEP inside another one
      ReAct and its like            AGENT
        Predict                     no span: it is one call of a model, with the parsing of its answer
          LM                        the client's span; ours where DSPy talks to the provider by itself
        Tool                        TOOL
      Retrieve                      RETRIEVAL

``dspy.configure`` may be called by one thread alone, and replaces the callbacks that were there. So ours is
added where the list is read: nothing is configured for the user, and what the user configures stays.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import foreign, kinds
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.asked_calls import AskedCall, AskedCalls
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace
from otel_agentprof.instrumentation.frameworks.run_book import ModelAnswer, RunBook
from otel_agentprof.instrumentation.frameworks.told_usage import told_usage
from otel_agentprof.instrumentation.frameworks.tool_input import as_text, take_input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar

    from otel_agentprof.instrumentation.kinds import Kind

_OWN: Final = "dspy."
_AGENTS: Final = frozenset({"ReAct", "ReActV2", "CodeAct", "RLM", "Avatar"})
_RECENT: Final = (
    64  # entries of a model's history in which an answer is looked for: others may be at work too
)


class _Callback:
    """What DSPy tells, in the very thread and task where it happens."""

    def __init__(self, attachment: Attachment, active: ContextVar[str | None]) -> None:
        self.book = RunBook(attachment.tracer)
        self._captures_content = attachment.captures_content
        self._active = active  # the id of the call that is around this one; follows work into threads
        self._models: dict[str, tuple[Any, object]] = {}
        self._asked = AskedCalls()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Take no interest in adapters, nor in what later versions will tell."""
        if not name.startswith("on_"):
            raise AttributeError(name)
        return _ignore

    @guarded
    def on_module_start(self, call_id: str, instance: Any, **_: Any) -> None:
        around = self._active.get()
        kind = _kind(type(instance), is_inner=around is not None)
        if kind is None:
            self.book.hide(call_id, parent=around)
        else:
            self.book.start(call_id, kind, type(instance).__name__, parent=around)

    @guarded
    def on_tool_start(self, call_id: str, instance: Any, inputs: Mapping[str, Any], **_: Any) -> None:
        around = self._active.get()
        if str(getattr(instance.func, "__module__", "")).startswith(_OWN):  # ``finish`` and ``submit``
            self.book.hide(call_id, parent=around)
            return
        given = inputs.get("kwargs", inputs)
        asked = self._asked.claim(self.book.get(around), instance.name, given)
        run = self.book.start(call_id, kinds.TOOL, instance.name, parent=around)
        run.set_call_id(asked)
        take_input(run, instance.name, given, captures_content=self._captures_content)

    @guarded
    def on_evaluate_start(self, call_id: str, instance: Any, **_: Any) -> None:
        self.book.start(call_id, kinds.WORKFLOW, type(instance).__name__, parent=self._active.get())

    on_compile_start = on_evaluate_start

    @guarded
    def on_interpreter_execute_start(self, call_id: str, **_: Any) -> None:
        self.book.start(call_id, kinds.STEP, "python_interpreter", parent=self._active.get())

    @guarded
    def on_module_end(self, call_id: str, exception: BaseException | None = None, **_: Any) -> None:
        run = self.book.get(call_id)
        self.book.end(call_id, exception)
        if run is not None and not run.is_open:  # else a hidden one ended, within that run
            self._asked.forget(run)

    on_evaluate_end = on_compile_end = on_interpreter_execute_end = on_module_end

    @guarded
    def on_tool_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        keeps = self._captures_content and exception is None
        facts = {semconv.TOOL_CALL_RESULT: as_text(outputs)} if keeps else None
        self.book.end(call_id, exception, facts=facts)

    @guarded
    def on_lm_start(self, call_id: str, instance: Any, **_: Any) -> None:
        around = self._active.get()
        self._models[call_id] = (instance, self.book.get(around))
        self.book.start_model(call_id, parent=around)

    @guarded
    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        model, around = self._models.pop(call_id)
        entry = _entry(model, outputs)
        asked = _calls(outputs)
        self._asked.note(around, asked)
        if entry is not None and not entry["usage"]:
            self.book.forget_model(call_id)  # DSPy's cache had the answer
            return
        provider, _, name = str(model.model).rpartition("/")
        answer = ModelAnswer(
            model=(entry or {}).get("response_model") or name,
            provider=provider or None,
            usage=told_usage(entry["usage"]) if entry else None,
            tool_call_ids=[call.id for call in asked],
        )
        self.book.end_model(call_id, answer, exception)


def _ignore(*_: Any, **__: Any) -> None:
    return


def _kind(module: type, *, is_inner: bool) -> Kind | None:
    names = {kind.__name__ for kind in module.__mro__ if kind.__module__.startswith(_OWN)}
    if names & _AGENTS:
        return kinds.AGENT
    if "Retrieve" in names:
        return kinds.RETRIEVAL
    if module.__name__ == "Predict" and is_inner:
        return None
    return kinds.STEP if is_inner or module.__module__.startswith(_OWN) else kinds.WORKFLOW


def _entry(model: Any, outputs: Any) -> dict[str, Any] | None:
    """Return what a model noted in its history of the call that gave these very outputs."""
    recent: list[dict[str, Any]] = list(getattr(model, "history", ()))[-_RECENT:]
    return next((entry for entry in reversed(recent) if entry["outputs"] is outputs), None)


def _calls(outputs: Any) -> list[AskedCall]:
    found = []
    for output in outputs if isinstance(outputs, list) else ():
        for call in (output.get("tool_calls") or ()) if isinstance(output, dict) else ():
            told = call if isinstance(call, dict) else call.model_dump()
            found.append(AskedCall(told["id"], told["function"]["name"], told["function"]["arguments"]))
    return found


def _attach(attachment: Attachment) -> Callable[[], None]:
    dspy, callbacks = import_module("dspy"), import_module("dspy.utils.callback")
    if foreign.traces(dspy.Module.__call__):
        raise TracedByOthersError("another package's wrapper around Module.__call__")
    ours = _Callback(attachment, callbacks.ACTIVE_CALL_ID)

    def with_ours(original: Any) -> Any:
        @functools.wraps(original)
        def get(self: Any, key: Any, default: Any = None) -> Any:
            found = original(self, key, default)
            return found if key != "callbacks" or ours in found else [*found, ours]

        return get

    restore = replace(type(dspy.settings), "get", with_ours)

    def detach() -> None:
        restore()
        ours.book.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="dspy",
    distribution="dspy>=3.0",
    attach=_attach,
    note="a callback, added to those that are configured",
)
