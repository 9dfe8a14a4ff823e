"""A framework as we know it: what to wait for, and how to attach to its official hook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider


class Attachment(NamedTuple):
    """What an adapter needs of us.

    Attributes:
        tracer_provider: Where spans go; native tracing of a framework must be pointed at it.
        tracer: Where the adapter's own spans come from.
        captures_content: Whether prompts, arguments and results may go on spans.
        meter_provider: Where metrics go; None for the global one.
    """

    tracer_provider: TracerProvider
    tracer: Tracer
    captures_content: bool
    meter_provider: MeterProvider | None = None


class LeftAloneError(Exception):
    """Why an adapter does not attach although nothing is broken: told by ``doctor``, logged nowhere."""


class TracedByOthersError(Exception):
    """Another package traces the framework already; ``attach`` raises it with the package's name."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameworkSpec:
    """One agent framework.

    Attributes:
        name: Short name, as in ``instrument(include=["langchain"])``.
        distribution: What to install, with the oldest version that is known to work.
        attach: Attach to the framework, which is imported; returns the way back. What it raises is told by
            ``doctor`` and harms nobody: :class:`TracedByOthersError` where we step back, LeftAloneError for
            a reason that is nobody's fault.
        note: What ``doctor`` says of it in a few words: by which hook, or that the framework's own spans are
            used.
    """

    name: str
    distribution: str
    attach: Callable[[Attachment], Callable[[], None]]
    note: str
