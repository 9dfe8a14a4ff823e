"""Which requests and tool calls are the same, told without their content.

    calling thread   capture.py    one C-level copy of the arguments, as sent
    worker thread    digest.py     canonical JSON -> keyed hash, and the chain of the prompt's first parts
    both             job.py        hand over, and take the result before the span ends; nobody waits

The key is random for each process unless the user sets one. It is on no span, in no log and in no file, so
nobody can find a prompt by trying: not even one of three words.
"""

from __future__ import annotations

from otel_agentprof.instrumentation.fingerprints.job import (
    Job,
    Reason,
    configure,
    of_request,
    of_tool,
    without,
)

__all__ = ["Job", "Reason", "configure", "of_request", "of_tool", "without"]
