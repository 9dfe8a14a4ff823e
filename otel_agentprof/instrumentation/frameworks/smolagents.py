"""smolagents, which has no hook that runs where the work is: a few of its methods, wrapped.

    MultiStepAgent._run_stream         AGENT   every run, streamed or not; current only in its body
      generate of the model's class    the client's span; ours only where no client was seen
      Tool.__call__                    TOOL    with the id of the call that ToolCallingAgent runs
      MultiStepAgent.__call__          TOOL    a managed agent, run as a tool
      PythonExecutor.__call__          STEP    the code that a CodeAgent's model wrote, tools inside

That code runs on a thread of its own without the context, which is handed on here.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.instrumentation import foreign, kinds
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.asked_calls import AskedCall, AskedCalls
from otel_agentprof.instrumentation.frameworks.guard import guarded
from otel_agentprof.instrumentation.frameworks.replacing import replace_all
from otel_agentprof.instrumentation.frameworks.run_book import RunBook
from otel_agentprof.instrumentation.frameworks.smolagents_models import Models
from otel_agentprof.instrumentation.frameworks.spanned import Spanned, Work
from otel_agentprof.instrumentation.propagation import propagate
from otel_agentprof.instrumentation.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_WORD: Final = "final_answer"  # asked for as a tool, runs nothing
_call: ContextVar[tuple[str, str | None] | None] = ContextVar("otel_agentprof_smolagents_call", default=None)


class _Wrappers:
    """What goes around the methods."""

    def __init__(self, attachment: Attachment) -> None:
        self.book = RunBook(attachment.tracer)
        self.models = Models(self.book)
        self._asked = AskedCalls()
        self._of_agent = Spanned(attachment, self._agent)
        self._of_tool = Spanned(attachment, _tool, is_of_tools=True)
        self._of_code = Spanned(attachment, lambda *_, **__: Work(kinds.STEP, "python_interpreter", {}))

    def run(self, original: Any) -> Any:
        return wrap(original, self._of_agent)

    def tool(self, original: Any) -> Any:
        spanned = wrap(original, self._of_tool)

        @functools.wraps(original)
        def call(tool: Any, *args: Any, **kwargs: Any) -> Any:
            return (original if tool.name == _LAST_WORD else spanned)(tool, *args, **kwargs)

        return call

    def code(self, original: Any) -> Any:
        return wrap(original, self._of_code)

    def asking(self, original: Any) -> Any:
        @functools.wraps(original)
        def process_tool_calls(agent: Any, chat_message: Any, *args: Any, **kwargs: Any) -> Any:
            self._note(agent, chat_message)
            return original(agent, chat_message, *args, **kwargs)

        return process_tool_calls

    def executing(self, original: Any) -> Any:
        @functools.wraps(original)
        def execute_tool_call(agent: Any, tool_name: Any, arguments: Any) -> Any:
            call_id = self._asked.claim(id(agent), tool_name, arguments)
            token = _call.set((tool_name, call_id))
            try:
                return original(agent, tool_name, arguments)
            finally:
                _call.reset(token)

        return execute_tool_call

    @guarded
    def _note(self, agent: Any, message: Any) -> None:
        calls = [AskedCall(c.id, c.function.name, c.function.arguments) for c in message.tool_calls]
        self._asked.note(id(agent), calls)

    def _agent(self, agent: Any, *_: Any, **__: Any) -> Work:
        self.models.watch(type(agent.model))
        return Work(kinds.AGENT, getattr(agent, "name", None) or type(agent).__name__, {})


def _tool(tool: Any, *args: Any, **kwargs: Any) -> Work:
    asked, call_id = _call.get() or (None, None)
    facts = {semconv.TOOL_CALL_ID: call_id} if call_id and asked == tool.name else {}
    given = {name: value for name, value in kwargs.items() if name != "sanitize_inputs_outputs"}
    return Work(kinds.TOOL, tool.name, facts, given or args)


def _handing_on(original: Any) -> Any:
    """Let code that runs under a time limit see the caller's context."""

    def timeout(seconds: Any) -> Any:
        limited = original(seconds)

        def decorator(func: Any) -> Any:
            @functools.wraps(func)
            def call(*args: Any, **kwargs: Any) -> Any:
                return limited(propagate(func))(*args, **kwargs)

            return call

        return decorator

    return timeout


def _attach(attachment: Attachment) -> Callable[[], None]:
    agents, tools = import_module("smolagents.agents"), import_module("smolagents.tools")
    local, remote = (
        import_module(f"smolagents.{kind}") for kind in ("local_python_executor", "remote_executors")
    )
    if foreign.traces(agents.MultiStepAgent.run):
        raise TracedByOthersError("another package's wrapper around MultiStepAgent.run")
    wrappers = _Wrappers(attachment)
    places = [
        (agents.MultiStepAgent, "_run_stream", wrappers.run),
        (agents.MultiStepAgent, "__call__", wrappers.tool),
        (agents.ToolCallingAgent, "process_tool_calls", wrappers.asking),
        (agents.ToolCallingAgent, "execute_tool_call", wrappers.executing),
        (tools.Tool, "__call__", wrappers.tool),
        (local.LocalPythonExecutor, "__call__", wrappers.code),
        (remote.RemotePythonExecutor, "__call__", wrappers.code),
        (local, "timeout", _handing_on),
    ]
    restore = replace_all(places)

    def detach() -> None:
        restore()
        wrappers.models.restore()
        wrappers.book.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="smolagents",
    distribution="smolagents>=1.20",
    attach=_attach,
    note="methods of agents, tools and models, wrapped; it has no hook",
)
