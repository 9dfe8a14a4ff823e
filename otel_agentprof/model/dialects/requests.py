"""What a call was asked, without its words: equal requests have equal fingerprints, prompts have prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_agentprof import semconv

if TYPE_CHECKING:
    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role


def fingerprint_of(span: Span, role: Role) -> str | None:
    """Return what is equal for equal requests; None where the span does not tell what it was asked."""
    attributes = span.attributes
    written = attributes.get(semconv.REQUEST_FINGERPRINT)
    if written is not None:
        return str(written)
    given = attributes.get(semconv.TOOL_CALL_ARGUMENTS if role == "tool" else semconv.INPUT_MESSAGES)
    return None if given is None else repr(given)


def prompt_chain_of(span: Span) -> tuple[tuple[str, int], ...]:
    """Return the prefixes of a prompt in caching order, each as (identity, characters up to its end)."""
    attributes = span.attributes
    chain, sizes = attributes.get(semconv.PROMPT_CHAIN), attributes.get(semconv.PROMPT_SIZES)
    if not chain or not isinstance(chain, list | tuple) or not isinstance(sizes, list | tuple):
        return ()
    pairs = zip(chain, sizes, strict=False)
    return tuple((str(identity), size) for identity, size in pairs if isinstance(size, int))
