"""The configurations of docker-compose.yml for programs on this machine: other ports and folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker-compose.yml"
CONFIGS: Final = ROOT / "examples" / "compose"


def document(path: Path) -> Any:
    """Return what a YAML file holds."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def collector(ports: Sequence[int], directory: Path, backends: dict[str, str]) -> dict[str, Any]:
    """Return the Collector's configuration.

    Args:
        ports: For OTLP over gRPC, OTLP over HTTP and health.
        directory: Where its files go.
        backends: By the host that the configuration names, such as ``jaeger``: where it really is. Exporters
            to other hosts are left out.
    """
    config = document(CONFIGS / "otel-collector.yaml")
    grpc, http, health = (f"127.0.0.1:{port}" for port in ports)
    protocols = config["receivers"]["otlp"]["protocols"]
    protocols["grpc"]["endpoint"], protocols["http"]["endpoint"] = grpc, http
    config["extensions"]["health_check"]["endpoint"] = health
    config["service"]["telemetry"] = {"metrics": {"level": "none"}}  # whose port would be taken, too
    for name, exporter in list(config["exporters"].items()):
        if "path" in exporter:
            exporter["path"] = str(directory / Path(exporter["path"]).name)
            continue
        host = exporter["endpoint"].partition(":")[0]
        if host in backends:
            exporter["endpoint"] = backends[host].removeprefix("http://")
        else:
            del config["exporters"][name]
            config["service"]["pipelines"]["traces"]["exporters"].remove(name)
    return config  # type: ignore[no-any-return]  # YAML knows no types


def tempo(ports: Sequence[int], directory: Path) -> dict[str, Any]:
    """Return Tempo's configuration, for its API, its own gRPC, OTLP over gRPC and OTLP over HTTP."""
    config = document(CONFIGS / "tempo.yaml")
    api, internal, grpc, http = ports
    config["server"] = {
        "http_listen_address": "127.0.0.1",
        "http_listen_port": api,
        "grpc_listen_address": "127.0.0.1",
        "grpc_listen_port": internal,
    }
    protocols = config["distributor"]["receivers"]["otlp"]["protocols"]
    protocols["grpc"]["endpoint"], protocols["http"]["endpoint"] = f"127.0.0.1:{grpc}", f"127.0.0.1:{http}"
    config["storage"]["trace"]["wal"]["path"] = str(directory / "wal")
    config["storage"]["trace"]["local"]["path"] = str(directory / "blocks")
    return config  # type: ignore[no-any-return]  # YAML knows no types
