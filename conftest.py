"""For all tests: what the programs import that they start is compiled once, where no bytecode is kept too."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Keep the bytecode elsewhere while the tests run; workers of xdist find it in the environment."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        place = tempfile.TemporaryDirectory(prefix="agentprof-bytecode-", ignore_cleanup_errors=True)
        config.add_cleanup(place.cleanup)
        os.environ["PYTHONPYCACHEPREFIX"] = place.name
