"""Programs started as README says, with their spans on the way to a receiver of ours."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backends.running import PATIENCE_S, Start, started
from programs import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loopback import Loopback
    from otlp_receiver import Receiver

BIN: Final = Path(sys.executable).parent
APPS: Final = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Place:
    """Where programs find a model, leave their files and send their spans."""

    model: Loopback
    receiver: Receiver
    directory: Path

    def variables(self, protocol: str = "grpc") -> dict[str, str]:
        """Return what a program needs in its environment."""
        return {
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{self.model.url}/v1",
            "NO_PROXY": "127.0.0.1",
            "HOME": str(self.directory),
            "BROKER_FOLDER": str(self.directory),
            "PYTHONPATH": str(APPS),
            "OTEL_EXPORTER_OTLP_ENDPOINT": (
                self.receiver.grpc_url if protocol == "grpc" else self.receiver.http_url
            ),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if protocol == "grpc" else "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_PYTHON_EXCLUDED_URLS": "ready",
            # uvicorn ends its workers by a signal, before anything can be flushed.
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    @contextmanager
    def serving(self, protocol: str, *command: str) -> Iterator[str]:
        """Run a server below ``opentelemetry-instrument``; give its address. ``PORT`` stands for its port."""

        def prepare(ports: Sequence[int]) -> Start:
            (port,) = map(str, ports)
            whole = [str(BIN / "opentelemetry-instrument"), str(BIN / command[0])]
            whole += [word.replace("PORT", port) for word in command[1:]]
            return Start(whole, f"http://127.0.0.1:{port}/ready", self.variables(protocol))

        with started(prepare, port_count=1, log=self.directory / "server.log") as (port,):
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def working(self, *command: str) -> Iterator[None]:
        """Run a program that serves nobody below ``opentelemetry-instrument``, until the block ends."""
        whole = [str(BIN / "opentelemetry-instrument"), str(BIN / command[0]), *command[1:]]
        with (self.directory / "worker.log").open("wb") as log:
            process = subprocess.Popen(
                whole, cwd=self.directory, env=environment(**self.variables()), stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def run(self, *command: str) -> None:
        """Run a program of the environment to its end."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=self.directory,
            env=environment(**self.variables()),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
