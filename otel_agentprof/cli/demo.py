"""``agentprof demo``: a small agent against a server of our own, and its report."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, ClassVar, Final

from otel_agentprof import config
from otel_agentprof.cli import output
from otel_agentprof.cli.output import say
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    import argparse

    from otel_agentprof.report.report import Report

_QUESTION: Final = "Where does an agent's time go?"
_TIMEOUT_S: Final = 30.0


class Demo:
    """Run a small research agent and show its report; needs no key and no network.

    The agent uses the real `openai` client. What answers it is a server on
    127.0.0.1 that takes its time as a model does. Nothing leaves this machine.
    """

    name: ClassVar[str] = "demo"

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of this verb."""
        parser.add_argument("-o", dest="file", metavar="FILE", help="write there, not to stdout")
        output.add_arguments(parser, formats=tuple(FORMATS))

    def run(self, args: argparse.Namespace) -> int:
        """Run the agent and write the report."""
        if importlib.util.find_spec("openai") is None:
            raise AgentProfError('the demo needs the openai client: pip install "otel-agentprof[demo]"')
        if config.is_sdk_disabled():
            raise AgentProfError(
                "OTEL_SDK_DISABLED is true, so nothing can be recorded; unset it for the demo"
            )
        place = output.output_for(args, path=args.file)
        if args.file:
            output.check_writable(args.file)
        say("real openai client, stand-in model on 127.0.0.1: about four seconds")
        place.write(place.rendered(_report()))
        return 0


def _report() -> Report:
    from opentelemetry.sdk.trace import TracerProvider, sampling  # noqa: PLC0415 - slow imports, only for the demo

    from otel_agentprof import api  # noqa: PLC0415 - likewise
    from otel_agentprof.cli import demo_server  # noqa: PLC0415 - likewise

    # A provider of its own: the demo goes nowhere, whatever exporter the environment asks for.
    provider = TracerProvider(sampler=sampling.ALWAYS_ON, shutdown_on_exit=False)
    with api.instrument(tracer_provider=provider), demo_server.serve() as url:
        report = asyncio.run(_profiled(f"{url}/v1"))
    provider.shutdown()
    if report is None:
        raise AgentProfError("the agent ran, but no report came of it")
    return report


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
