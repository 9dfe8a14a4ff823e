"""Load on our pipeline with Jaeger behind it, beside the SDK's own, and with Jaeger killed half-way.

    PYTHONPATH=.:tests python -m backends.load --seconds 60        (AGENTPROF_JAEGER_BIN: where Jaeger is)

Each scenario is a process of its own, one after another, and ends by itself: `bare` (the SDK's batch
processor alone), `owning` (ours in front of it), `killed` (likewise, and Jaeger away for a sixth of it).
Prints a table; the last column is what the thread that makes spans waits for us.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from array import array
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from backends.running import PATIENCE_S, fetch, until
from backends.stores import Jaeger, running_jaeger
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_agentprof import AgentProfSpanProcessor, BoundedSpanExporter, semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

SCENARIOS: Final = ("bare", "owning", "killed")
_LONGEST_S: Final = 600
_MOST_SPANS: Final = 5_000_000
_SAMPLE: Final = 50  # traces that are read back
_AGAIN: Final = 20  # traces after Jaeger's return; all of them find room in the queue of the batch processor
_TEXT: Final = {f"app.attribute.{number}": f"value {number}" for number in range(6)}


@dataclass
class Figures:
    """What came out of one scenario; times in the units of their names.

    Attributes:
        made: Spans that were made.
        sent: Spans that Jaeger has accepted.
        lost: Spans that were not sent, by reason, as our processor counts them.
        dropped: Spans that are in no report, likewise.
        reports: Traces that were analysed.
        late_s: How far the maker of spans was behind its schedule at the end: more than a moment means that
            this rate is not to be had in one process.
        rss_mib: Memory of the process: after a third, at the end, at most.
        whole: Traces of the sample that Jaeger shows whole.
        again: Traces made after Jaeger had come back, all of which it should show whole.
        whole_again: How many of them it does.
    """

    scenario: str
    made: int = 0
    sent: int = 0
    seconds: float = 0.0
    late_s: float = 0.0
    cpu_s: float = 0.0
    shutdown_s: float = 0.0
    lost: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    reports: int = 0
    seen: int = 0
    forwarded: int = 0
    rss_mib: list[int] = field(default_factory=list)
    on_end_us: list[float] = field(default_factory=list)
    sample: list[str] = field(default_factory=list)
    whole: int = 0
    again: list[str] = field(default_factory=list)
    whole_again: int = 0
    load_average: float = 0.0


class _Timed(SpanProcessor):
    """Measures how long the thread that ends a span is held up."""

    def __init__(self, inner: SpanProcessor) -> None:
        self.inner = inner
        self.took_ns = array("q")
        self.on_start = inner.on_start  # type: ignore[method-assign]  # nothing between

    def on_end(self, span: ReadableSpan) -> None:
        began = time.perf_counter_ns()
        self.inner.on_end(span)
        self.took_ns.append(time.perf_counter_ns() - began)

    def shutdown(self) -> None:
        self.inner.shutdown()

    def percentiles_us(self) -> list[float]:
        ordered = sorted(self.took_ns)
        places = (0.5, 0.99, 0.999)
        return [ordered[int(len(ordered) * place)] / 1e3 for place in places] + [ordered[-1] / 1e3]


# --- the process under load -------------------------------------------------------------------------------


def work(scenario: str, url: str, seconds: float, traces_per_s: int, spans: int) -> Figures:
    """Make spans at a steady rate, shut down, and return what happened."""
    exporter = BoundedSpanExporter(OTLPSpanExporter(endpoint=url, insecure=True))
    batch = BatchSpanProcessor(exporter)
    ours = None if scenario == "bare" else AgentProfSpanProcessor(batch)
    timed = _Timed(ours or batch)
    provider = TracerProvider(resource=Resource({"service.name": "load"}), shutdown_on_exit=False)
    provider.add_span_processor(timed)
    found = Figures(scenario, load_average=os.getloadavg()[0])
    tracer = provider.get_tracer("load")
    _produce(tracer, found, seconds, traces_per_s, spans)
    if scenario == "killed":
        sys.stdin.read()  # until Jaeger is there again, however long that takes on this machine
        for _ in range(2):  # the first batch may find the way again only after some tries
            found.again = [_one_run(tracer, spans) for _ in range(_AGAIN)]
            provider.force_flush()
        found.made += 2 * _AGAIN * spans
    began = time.perf_counter()
    provider.shutdown()
    found.shutdown_s = time.perf_counter() - began
    found.cpu_s = time.process_time()
    found.sent, found.on_end_us = exporter.sent_count, timed.percentiles_us()
    found.lost = {"export": exporter.lost_count} if exporter.lost_count else {}
    if ours is not None:
        stats = ours.stats
        found.lost, found.dropped = dict(stats.lost), dict(stats.dropped)
        found.reports, found.seen, found.forwarded = stats.reports, stats.seen, stats.forwarded
    return found


def _produce(tracer: Tracer, found: Figures, seconds: float, traces_per_s: int, spans: int) -> None:
    total = int(seconds * traces_per_s)
    began = time.perf_counter()
    highest = 0
    for number in range(total):
        due = began + number / traces_per_s
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        trace_id = _one_run(tracer, spans)
        if number % max(1, total // _SAMPLE) == 0:
            found.sample.append(trace_id)
            highest = max(highest, _rss_mib())
            if not found.rss_mib and time.perf_counter() - began >= seconds / 3:
                found.rss_mib.append(highest)
        if (late_s := time.perf_counter() - due) > seconds:
            break  # twice the time is over: it ends by itself on any machine
    found.made = (number + 1) * spans
    found.seconds = time.perf_counter() - began
    found.late_s = max(0.0, late_s)
    found.rss_mib += [_rss_mib(), highest]


def _one_run(tracer: Tracer, spans: int) -> str:
    """Make the spans of one agent: model calls, each of which asks for a tool."""
    with tracer.start_as_current_span("invoke_agent", attributes={semconv.ROLE: "agent"}) as root:
        for number in range(spans - 1):
            if number % 2:
                tool = {semconv.ROLE: "tool", semconv.TOOL_NAME: "search", semconv.TOOL_CALL_ID: str(number)}
                tracer.start_span("execute_tool search", attributes={**_TEXT, **tool}).end()
                continue
            call: dict[str, Any] = {
                semconv.ROLE: "llm",
                semconv.OPERATION_NAME: "chat",
                semconv.REQUEST_MODEL: "gpt-4o",
                semconv.USAGE_INPUT_TOKENS: 1_000 + number,
                semconv.USAGE_OUTPUT_TOKENS: 100,
                semconv.TOOL_CALL_IDS: (str(number + 1),),
                semconv.COST_TOTAL: 0.0035,
            }
            tracer.start_span("chat gpt-4o", attributes={**_TEXT, **call}).end()
        return format(root.get_span_context().trace_id, "032x")


def _rss_mib() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # no Linux
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


# --- the one that watches ---------------------------------------------------------------------------------


class _OwnJaeger:
    """A Jaeger that can be killed and started again at the same place."""

    def __init__(self, program: str, directory: Path) -> None:
        with running_jaeger(program, directory) as store:
            self.store: Jaeger = store  # its ports are in its configuration, and free again after the block
        self._command = [program, f"--config={directory / 'jaeger.json'}"]
        config = json.loads((directory / "jaeger.json").read_text())
        self._ready_url = f"http://{config['extensions']['healthcheckv2']['http']['endpoint']}/status"
        self._log = directory / "again.log"
        self._process: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        quiet = {**os.environ, "OTEL_TRACES_SAMPLER": "always_off"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=quiet)
        until(self._is_ready, "Jaeger")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _is_ready(self) -> bool:
        try:
            fetch(self._ready_url)
        except OSError:
            return False
        return True


@contextmanager
def _own_jaeger(program: str) -> Iterator[_OwnJaeger]:
    with TemporaryDirectory() as directory:
        jaeger = _OwnJaeger(program, Path(directory))
        jaeger.start()
        try:
            yield jaeger
        finally:
            jaeger.kill()


def measure(program: str, scenario: str, seconds: float, traces_per_s: int, spans: int) -> Figures:
    """Run one scenario against a Jaeger of its own.

    Args:
        program: Where Jaeger is.
        scenario: One of :data:`SCENARIOS`.
        seconds: How long spans are made; at most twice as long where the machine is too slow.
        traces_per_s: Rate.
        spans: Of each trace.

    Raises:
        ValueError: For a load without bounds.
    """
    if not 0 < seconds <= _LONGEST_S or seconds * traces_per_s * spans > _MOST_SPANS:
        raise ValueError(f"at most {_LONGEST_S} s and {_MOST_SPANS} spans")
    with _own_jaeger(program) as jaeger:
        numbers = [str(seconds), str(traces_per_s), str(spans)]
        command = [
            sys.executable,
            "-m",
            "backends.load",
            "--worker",
            scenario,
            jaeger.store.grpc_url,
            *numbers,
        ]
        pipe = subprocess.PIPE
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        own = {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=own) as worker:
            if scenario == "killed":
                time.sleep(seconds / 2)
                jaeger.kill()
                time.sleep(seconds / 6)
                jaeger.start()
            try:
                output, _ = worker.communicate(timeout=2 * seconds + 2 * PATIENCE_S)
            finally:
                worker.kill()
        found = Figures(**json.loads(output))
        shown = {one: len(jaeger.store.look(one)) for one in (*found.sample, *found.again)}
        found.whole = sum(shown[one] == spans for one in found.sample)
        found.whole_again = sum(shown[one] == spans for one in found.again)
    return found


def table(all_figures: Sequence[Figures]) -> str:
    """Return the figures for people."""
    heads = (
        "scenario  made/s  sent/s     made     sent  lost  late s  cpu us  shutdown s"  # CPU time per span
    )
    lines = [f"{heads}  RSS MiB 1/3, end, max  whole  on_end us p50, p99, p99.9, max"]
    for one in all_figures:
        rss = ", ".join(map(str, one.rss_mib))
        waits = ", ".join(f"{value:.1f}" for value in one.on_end_us)
        lines.append(
            f"{one.scenario:<8} {one.made / one.seconds:7.0f}"
            f" {one.sent / (one.seconds + one.shutdown_s):7.0f}"
            f" {one.made:8d} {one.sent:8d} {one.made - one.sent:5d} {one.late_s:7.2f}"
            f" {1e6 * one.cpu_s / one.made:7.0f} {one.shutdown_s:11.2f}  {rss:>21}"
            f"  {one.whole:2d}/{len(one.sample)}  {waits}"
        )
        if one.scenario != "bare":
            lines.append(
                f"         reports {one.reports}, spans in none: {one.dropped}, lost: {one.lost},"
                f" whole after Jaeger's return: {one.whole_again}/{len(one.again)}"
            )
    loads = ", ".join(f"{one.load_average:.1f}" for one in all_figures)
    return "\n".join([*lines, f"load average before each: {loads}"])


def main() -> None:
    """Measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(prog="python -m backends.load")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--traces-per-s", type=int, default=200)
    parser.add_argument("--spans", type=int, default=50)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--jaeger", default=os.environ.get("AGENTPROF_JAEGER_BIN"))
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        scenario, url, seconds, rate, spans = given.worker
        sys.stdout.write(json.dumps(asdict(work(scenario, url, float(seconds), int(rate), int(spans)))))
        return
    if not given.jaeger:
        parser.error("AGENTPROF_JAEGER_BIN or --jaeger has to name Jaeger's program")
    found = [
        measure(given.jaeger, scenario, given.seconds, given.traces_per_s, given.spans)
        for scenario in given.scenario or SCENARIOS
    ]
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
