"""Whether a framework's call of a model was seen by a client's instrumentation.

    framework   |---- model call ----|        tells of the call itself only if nobody else did
    client         |-- chat gpt --|           was seen: its span has the exact tokens

A witness travels in the context that the framework's call runs in. The engine counts every client call there,
also one that is left to another tracer; at its end the framework's adapter looks whether there was any.
"""

from __future__ import annotations

from typing import Final

WITNESS_KEY: Final = "otel_agentprof.witness"


class Witness:
    """How many calls of instrumented clients began in a context.

    Attributes:
        calls: The count; only ever grows.
    """

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0
