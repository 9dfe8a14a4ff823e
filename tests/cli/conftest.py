from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_agentprof import pricing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_prices_of_ones_own() -> Iterator[None]:
    """The verbs set prices for the whole process, which ends after them; a test's process does not."""
    yield
    pricing.configure(None)
