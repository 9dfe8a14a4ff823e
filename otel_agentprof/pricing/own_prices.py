"""Your own prices: a JSON file, or a mapping of the same shape, that wins over the table.

    {"my-model":   {"input": 1.0, "output": 4.0, "cache_read": 0.1, "cache_write": 1.25, "reasoning": 4.0},
     "local/*":    {"input": 0, "output": 0},
     "gpt-5-mini": {"input": 0.2, "output": 1.6, "provider": "azure.ai.openai"}}

US dollars per million tokens. ``input`` and ``output`` are needed; a group of tokens without a price is paid
like the one it is part of. A name that ends in ``*`` stands for all that begin so; the longest name wins.
``provider`` limits an entry to calls of that provider. An entry replaces the table's whole entry.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from otel_agentprof.errors import UnknownPriceError
from otel_agentprof.pricing import card, sellers

if TYPE_CHECKING:
    from collections.abc import Mapping

Source: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str] | None"
NAME: Final = "own-prices"
_FIELDS: Final = (*sorted(card.GROUP_NAMES), "provider")
_NEEDED: Final = ("input", "output")
_TOO_MUCH: Final = Decimal(10**9)  # a slip of the pen, and on its way to what no float can hold
_PER_TOKEN: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """Rate cards by lower-case model name; a name that ends in ``*`` stands for all that begin so."""

    cards: Mapping[str, card.RateCard]

    def find_card(self, model: str, provider: str | None) -> card.RateCard | None:
        """Return the card of the longest name that fits the model; None when none does."""
        name = model.lower()
        seller = sellers.seller_id(provider or "")
        fits = [
            known
            for known, found in self.cards.items()
            if (name == known or (known.endswith("*") and name.startswith(known[:-1])))
            and found.provider in ("", seller)
        ]
        return self.cards[max(fits, key=lambda known: (known == name, len(known)))] if fits else None

    def find_cards(self, model: str) -> tuple[card.RateCard, ...]:
        """Return the card of each provider that one limits to itself, by provider."""
        providers = sorted({found.provider for found in self.cards.values() if found.provider})
        fits = [(provider, self.find_card(model, provider)) for provider in providers]
        return tuple(found for provider, found in fits if found is not None and found.provider == provider)


def read(source: Source) -> OwnPrices:
    """Return the prices of a file or a mapping; of None, no prices.

    Raises:
        UnknownPriceError: It cannot be read or is not of the documented form; one line says where and why.
    """
    if source is None:
        return OwnPrices({})
    if isinstance(source, str | os.PathLike):
        where, entries, edition = str(source), _entries_of_file(source), f"@{_changed_on(source)}"
    else:
        where, entries, edition = "prices", source, ""
    if not isinstance(entries, dict) and not hasattr(entries, "items"):
        raise UnknownPriceError(f"{where}: expected an object of model names, found {_kind(entries)}")
    table = NAME + edition
    cards = {str(model).lower(): _card(where, str(model), entry, table) for model, entry in entries.items()}
    return OwnPrices(cards)


def _entries_of_file(path: str | os.PathLike[str]) -> Any:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except OSError as error:
        raise UnknownPriceError(f"{os.fspath(path)}: {error.strerror or error}") from None
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise UnknownPriceError(f"{os.fspath(path)}: not a JSON file: {error}") from None


def _changed_on(path: str | os.PathLike[str]) -> str:
    return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date().isoformat()


def _card(where: str, model: str, entry: object, table: str) -> card.RateCard:
    place = f"{where}: {model!r}"
    if not hasattr(entry, "items"):
        raise UnknownPriceError(f"{place}: expected an object of prices, found {_kind(entry)}")
    fields = {str(name): value for name, value in entry.items()}
    for name in fields:
        if name not in _FIELDS:
            import difflib  # noqa: PLC0415 - for misspelt names only

            nearest = difflib.get_close_matches(name, _FIELDS, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(_FIELDS)}"
            raise UnknownPriceError(f"{place}: unknown field {name!r}; {hint}")
    for name in _NEEDED:
        if name not in fields:
            raise UnknownPriceError(f"{place}: {name!r} is missing; give 0 where it costs nothing")
    provider = fields.pop("provider", "")
    if not isinstance(provider, str):
        raise UnknownPriceError(f"{place}: 'provider' must be a name, found {_kind(provider)}")
    with localcontext(card.EXACT):
        prices = {name: _usd(place, name, value) * _PER_TOKEN for name, value in fields.items()}
    return card.build(
        [(-1, prices)], model=model, provider=sellers.seller_id(provider) if provider else "", table=table
    )


def _usd(place: str, name: str, value: object) -> Decimal:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        usd = Decimal(str(value))
        if usd.is_finite() and 0 <= usd < _TOO_MUCH:
            return usd
    raise UnknownPriceError(f"{place}: {name!r} must be US dollars per million tokens, found {_kind(value)}")


def _kind(value: object) -> str:
    return repr(str(value)) if isinstance(value, str | int | float | Decimal) else type(value).__name__
