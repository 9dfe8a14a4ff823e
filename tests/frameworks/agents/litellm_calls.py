"""LiteLLM with its own callback, or profiled by us: three calls in a span of ours, and one without."""

import time

import litellm
import stage
from opentelemetry import trace

provider = stage.tracing()
if stage.MODE == "agentprof":
    stage.profiled(provider)
else:
    litellm.callbacks = ["otel"]
settings = {"api_base": f"{stage.URL}/v1", "api_key": stage.KEY}
question, brief = [{"role": "user", "content": stage.QUESTION}], [{"role": "user", "content": stage.BRIEF}]
with trace.get_tracer("guide").start_as_current_span("guide"):
    litellm.completion(model=f"openai/{stage.BIG}", messages=question, **settings)
    litellm.completion(model=f"openai/{stage.SMALL}", messages=question, **settings)
    for _ in litellm.completion(
        model=f"openai/{stage.BIG}",
        messages=brief,
        stream=True,
        stream_options={"include_usage": True},
        **settings,
    ):
        pass
    time.sleep(1)  # its callbacks run on threads of their own, and write on the span while it is open
litellm.completion(model=f"openai/{stage.BIG}", messages=brief, **settings)
time.sleep(1)
stage.finish("litellm")
