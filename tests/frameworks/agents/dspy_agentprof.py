"""DSPy, profiled: a program with an agent, a failing tool and an expert; its cache; two threads at once."""

import dspy
import otel_agentprof
import stage
from dspy.dsp.utils.settings import Settings
from dspy.predict.react_v2 import ReActV2
from opentelemetry.trace import INVALID_SPAN, get_current_span

before = vars(Settings)["get"]
stage.profiled(stage.tracing())


def model(name: str) -> dspy.LM:
    return dspy.LM(f"openai/{name}", api_base=f"{stage.URL}/v1", api_key=stage.KEY)


class City(dspy.Module):
    """Asks an agent, and then an expert."""

    def __init__(self) -> None:
        super().__init__()
        self.guide = ReActV2(
            "question -> answer", tools=[stage.weather, stage.population, stage.lottery], max_iters=4
        )
        self.expert = dspy.Predict("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        self.guide(question=question)
        with dspy.context(lm=model(stage.SMALL)):
            return self.expert(question=stage.BRIEF)


dspy.configure_cache(enable_disk_cache=False)
dspy.configure(lm=model(stage.BIG), adapter=dspy.ChatAdapter(use_native_function_calling=True), callbacks=[])
assert "Paris" in City()(question=stage.QUESTION).answer
assert get_current_span() is INVALID_SPAN
dspy.Predict("question -> answer")(question=f"{stage.BRIEF} Now.")
dspy.Predict("question -> answer")(question=f"{stage.BRIEF} Now.")  # DSPy remembers: no call
threads = dspy.Parallel(num_threads=2, disable_progress_bar=True)


class Both(dspy.Module):
    """Asks two at once, in threads."""

    def forward(self) -> list[object]:
        one = dspy.ChainOfThought("question -> answer")
        asked = [dspy.Example(question=f"{stage.BRIEF} {n}?").with_inputs("question") for n in range(2)]
        return threads([(one, example) for example in asked])


Both()()
assert get_current_span() is INVALID_SPAN
stage.finish("dspy")

otel_agentprof.uninstrument()
assert vars(Settings)["get"] is before
assert dspy.settings.get("callbacks") == []
stage.exporter.clear()
dspy.Predict("question -> answer")(question=f"{stage.BRIEF} Now.")
assert not stage.exporter.get_finished_spans()
