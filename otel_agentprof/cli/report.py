"""``agentprof report``: the report of a trace that is in a file already."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from otel_agentprof import pricing
from otel_agentprof.cli import output, traces
from otel_agentprof.cli.output import say
from otel_agentprof.config import Config
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from otel_agentprof.cli.output import Output
    from otel_agentprof.report.report import Report

_COMING: Final = ("perfetto", "speedscope")


class ReportVerb:
    """Report where the time and money of a trace went.

    SOURCE is a file of OTLP JSON or JSON lines (such as `agentprof run -o`, or the
    Collector's file exporter) or of Jaeger's JSON, plain or gzip; `-` is stdin.
    Several traces in it give a table, and `--trace ID` the report of one of them.
    What could not be read is told on stderr and in the report.
    """

    name: ClassVar[str] = "report"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("source", metavar="SOURCE", help="a file, or - for stdin")
        parser.add_argument("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        parser.add_argument("--trace", metavar="ID", help="only this trace; the first digits are enough")
        output.add_arguments(parser, formats=(*FORMATS, *_COMING))

    def run(self, args: argparse.Namespace) -> int:
        """Write the report."""
        if args.format in _COMING:
            raise AgentProfError(
                f"--format {args.format} is not available yet; there are {', '.join(FORMATS)}"
            )
        settings = Config.from_env()
        pricing.configure(settings.prices, is_strict=True)
        place = output.output_for(args, path=args.file)
        trees, notes = traces.read(args.source)
        for _, message in notes:
            say(f"{args.source}: {message}")
        if args.trace is not None:
            trees = [traces.chosen(trees, args.trace)]
        if len(trees) > 1 and place.format == "html":
            raise AgentProfError(f"one page shows one trace; choose one with --trace ID: {traces.ids(trees)}")
        from otel_agentprof.report.build import build  # noqa: PLC0415 - loads the whole analysis

        reports = [build(tree, settings, notes) for tree in trees]
        place.write(place.rendered(reports[0]) if len(reports) == 1 else _several(reports, place))
        return 0


def _several(reports: Sequence[Report], place: Output) -> str:
    if place.format == "text":
        from otel_agentprof.report import terminal  # noqa: PLC0415 - only where something is drawn

        return terminal.render_many(reports, width=place.width, color=place.color, ascii=place.is_ascii)
    if place.format == "json":
        from otel_agentprof.report import json_text  # noqa: PLC0415 - likewise

        return json_text.render_many(reports)
    # Folded stacks add up; Markdown documents stand one below the other.
    between = "\n" if place.format == "markdown" else ""
    return between.join(place.rendered(report) for report in reports)
