"""``agentprof prices``: what a model costs, according to whom."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final

from otel_agentprof.cli.output import written
from otel_agentprof.config import Config
from otel_agentprof.errors import UnknownPriceError
from otel_agentprof.pricing import configure, price_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from decimal import Decimal

    from otel_agentprof.pricing.offers import Listing, Offer, Rate

_USAGE_ERROR: Final = 2
_MIN_CENTS: Final = 2


class Prices:
    """Show what a model costs: rates, who sells it, and how old the prices are.

    Your own prices (the file that OTEL_AGENTPROF_PRICES names) come first, then the genai-prices table.
    """

    name: ClassVar[str] = "prices"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("model", metavar="MODEL", help="name of the model, as in the API call")
        parser.add_argument("--provider", metavar="P", help="only this seller, such as openai or aws.bedrock")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")

    def run(self, args: argparse.Namespace) -> int:
        """Print the prices; return 0, or 2 when the model is not known or your own prices cannot be read."""
        try:
            configure(Config.from_env().prices, is_strict=True)
        except UnknownPriceError as error:
            return _refuse(str(error))
        if not price_table():
            return _refuse("there is no price table: install genai-prices")
        from otel_agentprof.pricing import offers  # noqa: PLC0415 - imports genai-prices

        listing = offers.describe(args.model, args.provider)
        if listing is None:
            return _refuse(_unknown(args.model, args.provider))
        text = _as_json(listing) if args.format == "json" else _as_text(listing)
        with written(sys.stdout):
            sys.stdout.write(text)
        return 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"agentprof: {reason}\n")
    return _USAGE_ERROR


def _unknown(model: str, provider: str | None) -> str:
    from otel_agentprof.pricing import offers  # noqa: PLC0415 - imports genai-prices

    text = f"no price for {model!r}" + (f" at {provider!r}" if provider else "")
    elsewhere = offers.describe(model) if provider else None
    if elsewhere is not None:
        known = [elsewhere.used, *elsewhere.others]
        return f"{text}; it is sold by {', '.join(sorted(offer.provider for offer in known if offer))}"
    near = offers.near_names(model, provider)
    return f"{text}; did you mean {' or '.join(near)}?" if near else text


def _as_text(listing: Listing) -> str:
    if listing.used is not None:
        lines = [*_offer_lines(listing.used), "", _source(listing.used.table, listing)]
    else:
        lines = [f"{listing.model}: the name alone does not say who is paid; choose with --provider"]
    if listing.others:
        rows = [("sold also by" if listing.used else "sold by", "input", "output", "")]
        for offer in sorted(listing.others, key=lambda other: (other.table == price_table(), other.provider)):
            is_own = offer.table != price_table()
            usd = {rate.name: _usd(rate.usd) for rate in offer.rates}
            free = "" if offer.rates else "free"
            rows.append(
                (
                    offer.provider,
                    usd.get("input", free),
                    usd.get("output", free),
                    f"{offer.model}{' (your own price)' * is_own}",
                )
            )
        lines += ["", *_columns(rows)]
    if listing.used is None:
        lines += ["", _source(price_table(), listing)]
    return "\n".join(lines) + "\n"


def _offer_lines(offer: Offer) -> list[str]:
    lines = [f"{offer.model}, sold by {offer.provider or 'any provider'}", ""]
    if not offer.rates:
        return [*lines, "  free, according to the table"]
    starts = sorted({start for rate in offer.rates for start, _ in rate.above})
    rows = [("", "US dollars", *(f"above {start:,} input tokens" for start in starts), "")]
    for rate in offer.rates:
        steps = dict(rate.above)
        longer = (_usd(steps[start]) if start in steps else "" for start in starts)
        rows.append((rate.name, _usd(rate.usd), *longer, f"per {rate.per}"))
    lines += _columns(rows)
    if offer.tiers:
        lines += ["", *_columns(_tier_rows(offer))]
    if offer.until is not None:
        lines += ["", f"  These prices hold until {offer.until:%Y-%m-%d %H:%M} UTC."]
    return lines


def _tier_rows(offer: Offer) -> list[tuple[str, ...]]:
    """Return what differs when a call is billed as something else, one column for each such tier."""
    standard = {rate.name: rate for rate in offer.rates}
    columns = [{rate.name: rate for rate in rates} for _, rates in offer.tiers]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [("billed as", *(tier for tier, _ in offer.tiers), "")]
    for name in names:
        rates = [column.get(name) for column in columns]
        if any(rate != standard.get(name) for rate in rates):
            rows.append((name, *("" if rate is None else _usd(rate.usd) for rate in rates), ""))
    return rows


def _source(label: str, listing: Listing) -> str:
    newest = f"; its newest price is of {listing.newest}" if listing.newest and label == price_table() else ""
    return f"Source: {label}{newest}"


def _usd(usd: Decimal) -> str:
    whole, _, cents = f"{usd:f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<{_MIN_CENTS}}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return [
        "  " + "  ".join(
            cell.ljust(width) if at in (0, last) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip


def _as_json(listing: Listing) -> str:
    data = {
        "model": listing.model,
        "used": None if listing.used is None else _offer_data(listing.used),
        "others": [_offer_data(offer) for offer in listing.others],
        "table": price_table(),
        "newest_price": None if listing.newest is None else listing.newest.isoformat(),
    }
    return json.dumps(data, indent=2) + "\n"


def _offer_data(offer: Offer) -> dict[str, Any]:
    return {
        "provider": offer.provider,
        "model": offer.model,
        "table": offer.table,
        "rates": [_rate_data(rate) for rate in offer.rates],
        "tiers": {tier: [_rate_data(rate) for rate in rates] for tier, rates in offer.tiers},
        "until": None if offer.until is None else offer.until.isoformat(),
        "comment": offer.comment,
    }


def _rate_data(rate: Rate) -> dict[str, Any]:
    steps = [{"input_tokens": start, "usd": float(usd)} for start, usd in rate.above]
    return {"name": rate.name, "usd": float(rate.usd), "per": rate.per, "above": steps}
