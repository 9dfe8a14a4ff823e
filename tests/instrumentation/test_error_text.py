"""Whose text may be told: a program's own and Python's, and nothing where a package's is in the family."""

from __future__ import annotations

import asyncio
import configparser
import json
import multiprocessing.pool
import subprocess
import sys
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from recording import Recorder, recording

import otel_agentprof
from otel_agentprof import semconv
from otel_agentprof.instrumentation import error_text, open_span, tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

CANARY = "canary-said"
PACKAGE = """
class RefusedError(Exception):
    pass
def refuse(text):
    raise RefusedError(text)
def convert(text):
    raise ValueError(text)
"""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as made:
        yield made


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package that was installed, though in no directory of the name that such directories have."""
    (tmp_path / "shy_client-1.0.dist-info").mkdir()
    (tmp_path / "shy_client.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("shy_client")
    del sys.modules["shy_client"]


class CityError(Exception):
    """One of the program's own."""


class Answer(pydantic.BaseModel):
    city: int


def caught(work: Callable[[], object]) -> Any:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - exits too
        return error
    raise AssertionError


def from_cause(package: Any) -> None:
    try:
        package.refuse(CANARY)
    except package.RefusedError as error:
        raise RuntimeError("model failed") from error


def from_context(package: Any) -> None:
    try:
        package.refuse(CANARY)
    except package.RefusedError:
        raise RuntimeError("model failed")  # noqa: B904 - the implicit context is what is tested


def from_far_away(package: Any) -> None:
    try:
        from_cause(package)
    except RuntimeError as error:
        raise CityError(f"wrapped: {error.__cause__}") from error


def in_group(package: Any) -> None:
    raise ExceptionGroup("several", [ValueError("own"), caught(lambda: package.refuse(CANARY))])


def in_nested_group(package: Any) -> None:
    raise ExceptionGroup("outer", [ExceptionGroup("inner", [caught(lambda: from_context(package))])])


def as_argument(package: Any) -> None:
    raise RuntimeError("model failed", package.RefusedError(CANARY))


def as_exit(package: Any) -> None:
    try:
        package.refuse(CANARY)
    except package.RefusedError as error:
        sys.exit(f"gave up: {error}")


def from_a_validator(_: Any) -> None:
    Answer.model_validate_json(json.dumps({"city": CANARY}))


def from_a_command(_: Any) -> None:
    raise subprocess.CalledProcessError(1, ["git", "commit", "-m", CANARY])


def from_a_file(_: Any) -> None:
    configparser.ConfigParser().read_string(CANARY)


def from_another_process(_: Any) -> None:
    raise RuntimeError("worker failed") from multiprocessing.pool.RemoteTraceback(CANARY)  # type: ignore[attr-defined]  # typeshed has none


def from_written_code(_: Any) -> None:
    compile(f"{CANARY} is no code", "<answer>", "exec")


def from_code_of_nobody(_: Any) -> None:
    exec(f"raise ValueError({CANARY!r})", {})  # noqa: S102 - as tools do that run a model's code


QUOTING: tuple[Callable[[Any], None], ...] = (
    lambda package: package.refuse(CANARY),
    lambda package: package.convert(CANARY),
    from_cause,
    from_context,
    from_far_away,
    in_group,
    in_nested_group,
    as_argument,
    as_exit,
    from_a_validator,
    from_a_command,
    from_a_file,
    from_another_process,
    from_written_code,
    from_code_of_nobody,
)


def told_of(span: ReadableSpan) -> str:
    return str(span.to_json())


@pytest.mark.parametrize("fail", QUOTING, ids=lambda fail: fail.__name__)
def test_what_may_quote_is_told_by_type_and_place(
    fail: Callable[[Any], None], package: Any, recorder: Recorder
) -> None:
    error = caught(lambda: fail(package))

    with suppress(BaseException), otel_agentprof.tool("search"):
        raise error

    span = recorder.one("execute_tool search")
    assert CANARY in "".join(map(str, walk(error)))
    assert CANARY not in told_of(span)
    assert span.status.description == type(error).__name__
    if isinstance(error, Exception):
        [event] = span.events
        facts = dict(event.attributes or {})
        assert set(facts) == {"exception.type", "exception.stacktrace"}
        assert "line " in str(facts["exception.stacktrace"])


def walk(error: BaseException) -> Iterator[object]:
    """Yield what an exception holds."""
    yield from (error, *error.args, getattr(error, "text", ""), getattr(error, "cmd", ""))
    for one in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        if one is not None:
            yield from walk(one)


@pytest.mark.parametrize(
    "fail",
    [
        lambda: int("seven"),
        lambda: {"six": 6}["seven"],
        lambda: json.loads("seven"),
        lambda: (_ for _ in ()).throw(CityError("seven")),
        lambda: (_ for _ in ()).throw(ExceptionGroup("seven", [CityError("eight"), ValueError("nine")])),
    ],
)
def test_the_programs_own_and_pythons_errors_are_told_whole(
    fail: Callable[[], object], recorder: Recorder
) -> None:
    error = caught(fail)

    with suppress(Exception), otel_agentprof.step("work"):
        raise error

    span = recorder.one("work")
    [event] = span.events
    facts = dict(event.attributes or {})
    assert span.status.description == f"{type(error).__name__}: {error}"
    assert facts["exception.message"] == str(error)
    assert str(error) in str(facts["exception.stacktrace"])


def test_a_context_that_the_program_has_cut_off_counts_no_more(package: Any, recorder: Recorder) -> None:
    with suppress(CityError), otel_agentprof.step("work"):
        try:
            package.refuse(CANARY)
        except package.RefusedError:
            raise CityError("no such city") from None

    span = recorder.one("work")
    assert span.status.description == "CityError: no such city"
    assert CANARY not in told_of(span)


