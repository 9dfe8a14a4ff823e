"""The Grafana dashboard asks only for what we emit, under the names that backends give it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from otel_agentprof import semconv

_FILE: Final = Path(__file__).parent.parent / "examples/compose/grafana/dashboards/agentprof.json"
_BOARD: Final[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
_PANELS: Final[list[dict[str, Any]]] = _BOARD["panels"]
_TARGETS: Final = [target for panel in _PANELS for target in panel.get("targets", ())]
# What Prometheus makes of units and kinds (OTLP: names with suffixes).
_UNITS: Final = {"duration": "_seconds", "time": "_seconds", "cost": "_USD"}
_KINDS: Final = ("_bucket", "_sum", "_count", "_total")


def _names(prefix: str) -> set[str]:
    """Return the constants of semconv that begin so, with every role and limit filled in."""
    texts = {value for value in vars(semconv).values() if isinstance(value, str) and value.startswith(prefix)}
    with_roles = {text.replace("{role}", role) for text in texts for role in semconv.ROLES}
    limits = (*semconv.TIME_LIMITS, *semconv.COST_LIMITS)
    return {text.replace("{limit}", limit) for text in with_roles for limit in limits}


def test_every_attribute_in_a_traceql_query_is_one_of_ours() -> None:
    queries = " ".join(target["query"] for target in _TARGETS if target["datasource"]["type"] == "tempo")
    asked = set(re.findall(r"span\.([\w.]+)", queries))

    assert len(asked) > 10
    assert asked <= _names("agentprof.")
    assert set(re.findall(r"resource\.([\w.]+)", queries)) == {"service.name"}


def test_every_metric_and_label_in_a_prometheus_query_is_one_of_ours() -> None:
    queries = [target["expr"] for target in _TARGETS if target["datasource"]["type"] == "prometheus"]
    asked = {name for query in queries for name in re.findall(r"\bagentprof_\w+(?=\[)", query)}
    metrics = {value for name, value in vars(semconv).items() if name.startswith("METRIC_")}
    ours = {
        metric.replace(".", "_") + _UNITS.get(metric.rpartition(".")[2], "") + kind
        for metric in metrics
        for kind in _KINDS
    }
    labels = {
        label.strip()
        for query in queries
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }
    words = {name.replace(".", "_") for name in _names("agentprof.") | _names("gen_ai.")}

    assert len(asked) == 10
    assert asked <= ours
    assert labels - {"le"} <= words


def test_panels_have_places_and_data_sources_of_their_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in _PANELS]
    cells = [(x, y) for h, w, left, top in places for x in range(left, left + w) for y in range(top, top + h)]

    assert len({panel["id"] for panel in _PANELS}) == len(_PANELS)
    assert len(set(cells)) == len(cells)
    assert {target["datasource"]["uid"] for target in _TARGETS} == {"tempo", "prometheus"}
