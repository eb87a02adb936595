"""A model call from the request to the last piece of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from opentelemetry import trace

from pf_monitor import notices
from pf_monitor.instrument import content, watch
from pf_monitor.instrument.openai import asking
from pf_monitor.instrument.openai.later import later
from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome
from pf_monitor.tokens.prices import Price

if TYPE_CHECKING:
    from pf_monitor.instrument.openai.operations import Exchange
    from pf_monitor.model.step import Recorder, Step
    from pf_monitor.tokens.usage import Usage

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".azure-api.net")
_DEFAULT_PORTS = (None, 80, 443)

_MOST_ASKED = 1_000_000
"""Bytes of a request that are read in the pipeline: what is much longer would hold up the whole process there."""


@lru_cache(maxsize=256)
def _host_and_port(base_url: str) -> tuple[str, int | None]:
    address = urlsplit(base_url)
    return address.hostname or "", address.port


class Attempt:
    """One way to send a request.

    Args:
        options: The client's options.
        is_refusal: Tells of an error whether it means that the request may be sent in another way; None if it never
            does.

    Attributes:
        refused: Whether it was such an error that came back; it has been swallowed then.
    """

    def __init__(self, options: Any, is_refusal: Callable[[Exception], bool] | None) -> None:
        self.options = options
        self.refused = False
        self._is_refusal = is_refusal

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, Exception) and self._is_refusal is not None:
            self.refused = self._is_refusal(error)
        return self.refused


class Call:
    """The step of one model call.

    Args:
        recorder: Who records it.
        exchange: The endpoint's shape.
        base_url: Where the client sends requests to.
        is_azure: Whether the client is one for Azure OpenAI.

    Attributes:
        response: The HTTP response, once there is one.
    """

    def __init__(self, recorder: Recorder, exchange: Exchange, base_url: str, *, is_azure: bool) -> None:
        self.exchange = exchange
        self.asked_for_usage = False
        self.response: Any = None
        self._base_url = base_url
        host, port = _host_and_port(base_url)
        is_azure = is_azure or host.endswith(_AZURE_HOSTS)
        self._provider = "azure.ai.openai" if is_azure else "openai"
        self._request_id_header = "x-ms-client-request-id" if is_azure else "X-Client-Request-Id"
        model = exchange.requested_model
        name = f"{exchange.operation} {model}" if model else exchange.operation
        self.step, self.context = watch.begin(recorder, exchange.kind, name, trace.SpanKind.CLIENT)
        attributes = self.step.attributes
        attributes[names.OPERATION_NAME] = exchange.operation
        attributes[names.PROVIDER_NAME] = attributes[names.SYSTEM] = self._provider
        attributes[names.REQUEST_MODEL] = model
        attributes[names.SERVER_ADDRESS] = host
        if port not in _DEFAULT_PORTS:
            attributes[names.SERVER_PORT] = port or 0
        attributes.update(exchange.request_attributes())
        self._keeps_input = recorder.capture_content
        """Whether what was asked is still to be kept: the caller may change it from when the call is answered."""
        self._asked: bytes | None = None

    def attempts(self, options: Any) -> Iterator[Attempt]:
        """Give the ways to send the request: with the usage asked for where it has to be, then as the caller wrote it.

        Args:
            options: The client's options of the request.
        """
        options = self._with_headers(options)
        self.asked_for_usage = asking.shall_ask(self.exchange, self._base_url, options.json_data)
        if self.asked_for_usage:
            attempt = Attempt(asking.with_usage(options), lambda e: asking.refuses(e, self.exchange, self._base_url))
            yield attempt
            if not attempt.refused:
                return
            self.asked_for_usage = False
        yield Attempt(options, None)

    @property
    def headers(self) -> dict[str, str]:
        """What the request carries so that the provider's own logs can be joined.

        `traceparent` is W3C's; `X-Client-Request-Id` is the name that OpenAI logs, `x-ms-client-request-id` Azure's.
        Each header more would be one more for the HTTP client to check, on the caller's path.
        """
        own = self.step.context
        request_id = self.step.correlation.get(names.REQUEST_ID, "")
        printable = request_id if request_id.isascii() and request_id.isprintable() else f"{own.trace_id:032x}"
        return {
            "traceparent": f"00-{own.trace_id:032x}-{own.span_id:016x}-01",
            self._request_id_header: printable[:512],
        }

    def _with_headers(self, options: Any) -> Any:
        """Return the request's options with the headers that join it; what the user set stays."""
        ours = self.headers
        given = options.headers
        if given and isinstance(given, Mapping):
            if asking.is_read_raw(given):
                ours["Accept-Encoding"] = "identity"  # the bytes are watched on their way
            theirs = {name.lower() for name in given}
            ours = {**given, **{name: value for name, value in ours.items() if name.lower() not in theirs}}
        return options.model_copy(update={"headers": ours})

    def sent(self, request: Any) -> None:
        """Take note of what was asked, before the caller can change it.

        Args:
            request: The HTTP request. Its bytes are read in the pipeline, unless they are very many.
        """
        if not self._keeps_input:
            return
        try:
            body = request.content
        except Exception:  # noqa: BLE001 - a request that the user's own transport has made may have none
            body = None
        if type(body) is bytes and len(body) <= _MOST_ASKED:
            self._asked = body
        else:
            _keep(self.step, self.exchange.input_content())
        self._keeps_input = False

    def answered(self, body: bytes) -> None:
        """End the call with a whole answer.

        Args:
            body: The answer, as JSON.
        """
        exchange = self.exchange
        answer = _read(body)
        exchange.take_header(answer)
        if exchange.usage is None:
            exchange.take_response(answer)
        else:
            self.answer_later(lambda whole: whole.take_response(_read(body)), len(body))
        self.end(Outcome.OK)

    def answered_as(self, answer: Any) -> None:
        """End the call with a whole answer of which only the caller's object is known.

        Args:
            answer: What the caller gets, and may change.
        """
        self.exchange.take_response(answer)
        self.end(Outcome.OK)

    def answer_later(self, read: Callable[[Exchange], None], size: int) -> None:
        """Put the answer together in the pipeline, away from the caller's path.

        Args:
            read: Gives all of the answer to an exchange.
            size: How many bytes wait for that; with too many waiting already, it is done at once.
        """
        shape, asked = type(self.exchange), self._asked
        self._asked = None

        def put_together(step: Step) -> None:  # nothing here knows the step: they would keep each other alive
            whole = shape(_body(asked))
            if asked is not None:
                _keep(step, whole.input_content())
            read(whole)
            _keep_answer(step, whole)

        self.step.unfinished = later(put_together, size + len(asked or b""))
        if self.step.unfinished is None:
            put_together(self.step)

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
        if self._keeps_input:
            _keep(step, exchange.input_content())
        if step.unfinished is None:
            if self._asked is not None:
                _keep(step, type(exchange)(_body(self._asked)).input_content())
            _keep_answer(step, exchange)
        usage = exchange.usage or self._estimated()
        step.spend(usage, Price(self._provider, model, usage) if usage is not None else None)
        step.finish(outcome)

    def _estimated(self) -> Usage | None:
        """Count what the provider did not; a call that was not answered at all has cost nothing."""
        exchange, attributes = self.exchange, self.step.attributes
        if exchange.model is None and exchange.response_id is None:
            return None
        try:
            estimate = exchange.estimate()
        except Exception as error:  # noqa: BLE001 - the request's body may hold anything
            notices.say_once("estimate", "pf_monitor could not estimate the tokens of a call: %r", error)
            return None
        attributes[names.USAGE_METHOD] = estimate.method.value
        if estimate.missing:
            attributes[names.USAGE_MISSING] = ",".join(estimate.missing)
        return estimate.usage


def _read(answer: bytes) -> Any:
    """Return what an answer says; Python's own reader takes more, such as NaN, and more time."""
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return json.loads(answer)


def _body(asked: bytes | None) -> dict[str, Any]:
    """Return what a request says in JSON."""
    try:
        body = _read(asked or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _keep_answer(step: Step, exchange: Exchange) -> None:
    if exchange.finish_reasons:
        step.attributes[names.RESPONSE_FINISH_REASONS] = content.to_json(exchange.finish_reasons).text
    if step.recorder.capture_content:
        _keep(step, exchange.output_content())


def _keep(step: Step, parts: dict[str, Any]) -> None:
    for name, value in parts.items():
        if value:
            step.keep(name, content.to_json(value))
