"""The tokens of a span, in one convention, from plain attributes and from documents in attributes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.model.dialects.table import DETAILS, KNOWN, plan_of
from otel_agentprof.model.dialects.values import document, first_count
from otel_agentprof.model.tokens import TokenUsage

if TYPE_CHECKING:
    from otel_agentprof.model.dialects.dialect import Field
    from otel_agentprof.model.dialects.table import Plan
    from otel_agentprof.model.span import Span

_tokens: Final = partial(tuple.__new__, TokenUsage)  # what TokenUsage() comes down to, without a Python frame
# A detail stands below the side that it is a part of; both together are its name here.
_SIDES: Final = {
    "prompt_tokens_details": "input",
    "input_tokens_details": "input",
    "input_token_details": "input",
    "inputTokenDetails": "input",
    "completion_tokens_details": "output",
    "output_tokens_details": "output",
    "output_token_details": "output",
    "outputTokenDetails": "output",
    "cache_creation": "cache_creation",
}
_NAMES: Final[Mapping[Field, tuple[str, ...]]] = {
    "input": (
        "input_tokens",
        "prompt_tokens",
        "inputTokens",
        "promptTokens",
        "prompt_token_count",
        "promptTokenCount",
    ),
    "output": ("output_tokens", "completion_tokens", "outputTokens", "completionTokens"),
    "total": ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount", "total"),
    "cache_read": (
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "input.cache_read",
        "input.cached_tokens",
        "input_cache_read",
        "input_cached_tokens",
        "input_cache_read_input_tokens",
        "cached_content_token_count",
        "cachedContentTokenCount",
    ),
    "cache_write": (
        "cache_creation_input_tokens",
        "cacheWriteInputTokens",
        "input.cache_creation",
        "input.cache_creation_tokens",
        "input.cache_write",
        "input_cache_creation",
        "input_cache_write",
        "input_cache_creation_input_tokens",
    ),
    "cache_write_1h": (
        "cache_creation_input_tokens_above_1hr",
        "cache_creation.ephemeral_1h_input_tokens",
    ),
    "reasoning": (
        "output.reasoning_tokens",
        "output.reasoning",
        "output_reasoning_tokens",
        "output_reasoning",
        "reasoning_tokens",
        "thoughts_token_count",
        "thoughtsTokenCount",
    ),
    "audio_input": ("input.audio_tokens", "input.audio", "input_audio_tokens", "input_audio"),
    "audio_output": ("output.audio_tokens", "output.audio", "output_audio_tokens", "output_audio"),
    "audio_cache_read": (),
    "image_input": ("input.image_tokens", "input.image", "input_image_tokens", "input_image"),
    "image_output": ("output.image_tokens", "output.image", "output_image_tokens", "output_image"),
    "image_cache_read": (),
    "video_input": ("input.video_tokens", "input.video", "input_video_tokens", "input_video"),
    "video_output": ("output.video_tokens", "output.video", "output_video_tokens", "output_video"),
}
_VISIBLE_OUTPUT: Final = ("candidates_token_count", "candidatesTokenCount")  # Gemini: thoughts come on top
# A vendor's own figures that leave cached tokens out of the input.
_BESIDE_INPUT: Final = frozenset(
    {
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
    }
)
_WITHOUT_CACHED: Final = frozenset({"input_tokens", "inputTokens", "input"})


def usage_of(attributes: Mapping[str, Any], plan: Plan) -> TokenUsage | None:
    """Return the tokens that attributes name; None when they name neither input nor output."""
    if plan.figures is not None:
        usage = _in_one_look(plan.figures(attributes), plan)
        if usage is not None:
            return usage
    taken = first_count(attributes, plan.input) if plan.input else None
    made = first_count(attributes, plan.output) if plan.output else None
    if plan.documents:
        return _with_documents(attributes, plan, taken, made)
    if taken is None and made is None:
        return None
    if not plan.details:
        return TokenUsage(taken or 0, made or 0)
    parts = [0] * len(DETAILS)
    for place, keys in plan.details:
        parts[place] = first_count(attributes, keys) or 0
    return _usage(taken or 0, made or 0, parts, is_exclusive=False)


def _in_one_look(found: tuple[Any, ...], plan: Plan) -> TokenUsage | None:
    """Return the tokens where all figures are sound and none contradicts another, as nearly always."""
    for figure in found:
        if type(figure) is not int or figure < 0:
            return None
    row = plan.places((*found, 0))
    cached, total = row[2] + row[3], row[-1]
    if cached and (cached > row[0] or (total and total != row[0] + row[1])):
        return None
    return tuple.__new__(TokenUsage, row[:-1])


def has_unreadable_tokens(span: Span) -> bool:
    """Return whether a span names its input or output tokens only by what is no count, such as a text."""
    attributes = span.attributes
    plan = plan_of(KNOWN.intersection(attributes))
    return plan is not None and any(
        first_count(attributes, keys) is None and any(attributes[key] is not None for key in keys)
        for keys in (plan.input, plan.output)
    )


def usage_in(value: Any) -> TokenUsage | None:
    """Return the tokens of a usage as vendors return it, a mapping or a text of one."""
    found = document(value)
    if found is None:
        return None
    figures, is_exclusive = _figures(found)
    return _of_figures(figures, is_exclusive=is_exclusive)


def _with_documents(
    attributes: Mapping[str, Any], plan: Plan, taken: int | None, made: int | None
) -> TokenUsage | None:
    """Return the tokens where a document may know what the plain attributes leave out."""
    figures: dict[str, int] = {}
    is_exclusive = False
    for key, part in plan.documents:
        found = document(attributes[key])
        if found is not None:
            more, leaves_out = _figures({part: found} if part else found)
            is_exclusive = is_exclusive or leaves_out
            figures = more | figures
    if taken is not None or made is not None:  # convention and total belong to the source of the input
        is_exclusive = False
        figures |= {"input": taken or 0, "output": made or 0}
        figures.pop("total", None)
    for place, keys in plan.details:
        count = first_count(attributes, keys)
        if count is not None:
            figures[DETAILS[place]] = count
    return _of_figures(figures, is_exclusive=is_exclusive)


def _of_figures(figures: Mapping[str, int], *, is_exclusive: bool) -> TokenUsage | None:
    if "input" not in figures and "output" not in figures:
        return None
    parts = [figures.get(name, 0) for name in DETAILS]
    return _usage(figures.get("input", 0), figures.get("output", 0), parts, is_exclusive=is_exclusive)


def _figures(found: Mapping[Any, Any]) -> tuple[dict[str, int], bool]:
    """Return the figures of a vendor's usage by our names, and whether its input leaves cached tokens out."""
    flat: dict[Any, Any] = {}
    for key, value in found.items():
        side = _SIDES.get(key) if isinstance(value, Mapping) else None
        flat.update({f"{side}.{name}": inner for name, inner in value.items()} if side else {key: value})
    figures: dict[str, int] = {
        field: count for field, names in _NAMES.items() if (count := first_count(flat, names)) is not None
    }
    visible = first_count(flat, _VISIBLE_OUTPUT)
    if visible is not None and "output" not in figures:
        figures["output"] = visible + figures.get("reasoning", 0)
    for side in ("input", "output"):
        if side in flat and side not in figures:  # Langfuse: what is named beside a side is not in it
            parts = [first_count(flat, (key,)) for key in flat if str(key).startswith(side)]
            figures[side] = sum(part for part in parts if part is not None)
    leaves_out = not _BESIDE_INPUT.isdisjoint(flat) and not _WITHOUT_CACHED.isdisjoint(flat)
    return figures, leaves_out


def _usage(taken: int, made: int, parts: list[int], *, is_exclusive: bool) -> TokenUsage:
    """Return the tokens of a call; parts as in ``DETAILS``, 0 where they are not named."""
    *inside, total = parts
    cached = inside[0] + inside[1]
    if cached and _is_without_cached(taken, made, cached, total, by_default=is_exclusive):
        taken += cached
    return _tokens((taken, made, *inside))


def _is_without_cached(taken: int, made: int, cached: int, total: int, *, by_default: bool) -> bool:
    """Return whether the input of a span leaves its cached tokens out, as some vendors' own figures do."""
    if cached > taken:  # they cannot be in it, whatever the total says
        return True
    if total in (taken + made, taken + made + cached):
        return total != taken + made
    return by_default
