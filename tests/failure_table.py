"""What a program notices of a backend that fails: each case in a process of its own, by both protocols.

    PYTHONPATH=.:tests python -m failure_table

The program calls ``instrument()``, makes spans for three seconds and ends. Prints a table; two minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from faulty_backend import GrpcBackend, HttpBackend, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROGRAM: Final = """
import atexit, json, logging, sys, threading, time
from pathlib import Path
told = {"ours": 0, "others": 0}
class Count(logging.Handler):
    def emit(self, record):
        told["ours" if record.name.startswith("otel_agentprof") else "others"] += 1
logging.getLogger().addHandler(Count())
handle = None
def last():
    lost = dict(handle.processor.stats.lost)
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    print(json.dumps({"made": made, "lost": lost, "forwarded": handle.processor.stats.forwarded,
        "ended_s": ended_s, "slowest_ms": slowest_ms, "reports": handle.processor.stats.reports,
        "rss_mib": pages * 4096 // 2**20, **told}), flush=True)
atexit.register(last)  # the first that is registered is the last that runs
import otel_agentprof as ap
handle = ap.instrument(include=[])
from opentelemetry import trace
tracer = trace.get_tracer("app")
made, slowest_ms, began_s = 0, 0.0, time.monotonic()
while time.monotonic() - began_s < 3:
    with ap.agent("planner"):
        for _ in range(24):
            began_ns = time.perf_counter_ns()
            tracer.start_span("step", attributes={"text": "x" * 500}).end()
            slowest_ms = max(slowest_ms, (time.perf_counter_ns() - began_ns) / 1e6)
    made += 25
    time.sleep(0.05)
ended_s = time.time()
"""
CASES: Final = (
    *("takes everything", "is not there", "refuses for good", "refuses for now", "finds requests too large"),
    *("takes 1 s for each request", "never answers", "speaks no TLS", "restarts"),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a program; ``exit_s`` is how long it took to end once its work was done."""

    case: str
    protocol: str
    exit_s: float
    slowest_ms: float
    made: int
    reports: int
    arrived: int
    lost: int
    rss_mib: int
    ours: int
    others: int


def run(case: str, kind: type[GrpcBackend | HttpBackend]) -> Outcome:
    """Run the program against a backend that fails in one way."""
    protocol = "grpc" if kind is GrpcBackend else "http/protobuf"
    with running(kind) as backend:
        address = f"{'https' if case == 'speaks no TLS' else 'http'}://127.0.0.1:{backend.port}"
        _prepare(case, backend)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        with subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **kept,
                "OTEL_EXPORTER_OTLP_ENDPOINT": address,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_BSP_SCHEDULE_DELAY": "500",
            },
        ) as program:
            if case == "restarts":
                backend.asked.wait(30)
                backend.stop()
                time.sleep(1)
                backend.start()
            output, _ = program.communicate(timeout=120)
            exit_s = time.time() - json.loads(output)["ended_s"]
        if program.returncode:
            raise RuntimeError(f"{case}: the program ended with {program.returncode}")
        backend.gate.set()
        if case == "is not there":
            backend.start()
        return _outcome(case, protocol, exit_s, json.loads(output), len(backend.names))


def _prepare(case: str, backend: Any) -> None:
    if case == "is not there":
        backend.stop()
    elif case == "refuses for good":
        backend.refusal = backend.fatal
    elif case == "refuses for now":
        backend.refusal = backend.transient
    elif case == "finds requests too large":
        backend.refusal = backend.too_large
    elif case == "takes 1 s for each request":
        backend.delay_s = 1.0
    elif case == "never answers":
        backend.gate.clear()


def _outcome(case: str, protocol: str, exit_s: float, told: Any, arrived: int) -> Outcome:
    return Outcome(
        case,
        protocol,
        round(exit_s, 1),
        round(told["slowest_ms"], 1),
        told["made"],
        told["reports"],
        arrived,
        sum(told["lost"].values()),
        told["rss_mib"],
        told["ours"],
        told["others"],
    )


def outcomes() -> Iterator[Outcome]:
    """Yield what became of each case by each protocol."""
    for case in CASES:
        for kind in (GrpcBackend, HttpBackend):
            yield run(case, kind)


def table(found: Sequence[Outcome]) -> str:
    """Return the outcomes as Markdown."""
    head = "the backend|protocol|ends after|slowest span|spans|arrived|counted as lost|memory|lines ours, SDK"
    rows = [
        f"{one.case}|{one.protocol}|{one.exit_s} s|{one.slowest_ms} ms|{one.made}|{one.arrived}|{one.lost}"
        f"|{one.rss_mib} MiB|{one.ours}, {one.others}"
        for one in found
    ]
    return "\n".join(f"| {line.replace('|', ' | ')} |" for line in (head, "|".join(["---"] * 9), *rows))


if __name__ == "__main__":
    sys.stdout.write(table(list(outcomes())) + "\n")
