"""No test sees another's prices, nor those of the person who runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_agentprof import pricing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_own_prices() -> Iterator[None]:
    pricing.configure(None)
    yield
    pricing.configure(None)
