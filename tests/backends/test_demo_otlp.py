"""``agentprof demo --otlp``: the whole way to a backend, as README says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.sending import arrived
from programs import agentprof

from otel_agentprof.cli import demo_export

if TYPE_CHECKING:
    from backends.stores import Jaeger
    from otlp_receiver import Receiver


def test_the_demo_sends_its_trace_and_says_where_to_look(receiver: Receiver) -> None:
    done = agentprof("demo", "--format", "json", "--otlp", receiver.grpc_url)

    (tree,) = receiver.trees
    sent = f"agentprof: trace {tree.trace_id}, 12 spans, is at {receiver.grpc_url}; "
    assert done.returncode == 0, done.stderr
    assert f'"trace_id": "{tree.trace_id}"' in done.stdout
    assert len(tree.spans) == 12
    assert tree.spans[tree.root].attributes["agentprof.finding_count"] > 0
    assert {span.resource["service.name"] for span in tree.spans} == {"agentprof-demo"}
    assert done.stderr.splitlines()[1:] == [
        f"{sent}look at http://127.0.0.1:16686/trace/{tree.trace_id}",
        f"agentprof: or read it back: agentprof report jaeger+http://127.0.0.1:16686/{tree.trace_id}",
    ]


def test_a_path_makes_it_http(receiver: Receiver) -> None:
    assert demo_export.send((), f"{receiver.http_url}/v1/traces") is None
    assert len(receiver.requests) == 1


def test_the_demo_is_seen_in_jaeger(jaeger: Jaeger) -> None:
    done = agentprof("demo", "--otlp", jaeger.grpc_url, OTEL_SERVICE_NAME="mine")
    trace_id = done.stderr.partition(": trace ")[2].partition(",")[0]

    spans = arrived(jaeger, 12, trace_id)

    assert {span.resource["service.name"] for span in spans} == {"mine"}
    assert "█ on the critical path" in done.stdout
