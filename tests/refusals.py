"""What a reader says of a source in which there is nothing to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers import read_spans

if TYPE_CHECKING:
    from typing import BinaryIO


def refusal(source: str | BinaryIO) -> str:
    """Return the one line that a source is refused with."""
    with pytest.raises(UnreadableTraceError) as caught:
        read_spans(source)
    text = str(caught.value)
    assert text.isprintable(), "a message is one line and no escape sequence gets through"
    return text
