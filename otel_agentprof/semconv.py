"""The attribute, metric and environment names that everybody here uses.

Our own strings: every ``gen_ai.*`` constant in the published semantic-convention package is deprecated
("moved"), and the newest names are in no package yet. Names under ``agentprof.`` are ours and mean nothing
to anybody else; all others come from the OpenTelemetry GenAI conventions (development stability, Nov 2026).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

# --- GenAI conventions: request and response --------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"  # before v1.37; still emitted by most frameworks
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
OUTPUT_TYPE: Final = "gen_ai.output.type"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds, double
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_TYPE: Final = "gen_ai.tool.type"
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
PROCESS_EXIT_CODE: Final = "process.exit.code"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"

# --- Usage: input contains cached and cache-written tokens, output contains reasoning ---------------------
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"  # the name before Aug 2026
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
USAGE_AUDIO_CACHE_READ: Final = "gen_ai.usage.audio.cache_read.input_tokens"
USAGE_IMAGE_INPUT: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT: Final = "gen_ai.usage.image.output_tokens"
USAGE_IMAGE_CACHE_READ: Final = "gen_ai.usage.image.cache_read.input_tokens"
USAGE_PROMPT_TOKENS: Final = "gen_ai.usage.prompt_tokens"  # legacy name of input_tokens
USAGE_COMPLETION_TOKENS: Final = "gen_ai.usage.completion_tokens"  # legacy name of output_tokens

# --- Message content: only when asked for -----------------------------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"

# --- Ours -------------------------------------------------------------------------------------------------
ROLE: Final = "agentprof.role"
LANE: Final = "agentprof.lane"
TOOL_CALL_IDS: Final = "agentprof.tool_call.ids"  # asked for by this response, run by the caller
TOOL_RESULT_IDS: Final = "agentprof.tool_result.ids"  # fed back in this request
RESPONSE_FETCHED: Final = "agentprof.response.fetched"  # another call asked for it and got no tokens
STREAM_COMPLETE: Final = "agentprof.stream.complete"  # false: the stream was abandoned
CACHE_WRITE_1H: Final = "agentprof.usage.cache_write_1h.input_tokens"  # Anthropic bills them at another rate
VIDEO_INPUT: Final = "agentprof.usage.video.input_tokens"  # the conventions have text, images and audio
VIDEO_OUTPUT: Final = "agentprof.usage.video.output_tokens"
WEB_SEARCHES: Final = "agentprof.web_searches"  # that the vendor made for the call, and bills one by one
REQUEST_FINGERPRINT: Final = "agentprof.request.fingerprint"  # keyed hash; of tool calls too
PROMPT_CHAIN: Final = "agentprof.prompt.chain"  # keyed hashes of the prompt's first parts, as words
PROMPT_SIZES: Final = "agentprof.prompt.sizes"  # characters up to each of them, likewise
SERVER_QUEUE_TIME: Final = "agentprof.server.queue_time"  # seconds, as the provider's server tells them
SERVER_LOAD_TIME: Final = "agentprof.server.load_time"
SERVER_PROMPT_TIME: Final = "agentprof.server.prompt_time"
SERVER_COMPLETION_TIME: Final = "agentprof.server.completion_time"
OUTPUT_ESTIMATED: Final = "agentprof.usage.output_estimated"  # a call's share of a known sum, by its size
CALLS_UNSEEN: Final = "agentprof.calls.unseen"  # this span stands for calls that nobody showed
UPSTREAM_PROVIDER: Final = "agentprof.upstream.provider"  # who answered behind a router, in its words
RETRY_COUNT: Final = "agentprof.retry.count"  # tries after the first one; absent for none
SERVICE_TIER: Final = "agentprof.service_tier"  # what a provider billed, where the conventions have no name
RESULT_COUNT: Final = "agentprof.result.count"  # how many records, documents or hits came back
RATE_LIMIT_TOKENS: Final = "agentprof.rate_limit.tokens"  # what a waiting call is held to take, an estimate
RETRY_ATTEMPT: Final = "agentprof.retry.attempt"  # on an event: which try comes next; 2 for the first retry
RETRY_WAIT: Final = "agentprof.retry.wait"  # seconds until then
HEDGE_ATTEMPT: Final = "agentprof.hedge.attempt"  # 1, and 2 for the one that was started in its place
HEDGE_OUTCOME: Final = "agentprof.hedge.outcome"  # "won", "lost" (given up when the other answered), "failed"
STREAM_FIRST_TEXT: Final = "agentprof.stream.time_to_first_text"  # seconds, as are the gaps
STREAM_MEAN_GAP: Final = "agentprof.stream.gap.mean"
STREAM_LONGEST_GAP: Final = "agentprof.stream.gap.max"
STREAM_CHUNKS: Final = "agentprof.stream.chunks"
STREAM_TOKENS_PER_S: Final = "agentprof.stream.tokens_per_second"
STREAM_TOKENS_ESTIMATED: Final = "agentprof.stream.tokens_estimated"  # true: from the length of the text
STREAM_STOPPED_EARLY: Final = "agentprof.stream.stopped_early"
STREAM_STALLED: Final = "agentprof.stream.stalled"
STREAM_SAVED_TOKENS: Final = "agentprof.stream.saved_output_tokens.estimate"  # absent: unknown
STREAM_SAVED_BASIS: Final = "agentprof.stream.saved_output_tokens.basis"  # "earlier_answers" or "max_tokens"
BUDGET_WARNING_EVENT: Final = "agentprof.budget.warning"  # most of a budget is spent; once per scope
BUDGET_EXCEEDED_EVENT: Final = "agentprof.budget.exceeded"  # a call was refused, or sent with a warning
BUDGET_NAME: Final = "agentprof.budget.name"  # usd, tokens, llm_calls or seconds
BUDGET_SCOPE: Final = "agentprof.budget.scope"  # trace, agent or process
BUDGET_LIMIT: Final = "agentprof.budget.limit"
BUDGET_SPENT: Final = "agentprof.budget.spent"
BUDGET_RESERVED: Final = "agentprof.budget.reserved"  # for calls that are under way
BUDGET_REQUESTED: Final = "agentprof.budget.requested"  # what the call at hand is held to take, an estimate
SELECTOR_COMPLEXITY: Final = "agentprof.model_selector.complexity"
SELECTOR_MODEL: Final = "agentprof.model_selector.model"  # the model that was chosen
SELECTOR_REASON: Final = "agentprof.model_selector.reason"
SELECTOR_REJECTED: Final = "agentprof.model_selector.rejected"  # "model: why not", one text each
SELECTOR_COST: Final = "agentprof.model_selector.estimated_usd"  # of one call
CACHE_HIT: Final = "agentprof.cache.hit"  # absent: no cache was asked
CACHE_SAVED_USD: Final = "agentprof.cache.saved_usd"  # what the answer would have cost again
CACHE_SAVED_NS: Final = (
    "agentprof.cache.saved_ns"  # what the first call took longer than the look into the cache
)
CACHE_SAVED_INPUT_TOKENS: Final = "agentprof.cache.saved_input_tokens"  # on no bill, so not gen_ai.usage.*
CACHE_SAVED_OUTPUT_TOKENS: Final = "agentprof.cache.saved_output_tokens"
CACHE_RESPONSE_ID: Final = "agentprof.cache.response_id"  # of the answer that was kept
METADATA_PREFIX: Final = "agentprof.metadata."  # what PerformanceProfiler.timer was told

COST_TOTAL: Final = "agentprof.cost.total"
COST_INPUT: Final = "agentprof.cost.input"
COST_CACHE_READ: Final = "agentprof.cost.cache_read"
COST_CACHE_WRITE: Final = "agentprof.cost.cache_write"
COST_OUTPUT: Final = "agentprof.cost.output"
COST_REASONING: Final = "agentprof.cost.reasoning"
COST_CURRENCY: Final = "agentprof.cost.currency"
# "local" (price table), "provider" (came in the response), or the library that reckoned it ("litellm").
COST_SOURCE: Final = "agentprof.cost.source"
COST_PRICE_TABLE: Final = "agentprof.cost.price_table"  # name@date
COST_MIRROR_AMOUNT: Final = "gen_ai.usage.cost.amount"  # semantic-conventions-genai PR 443
COST_MIRROR_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_MIRROR_SOURCE: Final = "gen_ai.usage.cost.source"

ANALYSIS_SPAN_NAME: Final = "agentprof.analysis"
ANALYSIS_DURATION: Final = "agentprof.duration_ns"
ANALYSIS_SPAN_COUNT: Final = "agentprof.span_count"
ANALYSIS_FINDING_COUNT: Final = "agentprof.finding_count"
ANALYSIS_TOP_FINDING: Final = "agentprof.top_finding"
TOP_FINDING_RULE: Final = "agentprof.top_finding_rule"
TOP_FINDING_IMPACT: Final = "agentprof.top_finding_impact"
TOP_FINDING_CONFIDENCE: Final = "agentprof.top_finding_confidence"
TOP_FINDING_SAVING: Final = "agentprof.top_finding_saving_ns"
TOP_FINDING_SAVING_USD: Final = "agentprof.top_finding_saving_usd"
FINDING_OF_RULE: Final = (
    "agentprof.finding.{rule}"  # its best confidence; "unrated" where that does not apply
)
PARALLELIZABLE_PROVEN: Final = "agentprof.parallelizable.proven"
PARALLELIZABLE_SAVING: Final = "agentprof.parallelizable.proven_saving_ns"
CRITICAL_PATH_SELF: Final = "agentprof.critical_path.self_ns"
CRITICAL_PATH_SHARE: Final = "agentprof.critical_path.share"  # of the run's duration, 0 to 1
CRITICAL_PATH_ROLE: Final = "agentprof.critical_path.role"  # as counted; of spans that are not ours too
CRITICAL_PATH_OF_ROLE: Final = "agentprof.critical_path.{role}_ns"
CRITICAL_PATH_LONGEST: Final = "agentprof.critical_path.{role}_longest_ns"  # of any one span
CRITICAL_PATH_LONGEST_NAME: Final = "agentprof.critical_path.{role}_longest_name"
SLACK: Final = "agentprof.slack_ns"
# Jaeger finds a tag by its exact value only. So what is above a round limit is marked, and nothing else is.
CRITICAL_PATH_OVER: Final = "agentprof.critical_path.over_{limit}"
CRITICAL_PATH_LONGEST_OVER: Final = "agentprof.critical_path.{role}_over_{limit}"
TIME_LIMITS: Final = {"100ms": 100_000_000, "1s": 1_000_000_000, "10s": 10_000_000_000}  # ns
COST_OVER: Final = "agentprof.cost_over.{limit}"
COST_LIMITS: Final = {"1_cent": 0.01, "10_cents": 0.10, "1_dollar": 1.0, "10_dollars": 10.0}  # US dollars
COST_IS_PARTIAL: Final = "agentprof.cost_is_partial"  # a model has no known price: the run cost more
SUBTREE_COST: Final = "agentprof.subtree.cost"
SUBTREE_INPUT_TOKENS: Final = "agentprof.subtree.input_tokens"
SUBTREE_OUTPUT_TOKENS: Final = "agentprof.subtree.output_tokens"

# --- Roles ------------------------------------------------------------------------------------------------
Role = Literal["llm", "tool", "agent", "retrieval", "embedding", "step", "other"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
LEAF_ROLES: Final[frozenset[Role]] = frozenset({"llm", "embedding"})  # where tokens and cost are counted

# --- Metrics ----------------------------------------------------------------------------------------------
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TOOL_DURATION: Final = "gen_ai.execute_tool.duration"
METRIC_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_COST: Final = "agentprof.cost"
METRIC_RUN_DURATION: Final = "agentprof.run.duration"
METRIC_RUN_CRITICAL_TIME: Final = "agentprof.run.critical_path.time"
METRIC_RUN_COST: Final = "agentprof.run.cost"
METRIC_RUN_MODEL_COST: Final = "agentprof.run.model.cost"
METRIC_RUN_MODEL_TOKENS: Final = "agentprof.run.model.tokens"
METRIC_RUN_FINDINGS: Final = "agentprof.run.findings"
METRIC_PROCESSOR_TIME: Final = "agentprof.processor.time"
METRIC_PROCESSOR_SPANS: Final = "agentprof.processor.spans"
METRIC_PROCESSOR_DROPPED: Final = "agentprof.processor.dropped"
METRIC_PROCESSOR_FAILURES: Final = "agentprof.processor.failures"
TOKEN_TYPE: Final = "gen_ai.token.type"
RULE: Final = "agentprof.rule"
IMPACT: Final = "agentprof.impact"
DROP_REASON: Final = "agentprof.drop.reason"

SCOPE: Final = "otel_agentprof"
RUN_SCOPE: Final = "otel_agentprof.run"  # of the one span that stands for a whole `agentprof run`
DROPPED_SPANS: Final = "agentprof.dropped_spans"
WITHOUT_FINGERPRINT: Final = "agentprof.without_fingerprint."  # calls, by reason
