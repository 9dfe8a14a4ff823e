"""How many tokens a call took, in one convention for all providers."""

from __future__ import annotations

from typing import NamedTuple


class TokenUsage(NamedTuple):
    """Tokens of one or several calls.

    ``input`` holds all input, cached and cache-written tokens included, and ``output`` all output, reasoning
    included (the OpenTelemetry convention): the other fields are parts of these two, never on top of them.
    A named tuple, not a dataclass, since one is built in the hot path of every call.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0
    audio_input: int = 0
    audio_output: int = 0
    audio_cache_read: int = 0
    image_input: int = 0
    image_output: int = 0
    image_cache_read: int = 0
    video_input: int = 0
    video_output: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output

    def plus(self, other: TokenUsage) -> TokenUsage:
        """Return the sum of both, field by field."""
        return TokenUsage(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: TokenUsage) -> TokenUsage:
        """Return what this usage has beyond another one, field by field, never less than nothing."""
        left = TokenUsage(*(max(0, a - b) for a, b in zip(self, other, strict=True)))
        read = min(left.cache_read, left.input)
        write = min(left.cache_write, left.input - read)
        return left._replace(
            cache_read=read,
            cache_write=write,
            reasoning=min(left.reasoning, left.output),
            cache_write_1h=min(left.cache_write_1h, write),
            audio_input=min(left.audio_input, left.input),
            audio_output=min(left.audio_output, left.output),
            audio_cache_read=min(left.audio_cache_read, read),
            image_input=min(left.image_input, left.input),
            image_output=min(left.image_output, left.output),
            image_cache_read=min(left.image_cache_read, read),
            video_input=min(left.video_input, left.input),
            video_output=min(left.video_output, left.output),
        )

    def with_parts_of(self, other: TokenUsage) -> TokenUsage:
        """Return the same input and output, with the parts that only another usage of the same call names."""
        parts = (own or told for own, told in zip(self[2:], other[2:], strict=True))
        filled = TokenUsage(self.input, self.output, *parts)
        return filled if filled.minus(_NOTHING) == filled else self


_NOTHING = TokenUsage()
