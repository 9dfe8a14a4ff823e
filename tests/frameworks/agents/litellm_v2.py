"""LiteLLM's second callback, which makes its spans only for asynchronous calls."""

import asyncio

import litellm
import stage
from litellm.integrations.otel.logger import OpenTelemetryV2
from opentelemetry import trace

litellm.callbacks = [OpenTelemetryV2(tracer_provider=stage.tracing())]
settings = {"api_base": f"{stage.URL}/v1", "api_key": stage.KEY}
question, brief = [{"role": "user", "content": stage.QUESTION}], [{"role": "user", "content": stage.BRIEF}]


async def main() -> None:
    with trace.get_tracer("guide").start_as_current_span("guide"):
        await litellm.acompletion(model=f"openai/{stage.BIG}", messages=question, **settings)
        await litellm.acompletion(model=f"openai/{stage.SMALL}", messages=question, **settings)
        pieces = await litellm.acompletion(
            model=f"openai/{stage.BIG}",
            messages=brief,
            stream=True,
            stream_options={"include_usage": True},
            **settings,
        )
        async for _ in pieces:
            pass
    await asyncio.sleep(1)  # its callbacks run in a task of their own


stage.run(main())
stage.finish("litellm")
