"""Every setting, its default and its environment variable.

This module and ``environment.py`` alone read ``os.environ``.

Order: argument > ``OTEL_AGENTPROF_*`` > ``OTEL_*`` > default. A value that cannot be read, and a variable
that nobody knows, are told once by a warning and otherwise left alone.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOGGER = logging.getLogger(__name__)
_PREFIX: Final = "OTEL_AGENTPROF_"
_CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CONTENT_ON_SPANS: Final = frozenset({"span_only", "span_and_event", "true"})
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_TOLD: Final = (  # variables of OpenTelemetry that people ask about; headers hold secrets and are not here
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    _CONTENT_VARIABLE,
)


def _setting(default: Any, variable: str, *, is_shown: bool = True) -> Any:
    return field(default=default, repr=is_shown, metadata={"variable": _PREFIX + variable})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of otel_agentprof. Build one with :meth:`from_env`, change one with ``replace``.

    Attributes:
        capture_content: Put prompts and answers on spans (``OTEL_AGENTPROF_CAPTURE_CONTENT``, else
            ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``). Off unless asked.
        prices: Path of a JSON file with your own prices (``OTEL_AGENTPROF_PRICES``); they win.
        cost_mirrors: Also write the cost under ``gen_ai.usage.cost.*`` (``OTEL_AGENTPROF_COST_MIRRORS``).
        emit_analysis_span: Add an ``agentprof.analysis`` span per trace in drop-in mode
            (``OTEL_AGENTPROF_EMIT_ANALYSIS_SPAN``).
        max_spans_per_trace: Spans kept of one trace (``OTEL_AGENTPROF_MAX_SPANS_PER_TRACE``).
        max_traces: Unfinished traces kept (``OTEL_AGENTPROF_MAX_TRACES``).
        max_bytes: Rough size of all spans kept (``OTEL_AGENTPROF_MAX_BYTES``).
        max_age_s: Seconds after its last span at which an unfinished trace is given up
            (``OTEL_AGENTPROF_MAX_AGE_S``).
        grace_s: Seconds to wait for late children after the root has ended while spans are still open
            (``OTEL_AGENTPROF_GRACE_S``).
        slow_llm_ms: Average above which LLM calls are slow (``OTEL_AGENTPROF_SLOW_LLM_MS``).
        slow_tool_ms: Average above which tool calls are slow (``OTEL_AGENTPROF_SLOW_TOOL_MS``).
        max_calls: Calls of one operation above which there are too many (``OTEL_AGENTPROF_MAX_CALLS``).
        costly_operation_usd: Cost of one operation above which it is expensive
            (``OTEL_AGENTPROF_COSTLY_OPERATION_USD``).
        sequential_group: Siblings one after another that make a finding
            (``OTEL_AGENTPROF_SEQUENTIAL_GROUP``).
        prompt_heavy_ratio: Share of prompt tokens above which an operation is prompt-heavy
            (``OTEL_AGENTPROF_PROMPT_HEAVY_RATIO``).
        max_iterations: LLM calls directly under one agent above which it loops
            (``OTEL_AGENTPROF_MAX_ITERATIONS``).
        min_saving_ratio: Share of a run's time that a change has to save to be told at all
            (``OTEL_AGENTPROF_MIN_SAVING_RATIO``).
        straggler_ratio: How many times as long as the median of its siblings a call in a fan-out has to take
            to be a straggler (``OTEL_AGENTPROF_STRAGGLER_RATIO``).
        straggler_ms: How much longer than that median it has to take besides
            (``OTEL_AGENTPROF_STRAGGLER_MS``).
        fan_out_calls: Calls of one fan-out from which it is looked at how many of them run at a time
            (``OTEL_AGENTPROF_FAN_OUT_CALLS``).
        own_code_ratio: Share of a run in no call at all, below one kind of span, that makes a finding
            (``OTEL_AGENTPROF_OWN_CODE_RATIO``).
        own_code_ms: How much time that has to be besides (``OTEL_AGENTPROF_OWN_CODE_MS``).
        slow_first_token_ms: Time to the first token above which a call starts late
            (``OTEL_AGENTPROF_SLOW_FIRST_TOKEN_MS``).
        slow_tokens_per_s: Output tokens per second below which a call writes slowly
            (``OTEL_AGENTPROF_SLOW_TOKENS_PER_S``).
        outlier_ratio: How many times slower than the median of the same model's other calls a call has to be
            to stand out (``OTEL_AGENTPROF_OUTLIER_RATIO``).
        outlier_ms: How much longer than at that median it has to take besides
            (``OTEL_AGENTPROF_OUTLIER_MS``).
        min_cached_tokens: Prompt tokens from which on a provider caches a prefix; fewer are no finding
            (``OTEL_AGENTPROF_MIN_CACHED_TOKENS``).
        prompt_cache_life_s: Seconds after its last use for which a provider keeps a prefix
            (``OTEL_AGENTPROF_PROMPT_CACHE_LIFE_S``).
        context_growth_turns: Turns of an agent from which on its prompts can be said to grow
            (``OTEL_AGENTPROF_CONTEXT_GROWTH_TURNS``).
        context_growth_ratio: Last prompt over first from which on they do
            (``OTEL_AGENTPROF_CONTEXT_GROWTH_RATIO``).
        context_kept_turns: Turns that a trimmed history keeps beside the first prompt
            (``OTEL_AGENTPROF_CONTEXT_KEPT_TURNS``).
        loop_repeats: Turns of an agent that call a tool with the same arguments from which on it loops
            (``OTEL_AGENTPROF_LOOP_REPEATS``).
        expensive_usd: US dollars for a million output tokens from which on a model is expensive
            (``OTEL_AGENTPROF_EXPENSIVE_USD``).
        simple_input_tokens: Input tokens up to which a call can be simple
            (``OTEL_AGENTPROF_SIMPLE_INPUT_TOKENS``).
        simple_output_tokens: Likewise for output (``OTEL_AGENTPROF_SIMPLE_OUTPUT_TOKENS``).
        high_impact_ratio: Share of a run's time or money that a finding saves from which on its impact is
            high (``OTEL_AGENTPROF_HIGH_IMPACT_RATIO``).
        medium_impact_ratio: Likewise for medium; below it, it is low
            (``OTEL_AGENTPROF_MEDIUM_IMPACT_RATIO``).
        fingerprints: Mark requests and tool calls with a keyed hash, so that equal ones are seen
            (``OTEL_AGENTPROF_FINGERPRINTS``).
        read_headers: What to send to servers that traces are read from, as ``name=value,name2=value2`` with
            values as in URLs (``OTEL_AGENTPROF_READ_HEADERS``). Without it, those of
            ``OTEL_EXPORTER_OTLP_HEADERS`` go to the host that spans are exported to, and to no other.
            Secrets: they are never shown.
        read_certificate: File of the CA of such servers, trusted beside the system's
            (``OTEL_AGENTPROF_READ_CERTIFICATE``). Without it, ``OTEL_EXPORTER_OTLP_CERTIFICATE`` likewise.
        read_timeout_s: Seconds after which a server that does not answer is given up, tries included
            (``OTEL_AGENTPROF_READ_TIMEOUT_S``).
        fingerprint_key: Key of that hash, for fingerprints that are equal in several processes; by default a
            random one per process (``OTEL_AGENTPROF_FINGERPRINT_KEY``). A secret: it is never shown.
    """

    capture_content: bool = _setting(default=False, variable="CAPTURE_CONTENT")
    prices: str | None = _setting(default=None, variable="PRICES")
    cost_mirrors: bool = _setting(default=True, variable="COST_MIRRORS")
    emit_analysis_span: bool = _setting(default=True, variable="EMIT_ANALYSIS_SPAN")
    max_spans_per_trace: int = _setting(default=50_000, variable="MAX_SPANS_PER_TRACE")
    max_traces: int = _setting(default=1_000, variable="MAX_TRACES")
    max_bytes: int = _setting(default=256 * 1024 * 1024, variable="MAX_BYTES")
    max_age_s: float = _setting(default=600.0, variable="MAX_AGE_S")
    grace_s: float = _setting(default=1.0, variable="GRACE_S")
    slow_llm_ms: float = _setting(default=3000.0, variable="SLOW_LLM_MS")
    slow_tool_ms: float = _setting(default=1000.0, variable="SLOW_TOOL_MS")
    max_calls: int = _setting(default=20, variable="MAX_CALLS")
    costly_operation_usd: float = _setting(default=0.05, variable="COSTLY_OPERATION_USD")
    sequential_group: int = _setting(default=3, variable="SEQUENTIAL_GROUP")
    prompt_heavy_ratio: float = _setting(default=0.8, variable="PROMPT_HEAVY_RATIO")
    max_iterations: int = _setting(default=10, variable="MAX_ITERATIONS")
    min_saving_ratio: float = _setting(default=0.005, variable="MIN_SAVING_RATIO")
    straggler_ratio: float = _setting(default=2.0, variable="STRAGGLER_RATIO")
    straggler_ms: float = _setting(default=200.0, variable="STRAGGLER_MS")
    fan_out_calls: int = _setting(default=8, variable="FAN_OUT_CALLS")
    own_code_ratio: float = _setting(default=0.1, variable="OWN_CODE_RATIO")
    own_code_ms: float = _setting(default=500.0, variable="OWN_CODE_MS")
    slow_first_token_ms: float = _setting(default=3000.0, variable="SLOW_FIRST_TOKEN_MS")
    slow_tokens_per_s: float = _setting(default=10.0, variable="SLOW_TOKENS_PER_S")
    outlier_ratio: float = _setting(default=2.0, variable="OUTLIER_RATIO")
    outlier_ms: float = _setting(default=500.0, variable="OUTLIER_MS")
    min_cached_tokens: int = _setting(default=1024, variable="MIN_CACHED_TOKENS")
    prompt_cache_life_s: float = _setting(default=300.0, variable="PROMPT_CACHE_LIFE_S")
    context_growth_turns: int = _setting(default=4, variable="CONTEXT_GROWTH_TURNS")
    context_growth_ratio: float = _setting(default=2.0, variable="CONTEXT_GROWTH_RATIO")
    context_kept_turns: int = _setting(default=3, variable="CONTEXT_KEPT_TURNS")
    loop_repeats: int = _setting(default=3, variable="LOOP_REPEATS")
    expensive_usd: float = _setting(default=5.0, variable="EXPENSIVE_USD")
    simple_input_tokens: int = _setting(default=2000, variable="SIMPLE_INPUT_TOKENS")
    simple_output_tokens: int = _setting(default=200, variable="SIMPLE_OUTPUT_TOKENS")
    high_impact_ratio: float = _setting(default=0.10, variable="HIGH_IMPACT_RATIO")
    medium_impact_ratio: float = _setting(default=0.03, variable="MEDIUM_IMPACT_RATIO")
    fingerprints: bool = _setting(default=True, variable="FINGERPRINTS")
    fingerprint_key: str | None = _setting(default=None, variable="FINGERPRINT_KEY", is_shown=False)
    read_headers: str | None = _setting(default=None, variable="READ_HEADERS", is_shown=False)
    read_certificate: str | None = _setting(default=None, variable="READ_CERTIFICATE")
    read_timeout_s: float = _setting(default=10.0, variable="READ_TIMEOUT_S")

    @classmethod
    def from_env(cls, **overrides: Any) -> Config:
        """Return the settings of this process; keyword arguments win, None among them means "not given"."""
        found = _from_variables(_our_variables())
        given = {name: value for name, value in overrides.items() if value is not None}
        return replace(found, **given) if given else found


