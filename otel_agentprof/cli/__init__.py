"""The command line ``agentprof``: one verb per file.

Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 budget broken or regression, 2 usage, 3 unreadable
input.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from otel_agentprof import __version__
from otel_agentprof.cli.demo import Demo
from otel_agentprof.cli.diff import Diff
from otel_agentprof.cli.doctor import Doctor
from otel_agentprof.cli.output import say, written
from otel_agentprof.cli.prices import Prices
from otel_agentprof.cli.report import ReportVerb
from otel_agentprof.cli.run import Run
from otel_agentprof.cli.whatif import WhatIfVerb
from otel_agentprof.errors import AgentProfError, UnreadableTraceError

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE: Final = 2
_UNREADABLE: Final = 3
_BUG: Final = 70  # EX_SOFTWARE of sysexits.h: nobody takes it for one of the four codes that mean something
_INTERRUPTED: Final = 130


class Verb(Protocol):
    """One thing that the command line does; its docstring is its help text."""

    name: ClassVar[str]

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit code."""
        ...


VERBS: Final[tuple[Verb, ...]] = (Run(), ReportVerb(), WhatIfVerb(), Diff(), Demo(), Doctor(), Prices())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with some arguments, by default those of the process; return the exit code."""
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what there is to say
        return stop.code if isinstance(stop.code, int) else 0
    if args.verb is None:
        parser.print_help(sys.stderr)
        return _USAGE
    return _guarded(args.verb, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agentprof", description="Where the time and the money of an LLM agent went."
    )
    parser.set_defaults(verb=None)
    parser.add_argument("--version", action="version", version=f"agentprof {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", prog="agentprof")
    for verb in VERBS:
        text = inspect.getdoc(verb) or ""
        verb_parser = verbs.add_parser(
            verb.name,
            help=text.partition("\n")[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb_parser.set_defaults(verb=verb)
        verb.prepare_parser(verb_parser)
    return parser


def _guarded(verb: Verb, args: argparse.Namespace) -> int:
    try:
        code = verb.run(args)
        with written(sys.stdout):
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        return 0
    except UnreadableTraceError as error:
        say(str(error))
        return _UNREADABLE
    except AgentProfError as error:
        say(str(error))
        return _USAGE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - nobody wants our traceback between their program and its report
        say(f"this is a bug, please report it: {type(error).__name__}: {error}")
        return _BUG
    return code
