"""A model call from the request to the last piece of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import trace

from pf_monitor.instrument import content, watch
from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome
from pf_monitor.tokens.prices import cost_usd

if TYPE_CHECKING:
    from pf_monitor.instrument.openai.operations import Exchange
    from pf_monitor.model.step import Recorder

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".azure-api.net")
_DEFAULT_PORTS = (None, 80, 443)


class Call:
    """The step of one model call.

    Args:
        recorder: Who records it.
        exchange: The endpoint's shape.
        base_url: Where the client sends requests to.
        is_azure: Whether the client is one for Azure OpenAI.
    """

    def __init__(self, recorder: Recorder, exchange: Exchange, base_url: str, *, is_azure: bool) -> None:
        self.exchange = exchange
        address = urlsplit(base_url)
        host = address.hostname or ""
        self._provider = "azure.ai.openai" if is_azure or host.endswith(_AZURE_HOSTS) else "openai"
        model = exchange.requested_model
        name = f"{exchange.operation} {model}" if model else exchange.operation
        self.step, self.context = watch.begin(recorder, exchange.kind, name, trace.SpanKind.CLIENT)
        attributes = self.step.attributes
        attributes[names.OPERATION_NAME] = exchange.operation
        attributes[names.PROVIDER_NAME] = attributes[names.SYSTEM] = self._provider
        attributes[names.REQUEST_MODEL] = model
        attributes[names.SERVER_ADDRESS] = host
        if address.port not in _DEFAULT_PORTS:
            attributes[names.SERVER_PORT] = address.port or 0
        attributes.update(exchange.request_attributes())
        if recorder.capture_content:
            self._keep(exchange.input_content())

    @property
    def headers(self) -> dict[str, str]:
        """What the request carries so that the provider's own logs can be joined.

        `traceparent` is W3C's; `X-Client-Request-Id` is the name that OpenAI logs, `x-ms-client-request-id` Azure's.
        """
        own = self.step.context
        request_id = self.step.correlation.get(names.REQUEST_ID, "")
        printable = request_id if request_id.isascii() and request_id.isprintable() else f"{own.trace_id:032x}"
        return {
            "traceparent": f"00-{own.trace_id:032x}-{own.span_id:016x}-01",
            "X-Client-Request-Id": printable[:512],
            "x-ms-client-request-id": printable[:512],
        }

    def answered(self, response: Any) -> None:
        """End the call with a whole answer."""
        self.exchange.take_response(response)
        self.end(Outcome.OK)

    def first_chunk(self) -> None:
        """Note that the stream has begun to give something."""
        if self.step.time_to_first_chunk_ns is None:
            self.step.time_to_first_chunk_ns = self.step.elapsed_ns()

    def failed(self, error: BaseException) -> None:
        """End the call with the error that left it; what had been streamed until then is kept."""
        outcome = watch.outcome_of(error)
        if outcome is Outcome.ERROR:
            self.step.fail(error)
        self.end(outcome)

    def end(self, outcome: Outcome) -> None:
        """End the call with what has been answered so far; once."""
        step, exchange = self.step, self.exchange
        if step.ended:
            return
        model = exchange.model or exchange.requested_model
        if exchange.model is not None:
            step.attributes[names.RESPONSE_MODEL] = exchange.model
        if exchange.response_id is not None:
            step.attributes[names.RESPONSE_ID] = exchange.response_id
        if exchange.finish_reasons:
            step.attributes[names.RESPONSE_FINISH_REASONS] = content.to_json(exchange.finish_reasons).text
        if step.recorder.capture_content:
            self._keep(exchange.output_content())
        usage = exchange.usage
        step.spend(usage, cost_usd(self._provider, model, usage) if usage is not None else None)
        step.finish(outcome)

    def _keep(self, parts: dict[str, Any]) -> None:
        for name, value in parts.items():
            if value:
                self.step.content[name] = content.to_json(value)
