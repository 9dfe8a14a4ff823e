"""docker-compose.yml without a container engine: its schema, and its configurations in real programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends import composed
from backends.running import program
from backends.sending import arrived, every_kind_of_span, in_order, many_spans, sending

if TYPE_CHECKING:
    from backends.collector import Collector
    from backends.stores import Jaeger

SERVICES = composed.document(composed.COMPOSE)["services"]


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec"),
            composed.COMPOSE,
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_every_image_has_a_pinned_tag_and_every_port_is_this_machines_own() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":v?\$\{[A-Z]+_TAG:-\d+\.\d+\.\d+\}$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name


def test_every_service_but_the_collector_is_asked_whether_it_is_well() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"otel-collector"}


def test_every_file_that_a_service_mounts_is_there() -> None:
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = [mount for mount in mounts if mount.startswith("./")]

    assert len(files) == 4
    assert [mount for mount in files if not (composed.ROOT / mount).exists()] == []


def test_grafana_finds_datasources_and_dashboards_where_its_services_are() -> None:
    provisioning = composed.CONFIGS / "grafana" / "provisioning"
    sources = composed.document(provisioning / "datasources" / "datasources.yaml")["datasources"]
    (dashboards,) = composed.document(provisioning / "dashboards" / "dashboards.yaml")["providers"]
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]

    assert {source["uid"]: source["url"] for source in sources} == {
        "tempo": "http://tempo:3200",
        "jaeger": "http://jaeger:16686",
        "prometheus": "http://prometheus:9090",
    }
    assert dashboards["options"]["path"] in mounted


def test_every_dashboard_asks_datasources_that_are_provisioned() -> None:
    for dashboard in (composed.CONFIGS / "grafana" / "dashboards").glob("*.json"):
        found = set(_uids(json.loads(dashboard.read_text(encoding="utf-8"))))

        assert found <= {"tempo", "jaeger", "prometheus", "-- Grafana --", "grafana"}, dashboard.name


def test_the_collector_takes_its_configuration_as_it_stands() -> None:
    place = composed.CONFIGS / "otel-collector.yaml"

    done = subprocess.run(
        [program("collector", "AGENTPROF_COLLECTOR_BIN"), "validate", f"--config={place}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_collector_takes_reaches_jaeger_and_the_file(
    composed_collector: Collector, jaeger: Jaeger
) -> None:
    with sending(composed_collector, "grpc") as (tracer, sent):
        trace_id = every_kind_of_span(tracer, time.time_ns())
    written = in_order(sent.of(trace_id))

    assert in_order(arrived(jaeger, len(written), trace_id)) == written
    assert in_order(arrived(composed_collector, len(written), trace_id)) == written


def test_jaeger_finds_it_by_service_time_and_attribute(composed_collector: Collector, jaeger: Jaeger) -> None:
    now = time.time_ns()
    # No infinity among them: Jaeger 2.13 cannot write one as JSON, and answers such a search with 500.
    tags = {"largest": 2**63 - 1, "yes": True, "text": "日本"}
    service = f"searched-{now}"
    with sending(composed_collector, "http", service=service) as (tracer, _):
        trace_id = many_spans(tracer, 3, now, tags)
    arrived(jaeger, 3, trace_id)
    since_s, until_s = now / 1e9 - 60, now / 1e9 + 60

    assert jaeger.find(service, since_s, until_s, **tags) == {trace_id}
    assert jaeger.find(service, since_s, until_s, **{**tags, "largest": 1}) == set()
    assert jaeger.find(service, since_s - 60, since_s, **tags) == set()


def _uids(value: Any) -> list[str]:
    """Return the datasources that a dashboard names anywhere."""
    if isinstance(value, list):
        return [uid for member in value for uid in _uids(member)]
    if not isinstance(value, dict):
        return []
    source = value.get("datasource")
    own = [source["uid"]] if isinstance(source, dict) and isinstance(source.get("uid"), str) else []
    return [*own, *(uid for member in value.values() for uid in _uids(member))]
