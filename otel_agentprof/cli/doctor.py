"""``agentprof doctor``: what is installed, what is patched and by whom, and where spans would go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from otel_agentprof.cli import output
from otel_agentprof.report.sheet import wrap
from otel_agentprof.report.text import clean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_LABEL: Final = 16
_TITLES: Final = {
    "provider": "LLM clients",
    "framework": "Agent frameworks",
    "toolkit": "Tools and retrieval",
    "contrib": "HTTP and databases, by OpenTelemetry's own packages",
    "entry point": "Registered by other packages",
}


class Doctor:
    """Show what is installed, what agentprof patches, and where the spans go.

    Imports the libraries that are installed and looks at them; calls nobody and sends nothing.
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
        if args.format == "json":
            place.write(json.dumps(facts, indent=2) + "\n")
        else:
            place.write("".join(f"{_wrapped(line, place.width)}\n" for line in _lines(facts)))
        return 0


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    for label, text in facts["versions"].items():
        yield f"  {label:{_LABEL}} {text}"
    for kind, title in _TITLES.items():
        rows = [row for row in facts["libraries"] if row["kind"] == kind]
        shown = [row for row in rows if row["version"] is not None or row["notes"]]
        if rows:
            yield from _titled(title, [])
        for row in shown:
            yield f"  {row['name']:{_LABEL}} {row['version'] or '?'} ({row['supported']})"
            yield from (f"    {note}" for note in row["notes"])
        if absent := [row["name"] for row in rows if row not in shown]:
            yield f"  not installed: {', '.join(absent)}"
    others = [f"{other['name']} {other['version']}: {other['advice']}" for other in facts["others"]]
    yield from _titled("Other packages that make spans for the same calls", others or ["none"])
    yield from _titled("Spans go to", facts["destination"])
    yield from _titled("Prices", facts["prices"])
    yield from _titled("Variables", [_variable(told) for told in facts["variables"]] or ["none is set"])


def _titled(title: str, lines: list[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"    {line}" for line in lines)


def _variable(told: dict[str, str]) -> str:
    return f"{told['name']}={told['value']}" + (f"  ({told['problem']})" if told["problem"] else "")


def _wrapped(line: str, width: int) -> str:
    """Return a line of any origin as lines that fit; what follows the first one is indented further."""
    shown = clean(line)
    indent = len(shown) - len(shown.lstrip())
    first, *rest = wrap(shown, width - indent - 2) or [""]
    if not rest:
        return shown  # with the spaces that align it
    return "\n".join([" " * indent + first, *(" " * (indent + 2) + part for part in rest)])
