"""What a call will take, before it is sent: tokens by the length of the prompt, money by the price table.

    input    characters of the prompt / 4
    output   what the request allows, else the mean of the model's answers so far, else a guess

Nothing is kept of a prompt but its length. Few function calls: this runs before each call.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import pricing
from otel_agentprof.optimize.figures import PER_USD

if TYPE_CHECKING:
    from otel_agentprof.model.budget import Planned
    from otel_agentprof.optimize.figures import Figures
    from otel_agentprof.pricing import RateCard

CHARACTERS_PER_TOKEN: Final = 4
_GUESSED_OUTPUT: Final = 500  # tokens, where neither the request nor an earlier answer says anything
_BLOB_CHARACTERS: Final = 4_000  # what a picture or a file in a prompt counts as
_LONGEST_WORD: Final = 1_000
_MOST_VALUES: Final = 10_000
_MOST_MODELS: Final = 256
_CONTENT: Final = itemgetter("content")


class Outputs:
    """How long the answers of each model are on average. May be fed from any thread.

    Attributes:
        means: In tokens.
    """

    def __init__(self) -> None:
        self.means: dict[str | None, float] = {}
        self._counts: dict[str | None, int] = {}

    def note(self, model: str | None, output_tokens: int) -> None:
        """Note an answer; of two at the same instant one may be lost, which a mean does not mind."""
        if model in self._counts:
            self._counts[model] = count = self._counts[model] + 1
            self.means[model] += (output_tokens - self.means[model]) / count
        elif len(self._counts) < _MOST_MODELS:
            self.means[model], self._counts[model] = float(output_tokens), 1


def estimate(
    planned: Planned, outputs: Outputs, output_tokens: int | None, *, has_money: bool
) -> tuple[Figures, Figures]:
    """Return what must be left for a call, which is without a guess, and what to reserve, which is with it.

    Args:
        planned: The call.
        outputs: The answers so far.
        output_tokens: Output to count with, whatever the request allows; None: as the request says.
        has_money: Whether anybody wants to know what it costs.
    """
    role, model, provider, address, prompt, made, answers, *_ = planned
    taken = -(-characters(prompt) // CHARACTERS_PER_TOKEN)
    if role == "embedding":
        made = 0
    elif output_tokens is not None:
        made = output_tokens
    elif made is None and model in outputs.means:
        made = int(outputs.means[model]) + 1
    card = None
    if has_money and model is not None:
        card = pricing.rate_card(model, provider=provider, server_address=address)
    call_count = 1 if role == "llm" else 0
    certain = _figures(card, taken, (made or 0) * answers, call_count)
    if made is not None:
        return certain, certain
    return certain, _figures(card, taken, _GUESSED_OUTPUT * answers, call_count)


def _figures(card: RateCard | None, taken: int, made: int, call_count: int) -> Figures:
    if card is None:
        return 0, taken + made, call_count
    rates = card.bands[0]
    for band in card.bands:
        if taken > band.above:
            rates = band
    written = rates.output
    if rates.reasoning > written:  # noqa: PLR1730 - max() would be a function call
        written = rates.reasoning
    usd = taken * float(rates.input) + made * float(written) + float(rates.request)
    return int(usd * PER_USD) + 1, taken + made, call_count  # rounded up


def characters(prompt: list[Any]) -> int:
    """Return about how many characters a prompt has; a picture or a file counts as a page of text."""
    total, todo, looked_at = 0, [*prompt], 0
    while todo and looked_at < _MOST_VALUES:
        value = todo.pop()
        looked_at += 1
        kind = value.__class__
        if kind is list or kind is tuple:
            try:
                # Messages of plain text, the usual case: three calls, however many there are.
                value = "".join(map(_CONTENT, value))
            except (TypeError, KeyError, IndexError):
                todo.extend(value)
                continue
            kind = str
        if kind is str:
            size = len(value)
            is_blob = (
                size > _LONGEST_WORD and " " not in (start := value[:_LONGEST_WORD]) and "\n" not in start
            )
            total += _BLOB_CHARACTERS if is_blob else size  # base64
        elif kind is dict:
            todo.extend(value.values())
        elif kind is int:  # a token, where a prompt is given as tokens
            total += CHARACTERS_PER_TOKEN
        elif kind is bytes or kind is bytearray:
            total += _BLOB_CHARACTERS
        elif hasattr(value, "__dict__"):  # a message as an object of the client
            todo.append(vars(value).copy())
    return total
