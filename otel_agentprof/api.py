"""The verbs that users call: instrument, uninstrument, analyze, suggest; see ``profiling.py`` for profile."""

from __future__ import annotations

import atexit
import logging
import threading
from typing import TYPE_CHECKING

from opentelemetry import trace

from otel_agentprof import __version__, environment, pipeline, pricing
from otel_agentprof.config import Config
from otel_agentprof.errors import AgentProfError
from otel_agentprof.instrumentation import fingerprints, libraries, tracing
from otel_agentprof.instrumentation.engine import Engine
from otel_agentprof.instrumentation.registry import REGISTRY
from otel_agentprof.optimize import own_spans
from otel_agentprof.optimize.span_listeners import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

    from otel_agentprof.analysis.finding import ModelSwap
    from otel_agentprof.instrumentation.libraries import Library
    from otel_agentprof.model.caching import AnswerCache
    from otel_agentprof.model.span import Span
    from otel_agentprof.model.tree import SpanTree
    from otel_agentprof.optimize.budgets import Budget
    from otel_agentprof.optimize.spending import Spending
    from otel_agentprof.processor import AgentProfSpanProcessor
    from otel_agentprof.report.report import Report

_LOGGER = logging.getLogger(__name__)
_lock = threading.RLock()


class _Process:
    """What is true of the whole process; guarded by ``_lock``."""

    active: Instrumentation | None = None
    borrowed: Instrumentation | None = None  # made by profile() for as long as profiles run
    beneath: Callable[[], None] | None = None  # patches what nobody else does: `agentprof run`
    profiles_running = 0


class Instrumentation:
    """What :func:`instrument` gave: the way to its processor, and the way back.

    Attributes:
        processor: Sees every span of the provider; None while ``OTEL_SDK_DISABLED`` is true.
    """

    def __init__(
        self,
        engine: Engine | None,
        processor: AgentProfSpanProcessor | None,
        spending: Spending | None = None,
    ) -> None:
        self.processor = processor
        self._spending = spending
        self._on_report_before = None if processor is None else processor.on_report
        self._engine = engine
        if engine is not None:
            atexit.register(self._at_exit)

    def uninstrument(self) -> None:
        """Put every patched attribute back; spans that have ended are analysed first."""
        with _lock:
            if _Process.active is not self:
                return
            _Process.active = None
            REGISTRY.unpatch()
            tracing.reset()
            own_spans.use(None)
            fingerprints.configure(None)
            pricing.configure(None)
            pipeline.withdraw()
            if self._spending is not None:
                LISTENERS.remove(self._spending)
            atexit.unregister(self._at_exit)
            if _Process.beneath is not None:
                _Process.beneath()
        if self.processor is not None:
            self.processor.force_flush()
            self.processor.on_report = self._on_report_before
            self.processor.measure_with(None)

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.uninstrument()

    def _at_exit(self) -> None:
        # Streams that nobody read to their end must leave their spans before the provider shuts down.
        # The processor flushes by itself, after this.
        if self._engine is not None:
            self._engine.abandon_streams()


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    capture_content: bool | None = None,
    budget: Budget | None = None,
    cache: AnswerCache | None = None,
    on_report: Callable[[Report], object] | None = None,
) -> Instrumentation:
    """Patch every LLM client, tool and agent framework that is installed: each call becomes one span.

    A library that is imported later is patched then; objects made before are covered (but for a
    ``with_raw_response`` that a program has taken from its client already). Nothing is sent anywhere unless
    the ``OTEL_*`` variables, or a provider of yours, say where: one that you set later is followed from then
    on. A second call changes nothing and returns the first one's handle.

        import otel_agentprof
        otel_agentprof.instrument()

    Args:
        tracer_provider: Where the spans go; by default the global provider, or a new one while there is none.
        meter_provider: Where the metrics go; by default the global one. Without one there are no metrics.
        include: Names of the only libraries to instrument, such as ``["openai", "langchain"]``.
        exclude: Names of libraries to leave alone.
        capture_content: Put prompts and answers on the spans. None: as
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says; False forbids it.
        budget: What calls of models may take together. A call that goes beyond it raises BudgetExceeded
            before it is sent. It is looked at in calls of clients; what frameworks and other tracers do
            themselves is charged when their span ends.
        cache: A :class:`PromptCache` in front of every client: equal requests make one call.
        on_report: Called with the Report of each finished trace, on a thread of ours.
            Spans that it makes are not analysed: they are exported as they are.

    Returns:
        The handle; also a context manager that takes everything back.

    Raises:
        AgentProfError: For a name in ``include`` or ``exclude`` that no library has.
    """
    with _lock:
        if _Process.active is not None:
            _Process.borrowed = None  # it stays, whatever becomes of the profile that brought it
            if budget is not None:
                _LOGGER.warning("the budget is not held: instrument() was called before, without it")
            return _Process.active
        chosen = chosen_libraries(include, exclude)
        if environment.is_sdk_disabled():
            if budget is not None:
                _LOGGER.warning("the budget is not held: OTEL_SDK_DISABLED is true")
            return Instrumentation(None, None)
        spending = None if budget is None else _spending_of(budget)
        settings = Config.from_env(capture_content=capture_content)
        provider, processor = pipeline.provider_for(tracer_provider, settings)
        engine = Engine(
            provider,
            version=__version__,
            meter_provider=meter_provider,
            captures_content=settings.capture_content,
            mirrors_cost=settings.cost_mirrors,
            budget=spending,
            cache=cache,
        )
        tracing.use(provider, capture_content=settings.capture_content, cache=cache)
        own_spans.use(provider, capture_content=settings.capture_content)
        fingerprints.configure(settings)
        pricing.configure(settings.prices)
        REGISTRY.patch(engine, chosen)
        pricing.load_in_background()  # last: its thread competes with this one
        _Process.active = Instrumentation(engine, processor, spending)
        processor.measure_with(meter_provider)
        if spending is not None:
            LISTENERS.add(spending)
        if on_report is not None:  # a processor of the user's own may have a callback already
            processor.on_report = on_report
        return _Process.active


