"""``agentprof whatif``: how long a trace would have taken, and what it would have cost, after changes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from otel_agentprof import pricing
from otel_agentprof.cli import output, traces
from otel_agentprof.config import Config
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report import text
from otel_agentprof.semconv import ROLES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from decimal import Decimal

    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.report.changes import Outcome, Planned

_KINDS: Final = {
    "span": "scale",
    "name": "by_name",
    "role": "by_role",
    "model": "by_model",
    "tool": "by_tool",
}


class WhatIfVerb:
    """Tell what changes to a trace would save, each by itself and all together.

    The trace is run again with the barriers that its times show: a call waits for what had ended when it
    began, a span for its children. Savings do not add up, so the last row is computed as one change.

        agentprof whatif trace.jsonl --scale tool:search=0.5 --parallel --concurrency 4
    """

    name: ClassVar[str] = "whatif"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        add = parser.add_argument
        add("source", metavar="SOURCE", help="a file, - for stdin, or an address, as for `agentprof report`")
        add("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        add("--trace", metavar="ID", help="which trace, if there are several; the first digits are enough")
        add(
            "--scale",
            action="append",
            default=[],
            metavar="KIND:NAME=FACTOR",
            help="multiply own time: tool:search=0.5; KIND is tool, model, role, name or span",
        )
        add("--parallel", action="store_true", help="start independent calls together")
        add("--dedupe", action="store_true", help="make calls with the same input once")
        add(
            "--model",
            action="append",
            default=[],
            metavar="A=B",
            help="ask model B instead of A (an estimate)",
        )
        add(
            "--speed-from",
            metavar="FILE",
            help="traces that tell how fast a model is that this one did not ask",
        )
        add("--concurrency", type=int, metavar="N", help="run at most N calls at a time")
        output.add_arguments(parser, formats=("text", "json"))

    def run(self, args: argparse.Namespace) -> int:
        """Write the table."""
        from otel_agentprof.analysis.bill import cost_usd  # noqa: PLC0415 - loads the whole analysis
        from otel_agentprof.analysis.trace import measure  # noqa: PLC0415 - likewise
        from otel_agentprof.model.tree import SpanTree  # noqa: PLC0415 - likewise
        from otel_agentprof.report import changes_text  # noqa: PLC0415 - likewise
        from otel_agentprof.report.changes import outcomes, unheard  # noqa: PLC0415 - likewise

        planned = _planned(args)
        if not planned:
            raise AgentProfError("name a change: --scale, --parallel, --dedupe, --model or --concurrency")
        pricing.configure(Config.from_env().prices, is_strict=True)
        place = output.output_for(args, path=args.file)
        groups, _ = traces.grouped(args.source)
        if args.trace is not None:
            groups = {args.trace: groups[traces.chosen(list(groups), args.trace)]}
        if len(groups) != 1:
            raise AgentProfError(f"choose one trace with --trace ID: {traces.ids(list(groups))}")
        trace = measure(SpanTree.from_spans(*groups.values()), pricing.price)
        if args.speed_from is not None:
            planned = _timed(planned, args.speed_from)
        try:
            found = outcomes(trace, planned)
        except ValueError as error:
            raise AgentProfError(str(error)) from error
        if present := unheard(trace, planned, found):
            labels = ", ".join(change.label for change in planned)
            raise AgentProfError(f"nothing in this trace to change ({labels}): {present}")
        before = cost_usd(trace)
        if place.format == "json":
            place.write(_as_json(trace, found, before))
        else:
            place.write(
                changes_text.render(
                    trace, found, before, width=place.width, color=place.color, ascii=place.is_ascii
                )
            )
        return 0


def _planned(args: argparse.Namespace) -> list[Planned]:
    from otel_agentprof.report.changes import Planned  # noqa: PLC0415 - loads the whole analysis

    planned = [*map(_scale, args.scale), *map(_model, args.model)]
    if args.parallel:
        planned.append(Planned("run independent calls together", {"parallel": True}))
    if args.dedupe:
        planned.append(Planned("make each call once", {"dedupe": True}))
    if args.concurrency is not None:
        label = f"at most {text.plural(args.concurrency, 'call')} at a time"
        planned.append(Planned(label, {"concurrency": args.concurrency}))
    return planned


def _timed(planned: list[Planned], source: str) -> list[Planned]:
    """Return the same changes, other models as fast as in the traces of another source."""
    from otel_agentprof.analysis.other_models import speeds_of  # noqa: PLC0415 - loads the whole analysis
    from otel_agentprof.model.tree import SpanTree  # noqa: PLC0415 - likewise

    groups, _ = traces.grouped(source)
    speeds = speeds_of((SpanTree.from_spans(spans) for spans in groups.values()), pricing.price)
    return [
        replace(change, arguments={**change.arguments, "speed_from": speeds})
        if "replace_models" in change.arguments
        else change
        for change in planned
    ]


def _scale(asked: str) -> Planned:
    from otel_agentprof.report.changes import Planned  # noqa: PLC0415 - loads the whole analysis

    target, _, factor = asked.rpartition("=")
    kind, _, name = target.partition(":")
    try:
        number = float(factor)
    except ValueError:
        number = math.nan
    if kind not in _KINDS or not name or not math.isfinite(number) or number < 0:
        raise AgentProfError(
            f"--scale {asked}: expected KIND:NAME=FACTOR such as tool:search=0.5, "
            f"KIND one of {', '.join(_KINDS)}, FACTOR from 0 on"
        )
    if kind == "role" and name not in ROLES:
        raise AgentProfError(f"--scale {asked}: there is no role {name}; the roles are {', '.join(ROLES)}")
    return Planned(f"{kind} {name} x {number:g}", {_KINDS[kind]: {name: number}})


def _model(asked: str) -> Planned:
    from otel_agentprof.report.changes import Planned  # noqa: PLC0415 - loads the whole analysis

    before, _, after = asked.partition("=")
    if not before or not after:
        raise AgentProfError(f"--model {asked}: expected A=B, the model that was asked and the one to ask")
    return Planned(f"model {before} -> {after}", {"replace_models": {before: after}})


def _as_json(trace: Trace, found: Sequence[Outcome], before: Decimal | None) -> str:
    *single, together = map(_data, found)
    data = {
        "schema": "agentprof.whatif/1",
        "trace_id": trace.tree.trace_id,
        "duration_ns": trace.tree.duration_ns,
        "cost_usd": _money(before),
        "changes": single,
        "together": together,
    }
    return json.dumps(data, indent=2) + "\n"


def _data(outcome: Outcome) -> dict[str, Any]:
    then = outcome.then
    return {
        "change": outcome.label,
        "makespan_ns": then.makespan_ns,
        "saved_ns": then.saved_ns,
        "cost_usd": _money(outcome.cost_usd),
        "saved_usd": _money(then.saved_usd),
        "is_estimate": then.is_estimate,
        "note": outcome.note,
        "top_spans": [{"span_id": span_id, "own_ns": ns} for span_id, ns in then.top_spans],
        "curve": [{"faster_percent": percent, "makespan_ns": ns} for percent, ns in then.curve],
    }


def _money(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