def variables() -> tuple[tuple[str, str, str], ...]:
    """Return (name, value, what is wrong with it) for each variable that says something to us.

    The value of a secret, and of what may be a misspelt one, is three dots.
    """
    known = {f.metadata["variable"]: f for f in fields(Config)}
    told = [(name, os.environ[name], "") for name in _TOLD if os.environ.get(name)]
    ours = sorted(name for name in os.environ if name.startswith(_PREFIX))
    return (*told, *((name, _shown(name, known), _complaint(name, os.environ[name], known)) for name in ours))


class _Seen:
    """The environment when it was last looked through, and what was found there."""

    last: tuple[dict[Any, Any], tuple[tuple[str, str], ...]] | None = None


def _our_variables() -> tuple[tuple[str, str], ...]:
    """Return the variables that set something here; they are looked for only after a change.

    ``os.environ`` decodes each name that it is asked for, which takes as long as a small trace. What it
    decodes is a plain dict: to compare that one with a copy takes a hundredth of it.
    """
    encoded = getattr(os.environ, "_data", None)
    seen = _Seen.last
    if seen is not None and encoded == seen[0]:
        return seen[1]
    copied = dict(encoded) if isinstance(encoded, dict) else None  # before the look: a change then is seen
    found = tuple(
        (name, os.environ[name])
        for name in os.environ
        if name.startswith(_PREFIX) or name == _CONTENT_VARIABLE
    )
    _Seen.last = None if copied is None else (copied, found)
    return found


