"""A model call's request and answer, kept as bytes and read when the pipeline asks for what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from pf_monitor import notices
from pf_monitor.instrument import content
from pf_monitor.instrument.openai.later import Held
from pf_monitor.model import names
from pf_monitor.tokens.bills import Spent

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from pf_monitor.instrument.openai.operations import Exchange
    from pf_monitor.model.step import Step
    from pf_monitor.tokens.usage import Usage


class Format(NamedTuple):
    """How answers of one form are read.

    Attributes:
        header: Gives an exchange what an answer says of itself: model, id and, mostly, usage.
        whole: Gives an exchange all of it.
    """

    header: Callable[[Exchange, Any], None]
    whole: Callable[[Exchange, Any], None]


NOTHING = Format(lambda exchange, answer: None, lambda exchange, answer: None)
"""A call that was not answered."""

JSON = Format(
    lambda exchange, answer: exchange.take_header(read(answer)),
    lambda exchange, answer: exchange.take_response(read(answer)),
)
"""The bytes of one JSON text."""

OBJECT = Format(
    lambda exchange, answer: exchange.take_header(answer),
    lambda exchange, answer: exchange.take_response(answer),
)
"""What the client has made of the answer."""


class Answer(Held):
    """What a call asked and was answered. It does not know the call's step: they would keep each other alive.

    Args:
        shape: The kind of the exchange.
        asked: The request's bytes; None where only the caller's object is known, who may change it from now on.
        form: How the answer is read.
        answered: The answer: bytes, but for an object.
        provider: `gen_ai.provider.name`.
        model: The model that was asked for.
    """

    __slots__ = ("_answered", "_asked", "_form", "_model", "_provider", "_shape")

    def __init__(
        self, shape: type[Exchange], asked: bytes | None, form: Format, answered: Any, provider: str, model: str
    ) -> None:
        self._shape = shape
        self._asked = asked
        self._form = form
        self._answered = answered
        self._provider = provider
        self._model = model

    def may_wait(self) -> bool:
        """Take the room that its bytes need to be read later; false where there is none."""
        return self.hold(len(self._answered) + len(self._asked or b""))

    def spent(self, request: Mapping[str, Any] | None = None) -> Spent:
        """Return what the call spent: read from the answer, else estimated from all of it. Never raises.

        Args:
            request: What was asked, where its bytes are not known.
        """
        exchange = self._shape({})
        try:
            self._form.header(exchange, self._answered)
            if exchange.usage is None:
                exchange = self._shape(_body(self._asked) if request is None else request)
                self._form.whole(exchange, self._answered)
        except Exception as error:  # noqa: BLE001 - never into the caller
            notices.say_once("openai-answer", "pf_monitor could not read an answer: %r", error)
        facts: dict[str, AttributeValue] = {}
        if exchange.model is not None:
            facts[names.RESPONSE_MODEL] = exchange.model
        if exchange.response_id is not None:
            facts[names.RESPONSE_ID] = exchange.response_id
        usage = exchange.usage or _estimated(exchange, facts)
        return Spent(usage, self._provider, exchange.model or self._model, facts)

    def put_together(self, step: Step) -> None:
        """Keep what was asked and answered on the call's step. Never raises."""
        try:
            exchange = self._shape(_body(self._asked))
            if self._asked is not None:
                keep_request(step, exchange)
            self._form.whole(exchange, self._answered)
            if exchange.finish_reasons:
                step.attributes[names.RESPONSE_FINISH_REASONS] = content.to_json(exchange.finish_reasons).text
            if step.recorder.capture_content:
                _keep(step, exchange.output_content())
        except Exception as error:  # noqa: BLE001 - what there is of the step is sent
            notices.say_once("openai-answer", "pf_monitor could not read an answer: %r", error)


def read(answer: bytes) -> Any:
    """Return what an answer says; Python's own reader takes more, such as NaN, and more time."""
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return json.loads(answer)


def keep_request(step: Step, exchange: Exchange) -> None:
    """Keep what was asked on a step."""
    step.attributes.update(exchange.request_attributes())
    if step.recorder.capture_content:
        _keep(step, exchange.input_content())


def _keep(step: Step, parts: Mapping[str, Any]) -> None:
    """Keep content on a step, as JSON."""
    for name, value in parts.items():
        if value:
            step.keep(name, content.to_json(value))


def _body(asked: bytes | None) -> dict[str, Any]:
    """Return what a request says in JSON."""
    try:
        body = read(asked or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _estimated(exchange: Exchange, facts: dict[str, AttributeValue]) -> Usage | None:
    """Count what the provider did not; a call that was not answered at all has cost nothing."""
    if exchange.model is None and exchange.response_id is None:
        return None
    try:
        estimate = exchange.estimate()
    except Exception as error:  # noqa: BLE001 - the request's body may hold anything
        notices.say_once("estimate", "pf_monitor could not estimate the tokens of a call: %r", error)
        return None
    facts[names.USAGE_METHOD] = estimate.method.value
    if estimate.missing:
        facts[names.USAGE_MISSING] = ",".join(estimate.missing)
    return estimate.usage
