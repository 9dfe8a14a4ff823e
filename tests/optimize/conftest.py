"""A recorder for the spans of ``optimize/``, and a loopback server for the real clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from loopback import serve
from recording import recording

from otel_agentprof.optimize import own_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback import Loopback
    from recording import Recorder


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder of our spans, those of ``@ap.tool`` among them."""
    with recording() as made:
        own_spans.use(made.provider, capture_content=False)
        yield made
        own_spans.use(None)


@pytest.fixture(scope="session")
def _server() -> Iterator[Loopback]:
    with serve() as server:
        yield server


@pytest.fixture
def server(_server: Loopback) -> Loopback:
    _server.begin_anew()
    return _server
