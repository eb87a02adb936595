"""A model call from the request to the last piece of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from pf_monitor.instrument import watch
from pf_monitor.instrument.openai import asking
from pf_monitor.instrument.openai.answer import NOTHING, OBJECT, Answer, Format, keep_request
from pf_monitor.instrument.openai.operations import requested_model
from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome
from pf_monitor.tokens.bills import Bill

if TYPE_CHECKING:
    from pf_monitor.instrument.openai.endpoint import Endpoint
    from pf_monitor.instrument.openai.operations import Exchange
    from pf_monitor.model.step import Recorder

_MOST_ASKED = 1_000_000
"""Bytes of a request that are read in the pipeline: what is much longer would hold up the whole process there."""


_SPECIAL = frozenset({"traceparent", "x-client-request-id", "x-ms-client-request-id", asking.RAW})
"""Headers of the caller's that change what ours are, in lower case."""


class Call:
    """The step of one model call.

    Args:
        recorder: Who records it.
        shape: The kind of the exchange.
        request: The request's body, which is the caller's.
        endpoint: Where the client sends it to.

    Attributes:
        step: The step.
        context: The context in which it is the current one.
        asked_for_usage: Whether the usage was asked for where the caller did not.
        response: The HTTP response, once there is one.
    """

    __slots__ = (
        "_asked",
        "_endpoint",
        "_has_kept_request",
        "_headers",
        "_model",
        "_shape",
        "asked_for_usage",
        "context",
        "request",
        "response",
        "step",
    )

    def __init__(
        self, recorder: Recorder, shape: type[Exchange], request: Mapping[str, Any], endpoint: Endpoint
    ) -> None:
        self.request = request
        self.asked_for_usage = False
        self.response: Any = None
        self._shape = shape
        self._headers: dict[str, str] = {}
        self._endpoint = endpoint
        self._model = model = requested_model(request)
        name = f"{shape.operation} {model}" if model else shape.operation
        self.step, self.context = watch.begin(recorder, shape.kind, name, trace.SpanKind.CLIENT)
        attributes = self.step.attributes
        attributes[names.OPERATION_NAME] = shape.operation
        attributes[names.REQUEST_MODEL] = model
        attributes.update(endpoint.attributes)
        self._asked: bytes | None = None
        self._has_kept_request = False

    def options_to_send(self, options: Any) -> Any:
        """Return the client's options of the request, with the usage asked for where it has to be.

        Args:
            options: As the caller wrote them.
        """
        self._headers = self._wanted_headers(options.headers)
        self.asked_for_usage = asking.shall_ask(self._shape, self._model, self._endpoint.base_url, self.request)
        return asking.with_usage(options) if self.asked_for_usage else options

    def is_refusal(self, error: Exception) -> bool:
        """Whether the request failed only because the usage was asked for, so that it is repeated without that.

        Args:
            error: What the client raised.
        """
        if self.asked_for_usage and asking.refuses(error, self._model, self._endpoint.base_url):
            self.asked_for_usage = False
            return True
        return False

    def add_headers(self, request: Any) -> None:
        """Add what joins the provider's own logs to an HTTP request that is about to be sent.

        Here, at the end, since all that the client is given before is read, checked and copied many times over.

        Args:
            request: A request of httpx.
        """
        for name, value in self._headers.items():
            request.headers[name] = value

    def _wanted_headers(self, given: Any) -> dict[str, str]:
        """Return the headers that join the request, W3C's among them, without those that the user set for it.

        Args:
            given: Those.
        """
        own = self.step.context
        trace_id = f"{own.trace_id:032x}"
        request_id = self.step.correlation.get(names.REQUEST_ID, "")
        printable = request_id if request_id.isascii() and request_id.isprintable() else trace_id
        ours = {
            "traceparent": f"00-{trace_id}-{own.span_id:016x}-01",
            self._endpoint.request_id_header: printable[:512],
        }
        if given and (type(given) is dict or isinstance(given, Mapping)):
            theirs = {name.lower() for name in given}
            if not theirs.isdisjoint(_SPECIAL):
                if asking.RAW in theirs:
                    ours["Accept-Encoding"] = "identity"  # the bytes are watched on their way
                ours = {name: value for name, value in ours.items() if name.lower() not in theirs}
        return ours

    def sent(self, request: Any) -> None:
        """Take note of what was asked, before the caller can change it.

        Args:
            request: The HTTP request. Its bytes are read in the pipeline, unless they are very many.
        """
        try:
            body = request.content
        except Exception:  # noqa: BLE001 - a request that the user's own transport has made may have none
            body = None
        if type(body) is bytes and len(body) <= _MOST_ASKED:
            self._asked = body
        else:
            self._keep_request()

    def first_chunk(self) -> None:
        """Note that the stream has begun to give something."""
        if self.step.time_to_first_chunk_ns is None:
            self.step.time_to_first_chunk_ns = self.step.elapsed_ns()

    def answered_as(self, answer: Any) -> None:
        """End the call with a whole answer of which only the caller's object is known.

        Args:
            answer: What the caller gets, and may change.
        """
        self.end(Outcome.OK, OBJECT, answer)

    def failed(self, error: BaseException, form: Format = NOTHING, answered: bytes = b"") -> None:
        """End the call with the error that left it; what had been streamed until then is kept."""
        outcome = watch.outcome_of(error)
        if outcome is Outcome.ERROR:
            self.step.fail(error)
        self.end(outcome, form, answered)

    def end(self, outcome: Outcome, form: Format = NOTHING, answered: Any = b"") -> None:
        """End the call; once. What was asked and answered is read later, away from the caller's path.

        Args:
            outcome: How it ended.
            form: How what has been answered is read.
            answered: That: its bytes, or an object, which is read at once since the caller may change it.
        """
        step = self.step
        if step.ended:
            return
        answer = Answer(self._shape, self._asked, form, answered, self._endpoint.provider, self._model)
        bill = Bill(answer.spent)
        if self._asked is None:
            self._keep_request()
            spent = answer.spent(self.request)
            bill = Bill(lambda: spent)
        if form is OBJECT or not answer.may_wait():
            bill.settle()
            answer.put_together(step)
        else:
            step.unfinished = answer.put_together
        step.spend(bill)
        step.finish(outcome)

    def _keep_request(self) -> None:
        """Keep what was asked, where its bytes are not known."""
        if self._has_kept_request:
            return
        self._has_kept_request = True
        keep_request(self.step, self._shape(self.request))
