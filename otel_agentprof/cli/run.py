"""``agentprof run``: a program as ``python`` would run it, and a report at its end."""

from __future__ import annotations

import argparse
import sys
import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from otel_agentprof import environment
from otel_agentprof.cli import interpreter, output
from otel_agentprof.cli.output import say
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_agentprof.cli.recorded import Recorded
    from otel_agentprof.report.report import Report

_BROKEN: Final = 1
_UNWRITABLE: Final = 2
_LAUNCH: Final = Path(__file__).parent / "launch"


class Run:
    """Run a Python program and report where its time and money went.

    The program runs as `python SCRIPT [ARG ...]` or `python -m MODULE [ARG ...]`
    would run it: its own input, output, arguments and exit code. OpenAI and
    Anthropic clients are instrumented before its first line. The report goes to
    stderr at its end, also after an exception or Ctrl-C, because stdout is the
    program's. Where FILE cannot be written at the end, one line says so and the exit
    code is 2, if the program's own is 0. Options stand before the script. Interpreters that the program
    starts are not recorded.
    """

    name: ClassVar[str] = "run"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.usage = "agentprof run [OPTION ...] SCRIPT [ARG ...] | -m MODULE [ARG ...]"
        parser.add_argument("-m", dest="is_module", action="store_true", help="run a module, as `python -m`")
        parser.add_argument(
            "-o", dest="spans", metavar="FILE", help="keep the spans: OTLP JSON lines, for `agentprof report`"
        )
        parser.add_argument("--report", metavar="FILE", help="write the report there, not to stderr")
        parser.add_argument("--quiet", action="store_true", help="no report on stderr")
        parser.add_argument(
            "--budget-usd", type=_amount, metavar="X", help="exit with 1 if it costs more than X US dollars"
        )
        parser.add_argument(
            "--budget-tokens", type=_count, metavar="N", help="exit with 1 if it takes more than N tokens"
        )
        output.add_arguments(parser, formats=tuple(FORMATS))
        parser.add_argument("program", nargs=argparse.REMAINDER, metavar="SCRIPT [ARG ...]")

    def run(self, args: argparse.Namespace) -> int:
        """Run the program; return its own exit code, or 1 for a broken budget, 2 for lost output."""
        program = args.program[1:] if args.program[:1] == ["--"] else args.program
        if not program:
            raise AgentProfError("run what? usage: agentprof run [OPTION ...] SCRIPT [ARG ...]")
        for path in filter(None, (args.spans, args.report)):
            output.check_writable(path)
        with tempfile.TemporaryDirectory(prefix="agentprof-", ignore_cleanup_errors=True) as directory:
            recording = str(Path(directory) / "spans.jsonl")
            variables = environment.recording_environment(str(_LAUNCH), recording)
            code = interpreter.run(["-m", *program] if args.is_module else program, variables)
            from otel_agentprof.cli import recorded  # noqa: PLC0415 - the program starts without waiting for it

            found = recorded.load(recording, name=f"run {_title(program[0], is_module=args.is_module)}")
        return _finish(found, args, code)


def _finish(found: Recorded | None, args: argparse.Namespace, code: int) -> int:
    """Write what was asked for; return the exit code."""
    if found is None:
        if not args.quiet:
            say("nothing was recorded: the interpreter did not get as far as the program")
        return code
    is_kept = not args.spans or _is_written("spans", lambda: found.save(Path(args.spans)))
    report = found.report()
    if args.report or not args.quiet:
        is_kept &= _is_written("report", lambda: _write(report, args, code, found))
    broken = list(_broken_budgets(report, args))
    for line in broken:
        say(line)
    return code or (_BROKEN if broken else 0 if is_kept else _UNWRITABLE)


def _is_written(what: str, write: Callable[[], None]) -> bool:
    """Write something; tell where that fails. The program has run: nothing may hide how it ended."""
    try:
        write()
    except BrokenPipeError:  # who reads stderr has seen enough
        return True
    except AgentProfError as error:
        say(f"the {what} could not be saved: {error}")
        return False
    return True


def _write(report: Report, args: argparse.Namespace, code: int, found: Recorded) -> None:
    place = output.output_for(args, stream=sys.stderr, path=args.report)
    if found.is_empty and place.path is None and place.format == "text":
        if (why := _why_empty(found, code)) is not None:
            say(f"nothing to report: {why}")
        return
    place.write(place.rendered(report))


def _why_empty(found: Recorded, code: int) -> str | None:
    """Return why a program left nothing; None where it has said why itself."""
    from otel_agentprof.cli import recorded  # noqa: PLC0415 - the program starts without waiting for it

    if environment.is_sdk_disabled():
        return "OTEL_SDK_DISABLED is true"
    if not found.has_ended:
        return f"it ended {recorded.ABRUPTLY}, so its last second could not be saved"
    if 0 < code < interpreter.BY_SIGNAL:
        return None
    return "it called no OpenAI or Anthropic client and made no span"


def _broken_budgets(report: Report, args: argparse.Namespace) -> Iterator[str]:
    from otel_agentprof.report import headline, text  # noqa: PLC0415 - after the program

    spent, taken = headline.cost(report), report.usage.total
    if args.budget_usd is not None:
        if report.cost_usd is not None and report.cost_usd > args.budget_usd:
            yield f"budget broken: {spent} spent, {text.money(args.budget_usd)} allowed (--budget-usd)"
        elif report.cost_usd is None or report.unpriced_models:
            say(f"whether the budget of {text.money(args.budget_usd)} holds is not known: {spent} spent")
    if args.budget_tokens is not None and taken > args.budget_tokens:
        yield f"budget broken: {taken:,} tokens taken, {args.budget_tokens:,} allowed (--budget-tokens)"


def _title(program: str, *, is_module: bool) -> str:
    return program if is_module or program == "-" else Path(program).name or program


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of US dollars")
    return amount


def _count(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens")
    return int(digits)
