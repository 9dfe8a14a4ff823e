"""All tool calls of one answer at once, each in its own span, their results ready for the next request."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import semconv
from otel_agentprof.errors import AgentProfError
from otel_agentprof.model import hand_over
from otel_agentprof.model.content_limits import within_limits
from otel_agentprof.optimize import own_spans, tool_call_shapes
from otel_agentprof.optimize.executor import ParallelExecutor
from otel_agentprof.optimize.threads import is_async, run_sync
from otel_agentprof.optimize.tool_call_shapes import Asked, UnknownToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opentelemetry.trace import Span

    from otel_agentprof.optimize.executor import Call

    Registry = Mapping[str, Callable[..., Any]]

_TOOL: Final = {semconv.OPERATION_NAME: "execute_tool", semconv.ROLE: "tool", semconv.TOOL_TYPE: "function"}


def run_tool_calls(
    response: Any, registry: Registry, *, executor: ParallelExecutor | None = None
) -> list[dict[str, Any]]:
    """Run all tool calls of one answer side by side; return what the next request needs, in their order.

        messages += [answer, *run_tool_calls(response, {"search": search, "read_page": read_page})]

    Takes the answers of OpenAI's chat completions and responses and of Anthropic's messages, the clients'
    objects or plain dicts; an answer without tool calls gives an empty list. Each call gets a span,
    ``execute_tool NAME``, with the id of the call; a function that ``ap.tool`` marks makes it itself, with
    its fingerprint. Functions that are not async run in threads. As of ``ParallelExecutor.run``, a running
    event loop waits meanwhile: there, await :func:`arun_tool_calls`.

    What goes wrong in a tool is told to the model as the result of its call, and so are arguments that are
    no JSON and names of tools that are not there. Only what is no ``Exception`` is raised, and errors of
    otel_agentprof itself, such as a budget that is spent.

    Args:
        response: The whole answer; of a stream what it adds up to.
        registry: The functions by the names that the model knows; they get its arguments by name.
        executor: How they run; by default 32 at a time.

    Raises:
        AgentProfError: For an object that is no answer.
    """
    return run_sync(lambda: arun_tool_calls(response, registry, executor=executor))  # type: ignore[no-any-return]  # a list


async def arun_tool_calls(
    response: Any, registry: Registry, *, executor: ParallelExecutor | None = None
) -> list[dict[str, Any]]:
    """Do as :func:`run_tool_calls` does, in the running event loop."""
    shape = tool_call_shapes.read(response)
    calls: list[Call] = [(_runner(asked, registry), {}) for asked in shape.asked]
    outcomes = await (executor or ParallelExecutor()).execute_parallel(calls)
    for outcome in outcomes:
        if isinstance(outcome, AgentProfError):
            raise outcome
    return shape.write(map(tool_call_shapes.said, shape.asked, outcomes))


def _runner(asked: Asked, registry: Registry) -> Callable[[], Any]:
    """Return the work of one call, async if its tool is."""
    try:
        func = _known(asked, registry)
        args, kwargs = asked.arguments()
    except (UnknownToolError, tool_call_shapes.ToolArgumentsError) as error:
        return functools.partial(_refuse, asked, error)
    marked = _marked(func)
    if marked is not None:
        return _in_own_span(asked, marked, func, args, kwargs)
    work = functools.partial(func, *args, **kwargs)
    return functools.partial(_arun if is_async(func) else _run, asked, work, kwargs or args)


def _known(asked: Asked, registry: Registry) -> Callable[..., Any]:
    func = registry.get(asked.name)
    if func is None:
        known = ", ".join(registry) or "none"
        raise UnknownToolError(f"there is no tool {asked.name!r}; known tools: {known}")
    return func


def _marked(func: Any) -> hand_over.Tool | None:
    """Return what marks a function that makes its own span."""
    while isinstance(func, functools.partial):
        func = func.func
    found = getattr(func, hand_over.MARKED_TOOL, None)
    if found is None and not inspect.isroutine(func):
        found = getattr(type(func).__call__, hand_over.MARKED_TOOL, None)
    return found


def _in_own_span(
    asked: Asked,
    marked: hand_over.Tool,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Callable[[], Any]:
    if marked.call_id_from is not None:
        kwargs[marked.call_id_from] = asked.call_id
    answered = hand_over.Answered(marked, asked.call_id)

    # Each runs in a context of its own, a task's or a thread's: there is nothing to put back.
    def run() -> Any:
        hand_over.ANSWERED.set(answered)
        return func(*args, **kwargs)

    async def arun() -> Any:
        hand_over.ANSWERED.set(answered)
        return await func(*args, **kwargs)

    return arun if is_async(func) else run


def _run(asked: Asked, work: Callable[[], Any], given: Any) -> Any:
    span = _start(asked, given)
    try:
        with own_spans.inside(span):
            result = work()
    except BaseException as error:
        own_spans.finish(span, error)
        raise
    if inspect.isawaitable(result):  # of a function that does not look async
        return _later(span, lambda: result)
    _end(span, result)
    return result


async def _arun(asked: Asked, work: Callable[[], Awaitable[Any]], given: Any) -> Any:
    return await _later(_start(asked, given), work)


async def _later(span: Span, work: Callable[[], Awaitable[Any]]) -> Any:
    try:
        with own_spans.inside(span):
            result = await work()
    except BaseException as error:
        own_spans.finish(span, error)
        raise
    _end(span, result)
    return result


async def _refuse(asked: Asked, error: Exception) -> Any:
    own_spans.finish(_start(asked, asked.given), error)
    raise error


def _start(asked: Asked, given: Any) -> Span:
    facts = {**_TOOL, semconv.TOOL_NAME: asked.name, semconv.TOOL_CALL_ID: asked.call_id}
    if own_spans.captures_content():
        facts[semconv.TOOL_CALL_ARGUMENTS] = within_limits(tool_call_shapes.json_text(given))
    return own_spans.start(f"execute_tool {asked.name}", facts)


def _end(span: Span, result: Any) -> None:
    told = own_spans.captures_content() and span.is_recording()
    text = within_limits(tool_call_shapes.json_text(result)) if told else None
    own_spans.finish(span, None, None if text is None else {semconv.TOOL_CALL_RESULT: text})
