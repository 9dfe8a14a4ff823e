"""Programs that end while streams are open."""

from __future__ import annotations

import sys

import pytest

ends_with_open_streams = pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="CPython 3.13.0 crashes when a bare client's stream is open at the end of a program",
)
