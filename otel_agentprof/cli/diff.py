"""``agentprof diff``: what changed between two runs, or between two sets of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from otel_agentprof import pricing
from otel_agentprof.cli import output, traces
from otel_agentprof.cli.output import say
from otel_agentprof.config import Config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from otel_agentprof.cli.output import Output
    from otel_agentprof.report.comparison import Comparison
    from otel_agentprof.report.report import Report


class Diff:
    """Compare two runs, or two sets of runs, span by span.

    A and B are sources as for `agentprof report`. Runs are matched by the name of their
    root, spans by their names from the root on and by occurrence; numbers, run ids and
    uuids in names do not matter. Several runs are compared by their medians, with a word
    on whether chance would explain the difference (four runs on each side are enough).

        agentprof diff before.jsonl after.jsonl --fail-if 'duration>10%' --fail-if 'cost>$0.01'

    --fail-if is about the growth of B over A: exit code 1 when it is more, or when that
    cannot be told (an unknown cost, a name that neither side has, runs that B lacks).
    Figures: duration, cost[:MODEL], tokens[:input|output], calls[:NAME], critical:NAME,
    errors, findings; NAME is a role (llm, tool, ...), a tool or another operation.
    """

    name: ClassVar[str] = "diff"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        add = parser.add_argument
        add("before", metavar="A", help="a file, - for stdin, or an address")
        add("after", metavar="B", help="likewise")
        add("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        add(
            "--fail-if",
            action="append",
            default=[],
            metavar="EXPR",
            help="end with 1 if B has so much more than A, such as 'duration>10%%'; repeatable",
        )
        output.add_arguments(parser, formats=("text", "json", "markdown"))

    def run(self, args: argparse.Namespace) -> int:
        """Write the differences and check the thresholds."""
        from otel_agentprof.report.comparison import compare  # noqa: PLC0415 - loads the whole analysis
        from otel_agentprof.report.thresholds import broken, threshold  # noqa: PLC0415 - likewise

        limits = [threshold(asked) for asked in args.fail_if]
        settings = Config.from_env()
        pricing.configure(settings.prices, is_strict=True)
        place = output.output_for(args, path=args.file)
        found = compare(_reports(args.before, settings), _reports(args.after, settings))
        place.write(_rendered(found, place))
        sentences = list(broken(limits, found))
        for sentence in sentences:
            say(f"--fail-if {sentence}")
        return 1 if sentences else 0


def _reports(source: str, settings: Config) -> Iterator[Report]:
    """Read a source when its first report is asked for: so B is not in memory beside A."""
    groups, notes = traces.grouped(source)
    yield from traces.built(groups, settings, notes)


def _rendered(found: Comparison, place: Output) -> str:
    if place.format == "json":
        from otel_agentprof.report import json_text  # noqa: PLC0415 - only where something is written

        return json_text.dump(found.to_dict())
    if place.format == "markdown":
        from otel_agentprof.report import comparison_markdown  # noqa: PLC0415 - likewise

        return comparison_markdown.render(found)
    from otel_agentprof.report import comparison_text  # noqa: PLC0415 - likewise

    return comparison_text.render(found, width=place.width, color=place.color, ascii=place.is_ascii)
