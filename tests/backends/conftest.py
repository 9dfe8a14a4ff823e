"""One fixture per backend; each is there for a whole run of the tests, and told apart by the traces' ids.

``AGENTPROF_JAEGER_BIN`` or ``_URL``, ``AGENTPROF_COLLECTOR_BIN``, ``AGENTPROF_TEMPO_BIN`` or ``_URL`` and
``AGENTPROF_PHOENIX_BIN`` or ``_URL`` say where they are. `.ci/backends` builds the first two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from backends.collector import Collector, running_collector
from backends.running import program
from backends.stores import Jaeger, Phoenix, Tempo, at, running_jaeger, running_phoenix, running_tempo
from otlp_receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """Jaeger 2, with what other tests have sent to it."""
    if url := os.environ.get("AGENTPROF_JAEGER_URL"):
        yield at(Jaeger, url)
        return
    directory = tmp_path_factory.mktemp("jaeger")
    with running_jaeger(program("jaeger", "AGENTPROF_JAEGER_BIN"), directory) as one:
        yield one


@pytest.fixture(scope="session")
def tempo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempo]:
    """Tempo, likewise."""
    if url := os.environ.get("AGENTPROF_TEMPO_URL"):
        yield at(Tempo, url)
        return
    directory = tmp_path_factory.mktemp("tempo")
    with running_tempo(program("tempo", "AGENTPROF_TEMPO_BIN"), directory) as one:
        yield one


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    """Arize Phoenix, likewise."""
    if url := os.environ.get("AGENTPROF_PHOENIX_URL"):
        yield at(Phoenix, url)
        return
    directory = tmp_path_factory.mktemp("phoenix")
    with running_phoenix(program("phoenix", "AGENTPROF_PHOENIX_BIN"), directory) as one:
        yield one


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """The Collector with its files; no backend behind it."""
    directory = tmp_path_factory.mktemp("collector")
    with running_collector(program("collector", "AGENTPROF_COLLECTOR_BIN"), directory) as one:
        yield one


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP receiver of our own, for every machine."""
    with receiving() as one:
        yield one


@pytest.fixture(scope="session")
def composed_collector(jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """The Collector with Jaeger behind it, as docker-compose.yml has them."""
    directory = tmp_path_factory.mktemp("composed")
    with running_collector(
        program("collector", "AGENTPROF_COLLECTOR_BIN"), directory, {"jaeger": jaeger}
    ) as one:
        yield one