def _spending_of(budget: Budget) -> Spending:
    from otel_agentprof.optimize.spending import Spending  # noqa: PLC0415 - loaded by those who have a budget

    return Spending(budget)


def uninstrument() -> None:
    """Put every patched attribute back exactly; without effect where nothing is instrumented."""
    with _lock:
        active = _Process.active
    if active is not None:
        active.uninstrument()


def instrument_beneath(patch: Callable[[], None]) -> None:
    """Patch now, and again whenever the program takes its own :func:`instrument` back: for ``agentprof run``.

    The program's own calls behave as if nobody had instrumented anything before.
    """
    with _lock:
        _Process.beneath = patch
        if _Process.active is None:
            patch()


def begin_profile() -> AgentProfSpanProcessor | None:
    """Instrument while profiles run, unless somebody did; return what sees the spans, if anything."""
    with _lock:
        _Process.profiles_running += 1
        if _Process.active is None:
            borrowed = instrument()
            _Process.borrowed = borrowed
            return borrowed.processor
        return _Process.active.processor


def end_profile() -> None:
    """Take back what :func:`begin_profile` did, when the last profile has ended."""
    with _lock:
        _Process.profiles_running -= 1
        if _Process.profiles_running:
            return
        borrowed, _Process.borrowed = _Process.borrowed, None
    if borrowed is not None:
        borrowed.uninstrument()


def attach_processor() -> None:
    """Attach our processor to the global provider: the ``opentelemetry_post_instrument`` entry point."""
    provider = trace.get_tracer_provider()
    if hasattr(provider, "add_span_processor") and not environment.is_sdk_disabled():
        with _lock:
            pipeline.attached(provider, Config.from_env())


def analyze(spans: SpanTree | Iterable[ReadableSpan | Span]) -> Report:
    """Return the report of one trace.

    Args:
        spans: A tree, or spans in any order: OpenTelemetry's own or :class:`model.Span`.

    Raises:
        AgentProfError: For an object that is no span.
    """
    from otel_agentprof.model.tree import SpanTree  # noqa: PLC0415 - analysis is not loaded before it is needed
    from otel_agentprof.readers.sdk import spans_of  # noqa: PLC0415 - likewise
    from otel_agentprof.report.build import build  # noqa: PLC0415 - likewise

    tree = spans if isinstance(spans, SpanTree) else SpanTree.from_spans(spans_of(spans))
    return build(tree, Config.from_env())


def suggest(report: Report) -> tuple[ModelSwap, ...]:
    """Return the calls of a trace that a cheaper model could take, the greatest saving first.

    Those are calls of an expensive model with a short prompt and a short answer, without tools and without
    reasoning, where the same family has a cheaper model with a known price: the finding ``oversized_model``,
    call by call.

        for swap in ap.suggest(run.report):
            print(swap.span_id, swap.model, "->", swap.cheaper, swap.saving_usd)
    """
    swaps = (swap for finding in report.findings for swap in finding.swaps)
    return tuple(sorted(swaps, key=lambda swap: (-swap.saving_usd, swap.span_id)))


def chosen_libraries(include: Iterable[str] | None = None, exclude: Iterable[str] = ()) -> Sequence[Library]:
    """Return the libraries to instrument: those asked for, without those that the environment switches off.

    Raises:
        AgentProfError: For a name that no library has, and for a text where names are expected.
    """
    if isinstance(include, str) or isinstance(exclude, str):
        raise AgentProfError('include and exclude are lists of names, such as ["openai", "langchain"]')
    known = libraries.known()
    wanted, unwanted = set(known) if include is None else set(include), set(exclude)
    if unknown := sorted((wanted | unwanted) - set(known)):
        raise AgentProfError(
            f"unknown library {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}"
        )
    disabled = environment.disabled_instrumentations()
    if "*" in disabled:
        return ()
    return [
        library
        for library in known.values()
        if library.name in wanted - unwanted and not library.is_disabled_by(disabled)
    ]
