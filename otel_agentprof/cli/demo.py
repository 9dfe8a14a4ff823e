"""``agentprof demo``: a small agent against a server of our own, and its report."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, ClassVar, Final

from otel_agentprof import environment
from otel_agentprof.cli import demo_export, output
from otel_agentprof.cli.output import say
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_agentprof.report.report import Report

_QUESTION: Final = "Where does an agent's time go?"
_TIMEOUT_S: Final = 30.0
_SERVICE: Final = "agentprof-demo"
_USAGE: Final = 2


class Demo:
    """Run a small research agent and show its report; needs no key and no network.

    The agent uses the real `openai` client. What answers it is a server on
    127.0.0.1 that takes its time as a model does. Nothing leaves this machine;
    with --otlp the spans go where you say: by gRPC, or by HTTP where that has
    port 4318 or a path.
    """

    name: ClassVar[str] = "demo"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        parser.add_argument(
            "--otlp",
            nargs="?",
            const=demo_export.DEFAULT_ENDPOINT,
            metavar="ENDPOINT",
            help="also send the trace there, by default to the Collector of docker-compose.yml, "
            f"{demo_export.DEFAULT_ENDPOINT}; exit code 2 when nobody takes it",
        )
        output.add_arguments(parser, formats=tuple(FORMATS))

    def run(self, args: argparse.Namespace) -> int:
        """Run the agent and write the report."""
        if importlib.util.find_spec("openai") is None:
            raise AgentProfError('the demo needs the openai client: pip install "otel-agentprof[demo]"')
        if environment.is_sdk_disabled():
            raise AgentProfError(
                "OTEL_SDK_DISABLED is true, so nothing can be recorded; unset it for the demo"
            )
        place = output.output_for(args, path=args.file)
        if args.file:
            output.check_writable(args.file)
        endpoint = None if args.otlp is None else demo_export.checked(args.otlp)
        say("real openai client, stand-in model on 127.0.0.1: about four seconds")
        report, spans = _run()
        place.write(place.rendered(report))
        return 0 if endpoint is None else _sent(report, spans, endpoint)


def _run() -> tuple[Report, Sequence[ReadableSpan]]:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - slow imports, only for the demo
    from opentelemetry.sdk.trace import TracerProvider, export, sampling  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415 - likewise

    from otel_agentprof import api  # noqa: PLC0415 - likewise
    from otel_agentprof.cli import demo_server  # noqa: PLC0415 - likewise
    from otel_agentprof.processor import AgentProfSpanProcessor  # noqa: PLC0415 - likewise

    # A provider of its own: the demo goes nowhere else, whatever exporter the environment asks for.
    named = {"service.name": environment.value_of("OTEL_SERVICE_NAME") or _SERVICE}
    provider = TracerProvider(sampling.ALWAYS_ON, resource=Resource.create(named), shutdown_on_exit=False)
    kept = InMemorySpanExporter()
    provider.add_span_processor(AgentProfSpanProcessor(export.SimpleSpanProcessor(kept)))
    with api.instrument(tracer_provider=provider), demo_server.serve() as url:
        report = asyncio.run(_profiled(f"{url}/v1"))
    provider.force_flush()
    spans = kept.get_finished_spans()
    provider.shutdown()
    if report is None:
        raise AgentProfError("the agent ran, but no report came of it")
    return report, spans


def _sent(report: Report, spans: Sequence[ReadableSpan], endpoint: str) -> int:
    """Send the spans, say what became of them, and return the exit code."""
    failure = demo_export.send(spans, endpoint)
    if failure is not None:
        say(f"nobody takes spans at {endpoint} ({failure}); docker compose up -d starts a Collector at 4317")
        return _USAGE
    trace_id = report.trace_id or ""
    page, source = demo_export.places(trace_id, endpoint)
    say(f"trace {trace_id}, {len(spans)} spans, is at {endpoint}; look at {page}")
    say(f"or read it back: agentprof report {source}")
    return 0


async def _profiled(url: str) -> Report | None:
    import openai  # noqa: PLC0415 - an extra, and slow

    from otel_agentprof.cli import demo_agent  # noqa: PLC0415 - slow
    from otel_agentprof.profiling import profile  # noqa: PLC0415 - likewise

    # Proxies of the environment do not know this machine's own address.
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(
        api_key="demo", base_url=url, http_client=http, timeout=_TIMEOUT_S, max_retries=0
    ) as client:
        with profile("research task") as run:
            await demo_agent.research(client, _QUESTION)
        return await asyncio.to_thread(lambda: run.report)
