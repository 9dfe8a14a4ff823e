"""From a call to its price: your own prices, then the table, every answer remembered.

This runs at the end of every span, so a known answer costs one function call, or two where the price changes
with time. The room that reads the table is entered only when there is one, since it imports genai-prices.
"""

from __future__ import annotations

import logging
import re
from time import time_ns
from typing import TYPE_CHECKING, Final

from otel_agentprof.config import Config
from otel_agentprof.errors import UnknownPriceError
from otel_agentprof.model.cost import Total
from otel_agentprof.pricing import own_prices, sellers, table

if TYPE_CHECKING:
    from otel_agentprof.model.cost import Cost
    from otel_agentprof.model.tokens import TokenUsage
    from otel_agentprof.pricing.card import RateCard

    _Key = tuple[str, str | None, str | None, str | None]

_LOGGER = logging.getLogger(__name__)
_MAX_CARDS: Final = 1024
_SNAPSHOT: Final = re.compile(r"[-@]20\d\d-?[01]\d-?[0-3]\d$")
_CARDS: dict[_Key, RateCard | None] = {}


class _Own:
    """The program's own prices; None before anybody asked for a price or configured them."""

    prices: own_prices.OwnPrices | None = None
    complaint: str = ""


def rate_card(
    model: str,
    *,
    provider: str | None = None,
    server_address: str | None = None,
    tier: str | None = None,
    at_ns: int | None = None,
) -> RateCard | None:
    """Return the prices of a model, None when nobody knows them.

    Args:
        model: The model that answered, else the one asked for.
        provider: In OpenTelemetry's spelling (``openai``, ``aws.bedrock``, ``gcp.vertex_ai``) or the table's.
        server_address: Host or URL of the API. It wins over the provider where the table knows it, since a
            client that was pointed elsewhere still names its own vendor.
        tier: Service tier that the provider billed (``flex``, ``priority``, ``batch``).
        at_ns: When the call was made, in Unix nanoseconds; None is now.
    """
    return _card((model, provider, server_address, tier), at_ns)


def price(
    usage: TokenUsage,
    model: str,
    *,
    provider: str | None = None,
    server_address: str | None = None,
    tier: str | None = None,
    at_ns: int | None = None,
) -> Cost | None:
    """Return what the tokens of one call cost; None when the price is not known or the counts contradict.

    Fees that no token count tells (web searches, audio by the hour) are not in it. Arguments as for
    :func:`rate_card`.

    >>> from otel_agentprof.model import TokenUsage
    >>> float(price(TokenUsage(input=1000, output=100), "gpt-4o", provider="openai").total)
    0.0035
    """
    card = _card((model, provider, server_address, tier), at_ns)
    return None if card is None else card.cost(usage)


def total(
    usage: TokenUsage,
    model: str,
    *,
    provider: str | None = None,
    server_address: str | None = None,
    tier: str | None = None,
    at_ns: int | None = None,
) -> Total | None:
    """Return the total of what :func:`price` returns, in two thirds of the time."""
    card = _card((model, provider, server_address, tier), at_ns)
    amount = None if card is None else card.usd(usage)
    # tuple.__new__ is what Total() comes down to, without a Python frame.
    return None if amount is None else tuple.__new__(Total, (amount,))


def _card(key: _Key, at_ns: int | None) -> RateCard | None:
    try:
        card = _CARDS[key]
    except KeyError:
        return _resolve(key, at_ns)
    if card is None:
        return None
    if at_ns is None:
        if card.until_ns is None:  # the clock only goes forward
            return card
        at_ns = time_ns()
    if card.from_ns <= at_ns and (card.until_ns is None or at_ns < card.until_ns):
        return card
    return _resolve(key, at_ns)


def configure(prices: own_prices.Source, *, is_strict: bool = False) -> None:
    """Set your own prices, from a file, from a mapping of the same shape, or None for none.

    Without this call the file named by ``OTEL_AGENTPROF_PRICES`` is read when the first price is asked for.

    Args:
        prices: Path or mapping, in the form that :mod:`otel_agentprof.pricing.own_prices` tells.
        is_strict: Raise instead of warning and going on without them.

    Raises:
        UnknownPriceError: They cannot be read and ``is_strict`` is set.
    """
    try:
        own = own_prices.read(prices)
    except UnknownPriceError as error:
        if is_strict:
            raise
        if str(error) != _Own.complaint:
            _Own.complaint = str(error)
            _LOGGER.warning("your own prices are ignored: %s", error)
        own = own_prices.read(None)
    _Own.prices = own
    _CARDS.clear()


def own() -> own_prices.OwnPrices:
    """Return the program's own prices, read from the configured file when this is the first question."""
    if _Own.prices is None:
        configure(Config.from_env().prices)
    return _Own.prices or own_prices.OwnPrices({})


def _resolve(key: _Key, at_ns: int | None) -> RateCard | None:
    model, provider, server_address, tier = key
    now_ns = time_ns()
    card = own().find_card(model, provider)
    if card is None:
        if not table.wait():
            return None  # the table may still come: do not remember that it did not
        prices = table.snapshot()
        if prices is not None:
            from otel_agentprof.pricing import resolve  # noqa: PLC0415 - imports genai-prices

            found = sellers.find(prices.providers, model, provider=provider, server_address=server_address)
            if found is None and (family := _SNAPSHOT.sub("", model)) != model:
                # A dated snapshot that the table does not list yet costs what its undated name costs.
                found = sellers.find(
                    prices.providers, family, provider=provider, server_address=server_address
                )
            when_ns = now_ns if at_ns is None else at_ns
            card = None if found is None else resolve.card_of(*found, tier=tier, at_ns=when_ns)
    if card is None or card.from_ns <= now_ns:  # one that is yet to come must not answer for today
        if len(_CARDS) >= _MAX_CARDS:
            _CARDS.clear()
        _CARDS[key] = card
    return card
