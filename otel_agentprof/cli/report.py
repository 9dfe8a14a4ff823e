"""``agentprof report``: the report of a trace that is in a file or on a server already, or of many."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final

from otel_agentprof import pricing
from otel_agentprof.cli import output, traces
from otel_agentprof.config import Config
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from otel_agentprof.cli.output import Output
    from otel_agentprof.report.report import Report

# Formats that show several traces as such, each by the function render_many of its module.
_OF_MANY: Final = {
    "folded": "folded",
    "json": "json_text",
    "perfetto": "perfetto",
    "speedscope": "speedscope",
}


class ReportVerb:
    """Report where the time and money of a trace went.

    SOURCE is a file of OTLP JSON, JSON lines or protobuf (such as `agentprof run -o`, or
    the Collector's file exporter in any of its formats) or of Jaeger's JSON, plain, gzip
    or zstd; `-` is stdin; a directory holds blocks of Tempo. Or it is an address:

        jaeger+http://localhost:16686/TRACEID   'jaeger+http://localhost:16686?service=x&limit=20'
        tempo+https://host/TRACEID              'tempo+http://localhost:3200?q={traceql}'
        phoenix+http://localhost:6006/TRACEID   'phoenix+http://localhost:6006?project=x'

    A search looks at the last 24 hours (lookback=7d, start=, end=) and gives 20 traces
    (limit=); Jaeger also takes operation=, min_duration= and max_duration=. Headers for
    the server stand in OTEL_AGENTPROF_READ_HEADERS (name=value,name2=value2), its CA in
    OTEL_AGENTPROF_READ_CERTIFICATE; it is given up after 10 seconds of silence.

    Several sources are read as one, so a trace may be spread over files.
    Several traces give their aggregate: percentiles with confidence intervals,
    shares of the critical path, costs and what recurs; `--trace ID` gives the report
    of one of them. `--format json` is then the list of reports, or one object with
    `--aggregate`; `--format folded` adds the critical paths of all traces up.

    `--format perfetto` is for ui.perfetto.dev: a process per trace, with the critical
    path, every span, its tokens and its cost. `--format speedscope` is for speedscope.app:
    profiles of each trace, weighed by the wait, by tokens and by micro-dollars.
    What could not be read is told on stderr and in the report.
    """

    name: ClassVar[str] = "report"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("sources", metavar="SOURCE", nargs="+", help="a file, - for stdin, or an address")
        parser.add_argument("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        parser.add_argument("--trace", metavar="ID", help="only this trace; the first digits are enough")
        parser.add_argument(
            "--aggregate", action="store_true", help="what all traces have in common, even of one"
        )
        output.add_arguments(parser, formats=tuple(FORMATS))

    def run(self, args: argparse.Namespace) -> int:
        """Write the report."""
        settings = Config.from_env()
        pricing.configure(settings.prices, is_strict=True)
        place = output.output_for(args, path=args.file)
        groups, notes = traces.grouped(*args.sources)
        only = None if args.trace is None else traces.chosen(list(groups), args.trace)
        is_many = args.aggregate or (only is None and len(groups) > 1)
        if is_many and place.format == "html":
            raise AgentProfError(
                f"one page shows one trace; choose one with --trace ID: {traces.ids(list(groups))}"
            )
        reports = traces.built(groups, settings, notes, only=only)
        place.write(
            _several(reports, place, is_summary=args.aggregate) if is_many else place.rendered(next(reports))
        )
        return 0


def _several(reports: Iterator[Report], place: Output, *, is_summary: bool) -> str:
    if place.format in _OF_MANY and not (place.format == "json" and is_summary):
        module = import_module(f"otel_agentprof.report.{_OF_MANY[place.format]}")
        written: str = module.render_many(reports)
        return written
    from otel_agentprof.report.gathering import aggregate  # noqa: PLC0415 - only where something is written

    return place.rendered_aggregate(aggregate(reports))
