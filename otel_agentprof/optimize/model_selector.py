"""``ModelSelector``: the cheapest model that is strong enough for a task, and why the others were not it.

simple  -->  [ simple ]  medium    complex     from the task's own tier upwards: the first that
medium  -->              [ medium ]  complex     meets every constraint; never a weaker one
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry import trace

from otel_agentprof import semconv
from otel_agentprof.errors import AgentProfError
from otel_agentprof.optimize.candidates import Candidate, Choice, Wanted, why_not
from otel_agentprof.optimize.observed import OBSERVED
from otel_agentprof.optimize.span_listeners import LISTENERS
from otel_agentprof.optimize.tiers import COMPLEXITIES, tiers_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from otel_agentprof.optimize.observed import ObservedModels
    from otel_agentprof.optimize.tiers import Complexity

_T = TypeVar("_T")
_LOGGER = logging.getLogger(__name__)
_TRY_ANOTHER: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_TROUBLE: Final = (
    "timeout",
    "connect",
    "ratelimit",
    "throttl",
    "overloaded",
    "unavailable",
    "internalserver",
)


class ModelSelector:
    """Chooses a model for a task: strong enough first, then as cheap, as fast and as reliable as asked.

        selector = ap.ModelSelector()
        model = selector.select_model("simple")

    How fast and how reliable models are it learns from the spans of this process, from the first selector
    on; a model that was rate limited in the last half minute, or of which most of the last calls failed,
    gives way to a stronger one where there is one.
    """

    def __init__(
        self,
        tiers: Mapping[str, Any] | None = None,
        *,
        provider: str = "openai",
        input_tokens: int = 1_000,
        output_tokens: int = 200,
        observed: ObservedModels | None = None,
    ) -> None:
        """Choose among tiers.

        Args:
            tiers: For ``simple``, ``medium`` and ``complex`` a model's name, a
                :class:`~otel_agentprof.optimize.tiers.ModelOption`, or several: the cheapest that fits is
                taken, of one price the first, those without a known price last.
            provider: Whose models to take where there are no tiers: ``openai`` or ``anthropic``.
            input_tokens: Tokens of a usual prompt: prices are compared at this length.
            output_tokens: Tokens of a usual answer.
            observed: What is known of the models; by default of this process.

        Raises:
            ValueError: The tiers are not these three, or nobody knows the provider.
        """
        self._tiers = tiers_of(tiers, provider)
        self._input_tokens = input_tokens
        self._output_tokens = output_tokens
        self._observed = OBSERVED if observed is None else observed
        LISTENERS.add(self._observed)

    def select_model(
        self, task_complexity: str, max_cost: float | None = None, *, strict: bool = False, **needs: Any
    ) -> str:
        """Return the name of the cheapest model that is strong enough and meets the constraints.

        Where none does, it is the task's own tier, and a warning says what that costs. The decision goes on
        the current span as ``agentprof.model_selector.*``.

        Args:
            task_complexity: ``simple``, ``medium`` or ``complex``.
            max_cost: What it may cost at most, as a factor of what the complex tier costs.
            strict: Raise where no model meets the constraints.
            needs: More constraints, as :class:`Wanted` has them: ``max_usd``, ``max_latency_ms``,
                ``tools``, ``vision``, ``input_tokens``, ``output_tokens``.

        Raises:
            ValueError: The complexity is none of the three.
            AgentProfError: With ``strict``, when nothing fits; it names what would.
        """
        return self.choose(task_complexity, max_cost, strict=strict, **needs).model

    def choose(
        self, task_complexity: str, max_cost: float | None = None, *, strict: bool = False, **needs: Any
    ) -> Choice:
        """Return what :meth:`select_model` chooses and why, with every model that was rejected."""
        wanted = self._wanted(task_complexity, max_cost, needs)
        candidates = self._candidates(wanted)
        able = [one for one in candidates if one.rank >= COMPLEXITIES.index(wanted.complexity)]
        objections = {one.model: why_not(one, wanted) for one in candidates}
        chosen = next((one for one in able if objections[one.model] is None), None)
        reason = "" if chosen is None else _reason(chosen, able, objections)
        if chosen is None:
            # Trouble passes, other constraints do not: without it the choice is as asked.
            objections = {one.model: why_not(one, wanted, minds_trouble=False) for one in candidates}
            chosen = next((one for one in able if objections[one.model] is None), None)
            if chosen is not None:
                reason = f"all that fit are in trouble: {_reason(chosen, able, objections)}"
        if chosen is None:
            chosen, reason = able[0], "nothing fits: the task's own tier"
            self._nothing_fits(wanted, chosen, objections, candidates, strict=strict)
        rejected = tuple(
            (one.model, objections[one.model] or f"too weak for a {wanted.complexity} task")
            for one in candidates
            if one is not chosen and (objections[one.model] or one not in able)
        )
        choice = Choice(chosen.model, wanted.complexity, reason, chosen.usd, chosen.cost_factor, rejected)
        _record(choice)
        return choice

    def fallbacks(self, task_complexity: str, max_cost: float | None = None, **needs: Any) -> tuple[str, ...]:
        """Return the models to try one after another: those that fit, then the stronger ones that do not."""
        wanted = self._wanted(task_complexity, max_cost, needs)
        able = [one for one in self._candidates(wanted) if one.rank >= COMPLEXITIES.index(wanted.complexity)]
        first = self.choose(task_complexity, max_cost, **needs).model
        ordered = sorted(able, key=lambda one: (one.model != first, why_not(one, wanted) is not None))
        return tuple(dict.fromkeys(one.model for one in ordered))

    def call(
        self, call: Callable[[str], _T], task_complexity: str, max_cost: float | None = None, **needs: Any
    ) -> _T:
        """Return what ``call(model)`` gives; after a rate limit or a server's error, with the next model.

        Args:
            call: Makes the call with the model that it is given.
            task_complexity: As in :meth:`select_model`.
            max_cost: Likewise.
            needs: Likewise.
        """
        *models, last = self.fallbacks(task_complexity, max_cost, **needs)
        for model in models:
            try:
                return call(model)
            except Exception as error:
                if not _is_trouble(error):
                    raise
                _LOGGER.info("%s failed with %s; the next model is tried", model, type(error).__name__)
        return call(last)

    async def acall(
        self,
        call: Callable[[str], Awaitable[_T]],
        task_complexity: str,
        max_cost: float | None = None,
        **needs: Any,
    ) -> _T:
        """Do as :meth:`call` with a coroutine function."""
        *models, last = self.fallbacks(task_complexity, max_cost, **needs)
        for model in models:
            try:
                return await call(model)
            except Exception as error:
                if not _is_trouble(error):
                    raise
                _LOGGER.info("%s failed with %s; the next model is tried", model, type(error).__name__)
        return await call(last)

    def _wanted(self, complexity: str, max_cost: float | None, needs: Mapping[str, Any]) -> Wanted:
        tier: Complexity | None = next((one for one in COMPLEXITIES if one == complexity), None)
        if tier is None:
            raise ValueError(f"task_complexity must be {', '.join(COMPLEXITIES)}, not {complexity!r}")
        sizes = {"input_tokens": self._input_tokens, "output_tokens": self._output_tokens}
        return Wanted(complexity=tier, max_cost=max_cost, **{**sizes, **needs})

    def _candidates(self, wanted: Wanted) -> list[Candidate]:
        """Return all models, the weakest tier first; in a tier the cheapest, those without a price last.

        Of one price, and of none, they come as the user gave them.
        """
        strongest = Candidate.of(self._tiers["complex"][0], 2, wanted, self._observed, None)
        found = [
            Candidate.of(option, rank, wanted, self._observed, strongest.usd)
            for rank, tier in enumerate(COMPLEXITIES)
            for option in self._tiers[tier]
        ]
        return sorted(found, key=lambda one: (one.rank, one.usd is None, one.usd or 0))

    def _nothing_fits(
        self,
        wanted: Wanted,
        chosen: Candidate,
        objections: Mapping[str, str | None],
        candidates: list[Candidate],
        *,
        strict: bool,
    ) -> None:
        why = objections[chosen.model]
        if strict:
            fitting = [one.model for one in candidates if objections[one.model] is None]
            would = f"only weaker models would fit: {', '.join(fitting)}" if fitting else "no model would fit"
            raise AgentProfError(
                f"no model for a {wanted.complexity} task fits ({chosen.model}: {why}); {would}. "
                f"{chosen.model} fits with {chosen.terms}"
            )
        _LOGGER.warning(
            "no model for a %s task fits; %s is taken although it does not (%s); it has %s",
            wanted.complexity,
            chosen.model,
            why,
            chosen.terms,
        )


def _reason(chosen: Candidate, able: list[Candidate], objections: Mapping[str, str | None]) -> str:
    """Return why this one: it is the first that fits, by tier and then by price."""
    if chosen.usd is None:
        return "the first of its tier that fits; its price is not known"
    prices = [one.usd for one in able if objections[one.model] is None]
    if all(usd is None or usd >= chosen.usd for usd in prices):
        return "the cheapest that is strong enough and fits"
    return "the cheapest that fits of the weakest tier that does"


def _record(choice: Choice) -> None:
    span = trace.get_current_span()
    if not span.is_recording():
        return
    facts: dict[str, Any] = {
        semconv.SELECTOR_MODEL: choice.model,
        semconv.SELECTOR_COMPLEXITY: choice.complexity,
        semconv.SELECTOR_REASON: choice.reason,
    }
    if choice.usd is not None:
        facts[semconv.SELECTOR_COST] = float(choice.usd)
    if choice.rejected:
        facts[semconv.SELECTOR_REJECTED] = [f"{model}: {why}" for model, why in choice.rejected]
    span.set_attributes(facts)


def _is_trouble(error: Exception) -> bool:
    """Return whether another model may succeed where this one failed; not if the request is to blame."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(status, int):
        return status in _TRY_ANOTHER
    names = [kind.__name__.lower() for kind in inspect.getmro(type(error))]
    return any(word in name for name in names for word in _TROUBLE)
