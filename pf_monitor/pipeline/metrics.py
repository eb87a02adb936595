"""Metrics of finished steps: prompt flow's own standard metrics, and those of the GenAI conventions.

They are recorded as each step ends, before anything can be sampled or dropped, so they are exact whatever happens to
the spans. Instruments are made once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import Histogram, Meter, MeterProvider

    from pf_monitor.model.step import Step
    from pf_monitor.pipeline.losses import Losses

_LATENCY_BUCKETS_MS = [
    *(1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0),
    *(25_000.0, 50_000.0, 75_000.0, 100_000.0, 300_000.0),
]
"""promptflow's own boundaries."""

_TOKEN_BUCKETS = [float(4**power) for power in range(14)]
_DURATION_BUCKETS_S = [0.01 * 2**power for power in range(14)]
"""Both as the GenAI conventions advise."""

_RESPONSE_CODES = {Outcome.OK: "200", Outcome.ERROR: "500"}
_CLIENT_CLOSED_REQUEST = "499"
_RUN_STATUS = {Outcome.OK: "Completed", Outcome.ERROR: "Failed"}


class Metrics:
    """The instruments, and what of a step goes into which.

    Args:
        provider: Whose meters the instruments belong to.
        losses: What was given up, which is a metric too.
    """

    def __init__(self, provider: MeterProvider, losses: Losses) -> None:
        standard = provider.get_meter(names.METRIC_NAMESPACE)
        self._tokens = standard.create_counter(names.TOKEN_CONSUMPTION, "{token}")
        self._flow_requests = standard.create_counter(names.FLOW_REQUEST, "{request}")
        self._node_requests = standard.create_counter(names.NODE_REQUEST, "{request}")
        self._rpc_requests = standard.create_counter(names.RPC_REQUEST, "{request}")
        self._flow_latency = _latency(standard, names.FLOW_LATENCY)
        self._node_latency = _latency(standard, names.NODE_LATENCY)
        self._rpc_latency = _latency(standard, names.RPC_LATENCY)
        self._streaming = _latency(standard, names.FLOW_STREAMING_DURATION)
        genai = provider.get_meter(names.GENAI_METRIC_NAMESPACE)
        self._client_tokens = genai.create_histogram(
            names.CLIENT_TOKEN_USAGE, "{token}", explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS
        )
        self._client_duration = genai.create_histogram(
            names.CLIENT_DURATION, "s", explicit_bucket_boundaries_advisory=_DURATION_BUCKETS_S
        )
        self._client_first_chunk = genai.create_histogram(
            names.CLIENT_TIME_TO_FIRST_CHUNK, "s", explicit_bucket_boundaries_advisory=_DURATION_BUCKETS_S
        )

        def dropped(_: CallbackOptions) -> Iterable[Observation]:
            for reason, number in losses.counted().items():
                yield Observation(number, {names.DROP_REASON: reason})

        genai.create_observable_counter(names.DROPPED_ITEMS, [dropped], "{item}")

    def record(self, step: Step) -> None:
        """Record a step that has ended."""
        if step.kind.is_flow:
            self._record_flow(step)
        elif step.kind.is_model_call:
            self._record_call(step)
        else:
            self._record_node(step)

    def _record_flow(self, step: Step) -> None:
        streaming = step.time_to_first_chunk_ns is not None
        outcome = step.outcome or Outcome.OK
        common = {
            "flow": step.name,
            "response_code": _RESPONSE_CODES.get(outcome, _CLIENT_CLOSED_REQUEST),
            "streaming": str(streaming),
        }
        self._flow_requests.add(1, {**common, "exception": step.error_type or ""})
        whole_ms = step.duration_ns / 1e6
        if step.time_to_first_chunk_ns is None:
            self._flow_latency.record(whole_ms, {**common, "response_type": "default"})
            return
        first_ms = step.time_to_first_chunk_ns / 1e6
        self._flow_latency.record(first_ms, {**common, "response_type": "firstbyte"})
        self._flow_latency.record(whole_ms, {**common, "response_type": "lastbyte"})
        self._streaming.record(whole_ms - first_ms, {"flow": step.name})

    def _record_node(self, step: Step) -> None:
        status = _RUN_STATUS.get(step.outcome or Outcome.OK, "Canceled")
        common = {"flow": step.flow.name if step.flow is not None else "", "node": step.name, "run_status": status}
        self._node_latency.record(step.duration_ns / 1e6, common)
        self._node_requests.add(1, {**common, "exception": step.error_type or ""})

    def _record_call(self, step: Step) -> None:
        place = {"flow": step.flow.name if step.flow is not None else "", "node": step.node or ""}
        api_call = {**place, "api_call": step.name}
        self._rpc_latency.record(step.duration_ns / 1e6, api_call)
        self._rpc_requests.add(1, {**api_call, "exception": step.error_type or ""})
        attributes = step.facts()
        model: dict[str, str] = {
            name: str(attributes[name])
            for name in (names.OPERATION_NAME, names.PROVIDER_NAME, names.REQUEST_MODEL, names.RESPONSE_MODEL)
            if name in attributes
        }
        failed = {"error.type": step.error_type} if step.error_type is not None else {}
        self._client_duration.record(step.duration_ns / 1e9, {**model, **failed})
        if step.time_to_first_chunk_ns is not None:
            self._client_first_chunk.record(step.time_to_first_chunk_ns / 1e9, model)
        usage = step.bill.usage if step.bill is not None else None
        if usage is None:
            return
        engine = str(attributes.get(names.RESPONSE_MODEL) or attributes.get(names.REQUEST_MODEL) or "")
        for token_type, convention, tokens in (
            ("prompt_tokens", "input", usage.input_tokens),
            ("completion_tokens", "output", usage.output_tokens),
        ):
            if tokens:
                self._tokens.add(tokens, {**place, "llm_engine": engine, "token_type": token_type})
                self._client_tokens.record(tokens, {**model, "gen_ai.token.type": convention})


def _latency(meter: Meter, name: str) -> Histogram:
    return meter.create_histogram(name, "ms", explicit_bucket_boundaries_advisory=_LATENCY_BUCKETS_MS)
