"""``TokenProfiler``: tokens per operation and model, what they cost, and budgets in tokens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof import model as counts
from otel_agentprof.pricing import price

if TYPE_CHECKING:
    from collections.abc import Callable

_EXPENSIVE_USD: Final = Decimal("0.10")
_PROMPT_HEAVY: Final = 0.8
_ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class TokenUsage:
    """The tokens of one call.

    Attributes:
        timestamp: When it was recorded, ISO 8601 in UTC.

    Raises:
        ValueError: A count is negative or no integer.
    """

    operation: str
    prompt_tokens: int
    completion_tokens: int
    model: str
    timestamp: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "completion_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} of {self.operation!r} must be an integer >= 0, not {value!r}")

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def estimated_cost(self) -> float:
        """US dollars by today's price table; 0 where the model has no known price."""
        return float(self.cost_usd or 0)

    @cached_property
    def cost_usd(self) -> Decimal | None:
        """Exact US dollars; None where the model has no known price."""
        paid = price(counts.TokenUsage(self.prompt_tokens, self.completion_tokens), self.model)
        return None if paid is None else paid.total


@dataclass(slots=True)
class _Sum:
    count: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = _ZERO

    def add(self, usage: TokenUsage) -> None:
        self.count += 1
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.cost_usd += usage.cost_usd or _ZERO

    @property
    def prompt_ratio(self) -> float:
        total = self.prompt_tokens + self.completion_tokens
        return self.prompt_tokens / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": float(self.cost_usd),
        }


class TokenProfiler:
    """Adds up tokens and money, and says where both could be less.

        tokens = TokenProfiler()
        tokens.set_budget("planning", 10_000)
        tokens.record("planning:step", 1500, 200, "gpt-4o")
        within, remaining = tokens.check_budget("planning")

    Attributes:
        usage_records: One per call, in order.
        budgets: Tokens that each category may use.
    """

    def __init__(self) -> None:
        self.usage_records: list[TokenUsage] = []
        self.budgets: dict[str, int] = {}

    def record(
        self,
        operation: str,
        prompt_tokens: int,
        completion_tokens: int,
        model: str,
        **metadata: Any,
    ) -> TokenUsage:
        """Note the tokens of one call, and return the record.

        Raises:
            ValueError: A count is negative or no integer.
        """
        usage = TokenUsage(operation, prompt_tokens, completion_tokens, model, metadata=metadata)
        self.usage_records.append(usage)
        return usage

    def set_budget(self, category: str, max_tokens: int) -> None:
        """Say how many tokens operations whose name starts with ``category`` may use.

        Raises:
            ValueError: The budget is negative or no number.
        """
        if not max_tokens >= 0:  # also refuses nan
            raise ValueError(f"the budget of {category!r} must be a number >= 0, not {max_tokens!r}")
        self.budgets[category] = max_tokens

    def check_budget(self, category: str) -> tuple[bool, int]:
        """Return whether tokens are left, and how many; below 0 by so much as was overspent.

        A category without a budget gives ``(True, 0)``.
        """
        budget = self.budgets.get(category)
        if budget is None:
            return True, 0
        used = sum(u.total_tokens for u in self.usage_records if u.operation.startswith(category))
        return used < budget, budget - used

    def get_summary(self) -> dict[str, Any]:
        """Return all tokens and dollars, by operation and by model.

        Models without a known price cost 0 and are named under ``unpriced_models``.
        """
        records = list(self.usage_records)
        return {
            "total_tokens": sum(usage.total_tokens for usage in records),
            "total_cost": float(sum((usage.cost_usd or _ZERO for usage in records), _ZERO)),
            "record_count": len(records),
            "by_operation": {
                key: total.to_dict() for key, total in self._sums(lambda u: u.operation).items()
            },
            "by_model": {key: total.to_dict() for key, total in self._sums(lambda u: u.model).items()},
            "unpriced_models": sorted({usage.model for usage in records if usage.cost_usd is None}),
        }

    def get_optimization_suggestions(self) -> list[dict[str, Any]]:
        """Return what to change, as dicts, the greatest first.

        ``expensive_operation`` (operation, cost, suggestion): it costs more than $0.10. ``prompt_heavy``
        (operation, ratio, suggestion): more than 80 % of its tokens are prompt.
        """
        sums = self._sums(lambda usage: usage.operation)
        expensive = [
            {
                "type": "expensive_operation",
                "operation": operation,
                "cost": float(total.cost_usd),
                "suggestion": (
                    f"{operation} costs ${total.cost_usd:.2f} in {total.count:,} calls. Use a cheaper model "
                    "where it is good enough, cache answers that repeat, or shorten the prompt."
                ),
            }
            for operation, total in sorted(sums.items(), key=lambda item: -item[1].cost_usd)
            if total.cost_usd > _EXPENSIVE_USD
        ]
        heavy = [
            {
                "type": "prompt_heavy",
                "operation": operation,
                "ratio": total.prompt_ratio,
                "suggestion": (
                    f"{operation} reads {total.prompt_tokens:,} tokens to write {total.completion_tokens:,}. "
                    "Send less history and fewer tool definitions, or let the provider cache what repeats."
                ),
            }
            for operation, total in sorted(sums.items(), key=lambda item: -item[1].prompt_ratio)
            if total.prompt_ratio > _PROMPT_HEAVY
        ]
        return expensive + heavy

    def cost_by_operation(self) -> dict[str, float]:
        """Return US dollars per operation."""
        return {key: float(total.cost_usd) for key, total in self._sums(lambda u: u.operation).items()}

    def _sums(self, key: Callable[[TokenUsage], str]) -> dict[str, _Sum]:
        sums: defaultdict[str, _Sum] = defaultdict(_Sum)
        for usage in list(self.usage_records):
            sums[key(usage)].add(usage)
        return dict(sums)
