"""``agentprof doctor``: what is installed, what is patched and by whom, and where spans would go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from otel_agentprof.cli import output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_LABEL: Final = 12


class Doctor:
    """Show what is installed, what agentprof patches, and where the spans go.

    Imports the clients that are installed and looks at them; calls nobody and sends nothing.
    """

    name: ClassVar[str] = "doctor"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")

    def run(self, args: argparse.Namespace) -> int:
        """Write what there is to know."""
        from otel_agentprof.cli import examination  # noqa: PLC0415 - imports the SDK and every client

        facts = examination.facts()
        place = output.output_for(args, path=None)
        place.write(json.dumps(facts, indent=2) + "\n" if args.format == "json" else "".join(_lines(facts)))
        return 0


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    for label, text in facts["versions"].items():
        yield _line(label, text)
    yield "\nClients\n"
    for client in facts["clients"]:
        yield _line(client["name"], f"{client['version'] or 'not installed'} ({client['supported']})")
        for note in client["notes"]:
            yield _line("", note)
    yield "\nOther packages that make spans for the same calls\n"
    for other in facts["others"]:
        yield _line("", f"{other['name']} {other['version']}: {other['advice']}")
    if not facts["others"]:
        yield _line("", "none")
    yield "\nSpans go to\n"
    for line in facts["destination"]:
        yield _line("", line)
    yield "\nPrices\n"
    for line in facts["prices"]:
        yield _line("", line)
    yield "\nVariables\n"
    for variable in facts["variables"]:
        problem = f"  ({variable['problem']})" if variable["problem"] else ""
        yield _line("", f"{variable['name']}={variable['value']}{problem}")
    if not facts["variables"]:
        yield _line("", "none is set")


def _line(label: str, text: str) -> str:
    from otel_agentprof.report.text import clean  # noqa: PLC0415 - only here

    return f"  {label:{_LABEL}} {clean(text)}\n" if label else f"    {clean(text)}\n"
