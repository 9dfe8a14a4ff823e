"""One small rule per claim: each reads the measurements of a trace and yields findings.

A rule names its evidence and lets the what-if model (``analysis.saving``) say what a change would save; how
much that matters is decided for all rules alike, in ``analysis.findings``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_agentprof.analysis.rules.costly import costly_operation, oversized_model, prompt_heavy
from otel_agentprof.analysis.rules.failures import retry_waste, timeout
from otel_agentprof.analysis.rules.fan_out import head_of_line, unused_concurrency
from otel_agentprof.analysis.rules.frequent import too_many_calls, too_many_iterations
from otel_agentprof.analysis.rules.gaps import own_code_gap
from otel_agentprof.analysis.rules.loops import agent_loop
from otel_agentprof.analysis.rules.model_speed import slow_first_token, slow_generation
from otel_agentprof.analysis.rules.prompts import context_growth, prompt_cache_miss
from otel_agentprof.analysis.rules.ranges import unusual_duration
from otel_agentprof.analysis.rules.repeated import repeated_call
from otel_agentprof.analysis.rules.slow import slow_llm, slow_tool
from otel_agentprof.analysis.rules.waiting import sequential_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_agentprof.analysis.finding import Finding
    from otel_agentprof.analysis.trace import Trace
    from otel_agentprof.config import Config

    Rule = Callable[[Trace, Config], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    slow_llm,
    slow_tool,
    too_many_calls,
    costly_operation,
    sequential_group,
    prompt_heavy,
    too_many_iterations,
    head_of_line,
    unused_concurrency,
    own_code_gap,
    slow_first_token,
    slow_generation,
    unusual_duration,
    repeated_call,
    retry_waste,
    timeout,
    prompt_cache_miss,
    context_growth,
    oversized_model,
    agent_loop,
)