def test_text_is_told_where_content_is_asked_for(package: Any, recorder: Recorder) -> None:
    tracing.use(recorder.provider, capture_content=True)

    with suppress(RuntimeError), otel_agentprof.step("work"):
        from_cause(package)

    assert CANARY in told_of(recorder.one("work"))


def blocks(package: Any) -> None:
    for mark in (otel_agentprof.agent, otel_agentprof.tool, otel_agentprof.step):
        with suppress(RuntimeError), mark("x"):
            from_cause(package)


def functions(package: Any) -> None:
    for mark in (otel_agentprof.agent, otel_agentprof.tool, otel_agentprof.step):
        with suppress(RuntimeError):
            mark("x")(from_cause)(package)


def generators(package: Any) -> None:
    @otel_agentprof.step("x")
    def each() -> Iterator[int]:
        yield 1
        from_cause(package)

    with suppress(RuntimeError):
        list(each())


def coroutines(package: Any) -> None:
    @otel_agentprof.agent("x")
    async def inner() -> None:
        from_cause(package)

    @otel_agentprof.agent("x")
    async def outer() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(inner())

    with suppress(ExceptionGroup):
        asyncio.run(outer())


def async_generators(package: Any) -> None:
    @otel_agentprof.tool("x")
    async def each() -> AsyncIterator[int]:
        yield 1
        from_cause(package)

    async def read() -> None:
        async for _ in each():
            pass

    with suppress(RuntimeError):
        asyncio.run(read())


def profiles(package: Any) -> None:
    async def work() -> None:
        async with otel_agentprof.profile("x"):
            from_cause(package)

    with suppress(RuntimeError), otel_agentprof.profile("x"):
        from_cause(package)
    with suppress(RuntimeError):
        otel_agentprof.profile("x")(from_cause)(package)
    with suppress(RuntimeError):
        asyncio.run(work())


@pytest.mark.parametrize("work", [blocks, functions, generators, coroutines, async_generators, profiles])
def test_every_kind_of_span_keeps_to_it(
    work: Callable[[Any], None], package: Any, recorder: Recorder
) -> None:
    with otel_agentprof.instrument(tracer_provider=recorder.provider, include=["openai"]):
        work(package)

    spans = [span for span in recorder.spans if span.name != semconv.ANALYSIS_SPAN_NAME]
    assert spans
    assert {span.status.status_code.name for span in spans} == {"ERROR"}
    assert all("RefusedError" in told_of(span) for span in spans)
    assert not any(CANARY in told_of(span) for span in recorder.spans)


def test_a_stack_trace_tells_how_one_led_to_the_other(package: Any) -> None:
    chained = error_text.stack_trace(caught(lambda: from_far_away(package)))
    implicit = error_text.stack_trace(caught(lambda: from_context(package)))
    grouped = error_text.stack_trace(caught(lambda: in_nested_group(package)))

    kinds = [line for line in chained.splitlines() if line and line[0] not in "T "]
    assert kinds == ["shy_client.RefusedError", "RuntimeError", f"{__name__}.CityError"]
    assert chained.count("direct cause of the following") == 2
    assert implicit.count("During handling of the above") == 1
    assert [grouped.count(kind) for kind in ("\nExceptionGroup", "RefusedError\n")] == [2, 1]


def test_a_ring_of_exceptions_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    group = ExceptionGroup("both", [first, second, first])

    assert error_text.may_be_told(group)
    assert error_text.stack_trace(group).split("\n\n") == [
        "ExceptionGroup",
        "ValueError",
        "The above exception was the direct cause of the following exception:",
        "ValueError\n",
    ]


def test_more_than_can_be_looked_at_is_not_told() -> None:
    few = ExceptionGroup("few", [ValueError(str(number)) for number in range(99)])
    many = ExceptionGroup("many", [ValueError(str(number)) for number in range(100)])

    assert error_text.may_be_told(few)
    assert not error_text.may_be_told(many)
    assert error_text.stack_trace(many).count("ValueError") == 99
    assert not error_text.may_be_told(chain_of(500))
    assert error_text.stack_trace(chain_of(500)).count("ValueError") == 100


def chain_of(length: int) -> BaseException:
    error: BaseException = ValueError()
    for _ in range(length):
        error, error.__context__ = ValueError(), error
    return error


@pytest.mark.parametrize(
    "module",
    [
        ModuleType("homeless"),
        SimpleNamespace(__file__="/no/such/directory/homeless.py"),
        SimpleNamespace(__file__=None, __path__=["/somewhere/dist-packages/homeless"]),
        None,
    ],
)
def test_code_that_cannot_be_found_is_nobodys(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "homeless", module)
    kind = type("HomelessError", (Exception,), {"__module__": "homeless.errors"})

    assert not error_text.may_be_told(kind("x"))
    assert not error_text.may_be_told(type("OddError", (Exception,), {"__module__": 7})("x"))


def test_an_exception_that_cannot_be_looked_at_is_told_by_its_type(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OddError(Exception):
        def __getattribute__(self, name: str) -> Any:
            if name != "__class__":
                raise RuntimeError
            return OddError

    monkeypatch.setattr(open_span._LOGGER, "disabled", True)  # Python's own printing fails, too
    with suppress(OddError), otel_agentprof.step("odd"):
        raise OddError(CANARY)

    span = recorder.one("odd")
    assert span.status.description == "OddError"
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"exception.type": f"{__name__}.{OddError.__qualname__}"}
    ]
