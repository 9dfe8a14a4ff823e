"""The errors that callers of otel_agentprof can meet."""

from __future__ import annotations


class AgentProfError(Exception):
    """Anything that otel_agentprof refuses to do; its text says what was expected and what to do."""


class UnreadableTraceError(AgentProfError):
    """A source holds no trace that can be read. The command line ends with exit code 3."""


class UnknownPriceError(AgentProfError):
    """A price file is malformed or names no usable rate."""


class StreamStalledError(AgentProfError, TimeoutError):
    """A stream brought nothing for longer than its reader was told to wait.

    Attributes:
        partial: The text that came before.
    """

    def __init__(self, message: str, partial: str = "") -> None:
        super().__init__(message)
        self.partial = partial
