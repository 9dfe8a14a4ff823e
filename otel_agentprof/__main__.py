"""``python -m otel_agentprof``: the command line."""

from __future__ import annotations

import sys

from otel_agentprof.cli import main

if __name__ == "__main__":
    sys.exit(main())
