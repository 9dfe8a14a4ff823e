"""smolagents, profiled: an agent that calls tools and another agent, one that writes code, a streamed run."""

import otel_agentprof
import stage
from opentelemetry.trace import INVALID_SPAN, get_current_span
from smolagents import ChatMessage, CodeAgent, MessageRole, Model, OpenAIServerModel, ToolCallingAgent, tool
from smolagents.agents import MultiStepAgent
from smolagents.monitoring import TokenUsage
from smolagents.tools import Tool

before = [vars(MultiStepAgent)["_run_stream"], vars(Tool)["__call__"], vars(OpenAIServerModel)["generate"]]
stage.profiled(stage.tracing())


def model(name: str) -> OpenAIServerModel:
    return OpenAIServerModel(model_id=name, api_base=f"{stage.URL}/v1", api_key=stage.KEY)


class Scribe(Model):
    """A model in this very process, which writes code: no client is called."""

    def generate(self, *_: object, **__: object) -> ChatMessage:
        text = "<code>final_answer(weather('Paris') + ', ' + population('Paris'))</code>"
        usage = TokenUsage(input_tokens=10, output_tokens=2)
        return ChatMessage(role=MessageRole.ASSISTANT, content=text, token_usage=usage)


own = Scribe.generate
tools = [tool(stage.weather), tool(stage.population), tool(stage.lottery)]
expert = ToolCallingAgent([], model(stage.SMALL), name="ask_expert", description="Knows.", max_steps=2)
guide = ToolCallingAgent(tools, model(stage.BIG), managed_agents=[expert], max_steps=2, name="guide")
guide.run(stage.QUESTION)
assert get_current_span() is INVALID_SPAN
reader = ToolCallingAgent([], model(stage.BIG), max_steps=2, name="reader", stream_outputs=True)
for _ in reader.run(stage.QUESTION, stream=True):
    assert get_current_span() is INVALID_SPAN
assert get_current_span() is INVALID_SPAN
stage.finish("smolagents")

# What the server knows nothing of: a model without a client, whose code calls the tools.
stage.exporter.clear()
CodeAgent(tools[:2], Scribe(model_id="scribe"), max_steps=1, name="coder").run(stage.QUESTION)
spans = {span.name: span for span in stage.exporter.get_finished_spans()}
assert spans["chat scribe"].attributes["gen_ai.usage.input_tokens"] == 10, spans
code = spans["python_interpreter"]
assert code.parent.span_id == spans["invoke_agent coder"].context.span_id
assert spans["execute_tool weather"].parent.span_id == code.context.span_id, (
    "the code's thread has the context"
)

otel_agentprof.uninstrument()
after = [vars(MultiStepAgent)["_run_stream"], vars(Tool)["__call__"], vars(OpenAIServerModel)["generate"]]
assert before == after
assert Scribe.generate is own
stage.exporter.clear()
CodeAgent(tools[:2], Scribe(model_id="scribe"), max_steps=1, name="coder").run(stage.QUESTION)
assert not stage.exporter.get_finished_spans()
