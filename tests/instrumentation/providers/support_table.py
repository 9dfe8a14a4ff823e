"""The table of README: what the spans of each operation of each client told, found out by calling it.

    PYTHONPATH=.:tests:tests/instrumentation python -m providers.support_table [--record]

Calls every case of the clients that are installed here; ``--record`` keeps what was found in `support.json`,
beside the rows of clients that live in other environments, and writes the table into README.md.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loopback import serve
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from packaging.requirements import Requirement
from providers.case import all_cases
from providers.outcome import awaited, read, with_client

import otel_agentprof
from otel_agentprof import pricing
from otel_agentprof.instrumentation import libraries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loopback import Answer, Loopback
    from providers.case import Case, Kind

RECORD: Final = Path(__file__).parent / "support.json"
README: Final = Path(__file__).parents[3] / "README.md"
BEGIN, END = "<!-- support table: begin -->\n", "<!-- support table: end -->\n"
COLUMNS: Final = ("sync", "async", "stream", "tools", "tokens", "cached", "cost", "TTFT")
YES, NO, NOTHING = "yes", "no", "-"
Row = dict[str, str]


class _Caller:
    """Calls cases and gives the attributes of the one span that each call must make."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider = provider

    def facts(self, case: Case, kind: Kind, action: Any, answer: Answer) -> dict[str, Any]:
        self._exporter.clear()
        self._server.script[:] = [answer]

        async def work(client: Any) -> None:
            result = await awaited(action(client))
            if action is case.stream:
                await read(result)

        with_client(case, self._server.url, work, kind=kind)
        spans = self._exporter.get_finished_spans()
        return dict(spans[0].attributes or {}) if len(spans) == 1 else {}


def rows() -> dict[str, Row]:
    """Return what was found, by the name of the case."""
    with serve() as server:
        caller = _Caller(server)
        with otel_agentprof.instrument(tracer_provider=caller.provider):
            assert pricing.wait(600)
            found = {case.name: _row(case, caller) for case in all_cases()}
        caller.provider.shutdown()
    return found


def _row(case: Case, caller: _Caller) -> Row:
    whole = {kind: caller.facts(case, kind, case.call, case.answer) for kind in case.kinds}
    facts = whole[case.kinds[0]]
    streamed = _streamed(case, caller)
    spec = libraries.known()[case.library].load()
    return {
        "library": case.library,
        "distribution": Requirement(spec.distribution).name,
        "from": spec.distribution.partition(">=")[2],
        "tested": metadata.version(Requirement(spec.distribution).name),
        "operation": case.name.removeprefix(f"{case.library}-"),
        "sync": _told(whole.get("sync")),
        "async": _told(whole.get("async")),
        "stream": NOTHING if case.stream is None else _told(streamed),
        "tools": _tools(case, caller),
        "tokens": _as_served(case, facts, "gen_ai.usage.input_tokens"),
        "cached": _as_served(case, facts, "gen_ai.usage.cache_read.input_tokens"),
        "cost": _told(facts.get("agentprof.cost.total")) if case.has_cost else NOTHING,
        "TTFT": NOTHING
        if case.stream is None
        else _told(streamed.get("gen_ai.response.time_to_first_chunk")),
    }


def _streamed(case: Case, caller: _Caller) -> dict[str, Any]:
    if case.stream is None or case.stream_answer is None:
        return {}
    return caller.facts(case, case.kinds[0], case.stream, case.stream_answer)


def _tools(case: Case, caller: _Caller) -> str:
    if case.tools_call is None or case.tools_answer is None:
        return NOTHING
    facts = caller.facts(case, case.kinds[0], case.tools_call, case.tools_answer)
    return YES if {name: facts.get(name) for name in case.tools_facts} == case.tools_facts else NO


def _as_served(case: Case, facts: dict[str, Any], attribute: str) -> str:
    """Return whether a count is what was served; nothing where the API has no such count."""
    if attribute not in case.facts:
        return NOTHING
    return YES if facts.get(attribute) == case.facts[attribute] else NO


def _told(value: Any) -> str:
    if value is None:
        return NOTHING
    return YES if value else NO


def recorded() -> dict[str, Row]:
    """Return what earlier runs found, in this and other environments."""
    found: dict[str, Row] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def render(table: Iterable[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [
        f"| client | operation | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for row in table:
        client = f"`{row['distribution']}` {row['from']}+ ({row['tested']})"
        lines.append(f"| {client} | {row['operation']} | {' | '.join(row[name] for name in COLUMNS)} |")
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Print the table of what is installed here, or record it."""
    found = rows()
    if "--record" not in sys.argv:
        sys.stdout.write(render(found.values()))
        return
    every = {**(recorded() if RECORD.exists() else {}), **found}
    order = list(libraries.known())
    table = dict(sorted(every.items(), key=lambda item: order.index(item[1]["library"])))
    RECORD.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    README.write_text(
        before + BEGIN + render(table.values()) + END + rest.partition(END)[2], encoding="utf-8"
    )


if __name__ == "__main__":
    main()
