"""LlamaIndex and its workflows: a span handler and an event handler at the root of its dispatchers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_agentprof.instrumentation import foreign
from otel_agentprof.instrumentation.framework import Attachment, FrameworkSpec, TracedByOthersError
from otel_agentprof.instrumentation.frameworks.llama_index_runs import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable


def _span_handler(base: type, recorder: Recorder) -> Any:
    def enter(_self: Any, id_: str, bound_args: Any, instance: Any = None, **told: Any) -> None:
        recorder.enter(id_, bound_args, instance, told.get("parent_id"))

    def leave(_self: Any, id_: str, result: Any = None, **_told: Any) -> None:
        recorder.exit(id_, result)

    def drop(_self: Any, id_: str, err: BaseException | None = None, **_told: Any) -> None:
        recorder.drop(id_, err)

    def none(_self: Any, **_told: Any) -> None:
        """Give no span of LlamaIndex's own kind."""

    own = {"span_enter": enter, "span_exit": leave, "span_drop": drop}
    unused = dict.fromkeys(("new_span", "prepare_to_exit_span", "prepare_to_drop_span"), none)
    return type("AgentProfSpans", (base,), {**own, **unused, "__module__": __name__})()


def _event_handler(base: type, recorder: Recorder) -> Any:
    def handle(_self: Any, event: Any, **_told: Any) -> None:
        recorder.event(type(event).__name__, event)

    return type("AgentProfEvents", (base,), {"handle": handle, "__module__": __name__})()


def _attach(attachment: Attachment) -> Callable[[], None]:
    root = import_module("llama_index_instrumentation").root_dispatcher
    for handler in root.span_handlers:
        if foreign.traces(type(handler)):
            raise TracedByOthersError(type(handler).__module__)
    recorder = Recorder(attachment)
    spans = import_module("llama_index_instrumentation.span_handlers").BaseSpanHandler
    events = import_module("llama_index_instrumentation.event_handlers").BaseEventHandler
    ours = _span_handler(spans, recorder), _event_handler(events, recorder)
    root.add_span_handler(ours[0])
    root.add_event_handler(ours[1])

    def detach() -> None:
        root.span_handlers[:] = [handler for handler in root.span_handlers if handler is not ours[0]]
        root.event_handlers[:] = [handler for handler in root.event_handlers if handler is not ours[1]]
        recorder.book.close()

    return detach


SPEC: Final = FrameworkSpec(
    name="llama_index",
    distribution="llama-index-instrumentation>=0.2",
    attach=_attach,
    note="span and event handlers",
)
