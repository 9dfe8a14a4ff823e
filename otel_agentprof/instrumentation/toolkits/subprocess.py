"""Processes that agents start: the program's name and its exit code, never its arguments.

    Popen(...)     wait() returns
    |--------------------|             one span, written when the end is known
    |-|                                nobody waits: the start alone, when the object is dropped

So no span stays open for a server that runs on. Outside of any trace a process has no span, and neither has
one that a library starts for itself: a client that asks for the system's name, an agent that is a program.
"""

from __future__ import annotations

import asyncio.subprocess
import functools
import os
import subprocess
import sys
import weakref
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from otel_agentprof import semconv
from otel_agentprof.instrumentation import kinds, libraries, nesting, tracing
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec
from otel_agentprof.instrumentation.open_span import OpenSpan

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from opentelemetry.context import Context

_POSITIONS: Final = (
    "args",
    "bufsize",
    "executable",
    "stdin",
    "stdout",
    "stderr",
    "preexec_fn",
    "close_fds",
    "shell",
)
_SILENCERS: Final = (
    context_api._SUPPRESS_INSTRUMENTATION_KEY,  # noqa: SLF001 - has no public name
    nesting.INNER_KEY,  # what a client asks the system inside a model call (uname) is no tool
)
_PASSED_ON: Final = frozenset({"anyio", "distro", "otel_agentprof", "wrapt"})  # who starts things for others


class _Start(NamedTuple):
    """A process that was started inside a trace."""

    tracer: trace.Tracer
    context: Context
    program: str
    start_ns: int
    started_ns: int

    def write(self, end_ns: int, code: int | None, error: BaseException | None = None) -> None:
        """Make the span, now that all is known."""
        facts = {**kinds.TOOL.facts(self.program), semconv.TOOL_TYPE: "extension"}
        failure = _failure(code, error)
        if code is not None:
            facts[semconv.PROCESS_EXIT_CODE] = code
        if failure is not None:
            facts[semconv.ERROR_TYPE] = failure
        span = self.tracer.start_span(
            kinds.TOOL.title(self.program), self.context, attributes=facts, start_time=self.start_ns
        )
        if failure is not None:
            span.set_status(StatusCode.ERROR, failure)
        span.end(end_ns)


def _failure(code: int | None, error: BaseException | None) -> str | None:
    if error is not None:
        return tracing.error_type(error)
    if not code:
        return None
    return f"exit {code}" if code > 0 else f"signal {-code}"


class _Watch:
    """The processes that were started and that nobody has seen the end of."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._open: weakref.WeakKeyDictionary[Any, _Start] = weakref.WeakKeyDictionary()

    def about_to_start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Start | None:
        """Return what is known of a process before it is started; None outside of a trace."""
        context = context_api.get_current()
        if not trace.get_current_span(context).is_recording() or any(map(context.get, _SILENCERS)):
            return None
        if libraries.is_of_ours(_starter()):
            return None
        given = {**dict(zip(_POSITIONS, args, strict=False)), **kwargs}
        return _Start(self._tracer, context, _program(given), time_ns(), 0)

    def started(self, process: Any, start: _Start) -> None:
        """Wait for the end of a process."""
        self._open[process] = start._replace(started_ns=time_ns())

    def ended(self, process: Any, code: int | None) -> None:
        """Write the span of a process whose end somebody has seen."""
        if code is None:
            return
        start = self._open.pop(process, None)
        if start is not None:
            start.write(time_ns(), code)

    def dropped(self, process: Any) -> None:
        """Write the span of a process that nobody can wait for any more: it ends with the start."""
        start = self._open.pop(process, None)
        if start is not None:
            start.write(start.started_ns, None)


def _starter() -> str:
    """Return the module that wants the process: the first caller that is no part of Python itself."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the way to see callers that costs nothing more
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package not in sys.stdlib_module_names and package not in _PASSED_ON:
            return module
        frame = frame.f_back
    return ""


def _program(given: dict[str, Any]) -> str:
    """Return the name of the program: of a shell its own, for what it runs is an argument."""
    named = given.get("executable")
    if named is None and given.get("shell"):
        named = "cmd.exe" if os.name == "nt" else "/bin/sh"
    if named is None:
        named = given["args"]
        if not isinstance(named, str | bytes | os.PathLike):
            named = named[0]
    return os.path.basename(os.fsdecode(named))  # noqa: PTH119 - of bytes and of odd names too


def _attach(attachment: Attachment) -> Callable[[], None]:
    watch = _Watch(attachment.tracer)
    popen, process = subprocess.Popen, asyncio.subprocess.Process
    patches = (
        (popen, "__init__", _starting(popen.__init__, watch)),
        (popen, "wait", _seeing(popen.wait, watch)),
        (popen, "poll", _seeing(popen.poll, watch)),
        (popen, "__del__", _dropping(vars(popen)["__del__"], watch)),
        (process, "wait", _awaiting(process.wait, watch)),
    )
    originals = [(place, name, vars(place)[name], ours) for place, name, ours in patches]
    for place, name, ours in patches:
        setattr(place, name, ours)

    def detach() -> None:
        for place, name, original, ours in originals:
            if vars(place)[name] is ours:  # somebody else's patch around ours stays
                setattr(place, name, original)

    return detach


def _starting(original: Callable[..., None], watch: _Watch) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes that one's place
        found: list[_Start | None] = [None]
        OpenSpan.guarded(lambda: found.__setitem__(0, watch.about_to_start(args, kwargs)))
        start = found[0]
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            if start is not None:
                OpenSpan.guarded(start.write, time_ns(), None, error)
            raise
        if start is not None:
            OpenSpan.guarded(watch.started, self, start)

    return __init__


def _seeing(original: Callable[..., int | None], watch: _Watch) -> Callable[..., int | None]:
    @functools.wraps(original)
    def seeing(self: Any, *args: Any, **kwargs: Any) -> int | None:
        code = original(self, *args, **kwargs)
        OpenSpan.guarded(watch.ended, self, code)
        return code

    return seeing


def _dropping(original: Callable[..., None], watch: _Watch) -> Callable[..., None]:
    @functools.wraps(original)
    def __del__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes that one's place
        OpenSpan.guarded(watch.dropped, self)
        original(self, *args, **kwargs)

    return __del__


def _awaiting(original: Callable[..., Any], watch: _Watch) -> Callable[..., Any]:
    @functools.wraps(original)
    async def wait(self: Any) -> Any:
        code = await original(self)
        OpenSpan.guarded(_ended_async, watch, self, code)
        return code

    return wait


def _ended_async(watch: _Watch, process: Any, code: int | None) -> None:
    inner = process._transport.get_extra_info("subprocess")  # noqa: SLF001 - the only way to the object inside
    if inner is not None:
        watch.ended(inner, code)


SPEC: Final = FrameworkSpec(
    name="subprocess",
    distribution="python>=3.11",
    attach=_attach,
    note="processes started inside a trace: program and exit code",
)