@functools.lru_cache(maxsize=1)  # every report asks, and variables hardly ever change
def _from_variables(ours: tuple[tuple[str, str], ...]) -> Config:
    known = {f.metadata["variable"]: f for f in fields(Config)}
    values: dict[str, Any] = {}
    if dict(ours).get(_CONTENT_VARIABLE, "").strip().lower() in _CONTENT_ON_SPANS:
        values["capture_content"] = True
    for variable, text in ours:
        if variable == _CONTENT_VARIABLE:
            continue
        setting = known.get(variable)
        if setting is None:
            _warn_unknown(variable, known)
            continue
        try:
            values[setting.name] = _parse(text, str(setting.type))
        except ValueError:
            _LOGGER.warning(
                "%s=%r is not a %s; the default %r is used", variable, text, setting.type, setting.default
            )
    return Config(**values)


def _parse(text: str, kind: str) -> Any:
    if kind == "bool":
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(text)
        return word in _TRUE
    if kind in ("int", "float"):
        number = int(text) if kind == "int" else float(text)
        if not number >= 0:  # also refuses nan
            raise ValueError(text)
        return number
    return text or None


def _shown(variable: str, known: Mapping[str, Any]) -> str:
    is_secret = not known[variable].repr if variable in known else "KEY" in variable or "HEADER" in variable
    return "..." if is_secret else os.environ[variable]


def _complaint(variable: str, text: str, known: Mapping[str, Any]) -> str:
    if variable not in known:
        return f"unknown{_hint(variable, known)}"
    setting = known[variable]
    try:
        _parse(text, str(setting.type))
    except ValueError:
        return f"not a {setting.type}; the default {setting.default!r} is used"
    return ""


def _warn_unknown(variable: str, known: Mapping[str, Any]) -> None:
    _LOGGER.warning("unknown variable %s%s", variable, _hint(variable, known))


def _hint(variable: str, known: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415 - for misspelt names only

    nearest = difflib.get_close_matches(variable, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
