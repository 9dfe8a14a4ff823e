"""The configurations of docker-compose.yml for programs on this machine: other ports and folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.stores import Store

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker-compose.yml"
CONFIGS: Final = ROOT / "examples" / "compose"


def document(path: Path) -> Any:
    """Return what a YAML file holds."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def collector(ports: Sequence[int], directory: Path, backends: Mapping[str, Store]) -> dict[str, Any]:
    """Return the Collector's configuration.

    Args:
        ports: For OTLP over gRPC, OTLP over HTTP and health.
        directory: Where its files go.
        backends: Those that are there, by the names of the exporters: ``jaeger``, ``tempo``. Exporters to
            others are left out.
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
        backend = backends.get(name.partition("/")[2])
        if backend is not None:
            is_grpc = name.startswith("otlp_grpc/")
            exporter["endpoint"] = backend.grpc_url.removeprefix("http://") if is_grpc else backend.http_url
        else:
            del config["exporters"][name]
            for pipeline in config["service"]["pipelines"].values():
                pipeline["exporters"] = [one for one in pipeline["exporters"] if one != name]
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
