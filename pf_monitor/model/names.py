"""The telemetry contract as constants; see docs/telemetry.md. A change here is a breaking change.

The GenAI names are those of the OpenTelemetry conventions (util-genai 1.3b0). They are kept here because the
constants are not in the OpenTelemetry version that promptflow allows.
"""

from __future__ import annotations

from typing import Final

# What a span is.
KIND: Final = "pf_monitor.kind"
FLOW: Final = "pf_monitor.flow"
NODE: Final = "pf_monitor.node"
OUTCOME: Final = "pf_monitor.outcome"
ERROR_TYPE: Final = "pf_monitor.error.type"
DEPLOYMENT: Final = "pf_monitor.deployment"
TRUNCATED: Final = "pf_monitor.truncated"
REDACTED: Final = "pf_monitor.redacted"
"""How many secrets were taken out of an item."""
WITHHELD: Final = "pf_monitor.withheld"
"""How many values of an item were not sent, because redaction failed at them."""
LATE: Final = "pf_monitor.late"
"""`true` on what ended after its flow run had: the flow's sums, which had been sent by then, are without it."""

# What correlates it.
REQUEST_ID: Final = "pf_monitor.request_id"
SESSION_ID: Final = "session.id"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
USER_ID: Final = "enduser.id"
"""The exporter turns this attribute into the column `user_Id`; it does not become a custom dimension."""
PSEUDONYMOUS_USER_ID: Final = "enduser.pseudo.id"
"""The attribute that newer exporters turn into `user_Id`; the one that promptflow allows drops it."""

# Content.
QUESTION: Final = "question"
ANSWER: Final = "answer"
CONTEXT: Final = "context"
GROUND_TRUTH: Final = "ground_truth"
INPUTS: Final = "inputs"
OUTPUT: Final = "output"
RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

# Sums over everything beneath a flow or a node. Not `gen_ai.usage.*`: whoever adds those up would count twice.
TOTAL_INPUT_TOKENS: Final = "pf_monitor.usage.input_tokens"
TOTAL_OUTPUT_TOKENS: Final = "pf_monitor.usage.output_tokens"
TOTAL_TOKENS: Final = "pf_monitor.usage.total_tokens"
TOTAL_LLM_CALLS: Final = "pf_monitor.usage.llm_calls"
COST_USD: Final = "pf_monitor.usage.cost_usd"
USAGE_SOURCE: Final = "pf_monitor.usage.source"
USAGE_METHOD: Final = "pf_monitor.usage.method"
"""How an estimate was made: `tiktoken` or `characters`."""
USAGE_MISSING: Final = "pf_monitor.usage.missing"
"""What an estimate had to leave out, separated by commas."""

# A model call.
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"
"""The older name of the provider; the exporter reads only this one, for the type `GenAI | openai`."""
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
PEER_NAME: Final = "net.peer.name"
PEER_PORT: Final = "net.peer.port"

# Events.
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE: Final = "gen_ai.evaluation.score.value"
EVALUATION_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
EVALUATOR: Final = "pf_monitor.evaluator"
MONITOR: Final = "pf_monitor.monitor"

# Metrics: prompt flow's own names, and those of the GenAI conventions.
METRIC_NAMESPACE: Final = "promptflow standard metrics"
GENAI_METRIC_NAMESPACE: Final = "pf_monitor"
QUALITY_METRIC_NAMESPACE: Final = "generation quality"
TOKEN_CONSUMPTION: Final = "token_consumption"  # noqa: S105 - a metric, not a password
FLOW_LATENCY: Final = "flow_latency"
FLOW_REQUEST: Final = "flow_request"
NODE_LATENCY: Final = "node_latency"
NODE_REQUEST: Final = "node_request"
RPC_LATENCY: Final = "rpc_latency"
RPC_REQUEST: Final = "rpc_request"
FLOW_STREAMING_DURATION: Final = "flow_streaming_response_duration"
CLIENT_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - a metric, not a password
CLIENT_DURATION: Final = "gen_ai.client.operation.duration"
CLIENT_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
DROPPED_ITEMS: Final = "pf_monitor.dropped_items"
DROP_REASON: Final = "pf_monitor.reason"
