"""Put ourselves between the `openai` client's resources and its HTTP: every model call passes `request` once.

One place sees chat, completions, embeddings and responses, plain, parsed and streamed, retries included, for OpenAI
and Azure OpenAI alike.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry.context import Context

from pf_monitor import notices, runtime
from pf_monitor.instrument.openai.answer import JSON
from pf_monitor.instrument.openai.call import Call
from pf_monitor.instrument.openai.endpoint import endpoint_of
from pf_monitor.instrument.openai.operations import shape_of
from pf_monitor.instrument.openai.streams import Recording, watch
from pf_monitor.instrument.parentage import attach, detach
from pf_monitor.model.kinds import Outcome
from pf_monitor.tokens import lenient

if TYPE_CHECKING:
    from types import ModuleType

_MARK = "__pf_monitor__"

_READER = "_process_response"
"""The client's method that makes of an HTTP response what the caller gets. Where there is none, that is read,
on the caller's path."""

_PREPARER = "_prepare_request"
"""The client's method that is given each HTTP request before it is sent, to change it. Where there is none, requests
carry no headers of ours."""

_CALL = context_api.create_key("pf_monitor-openai-call")
"""Where OpenTelemetry's context keeps the call whose request is under way. A context variable of our own would be the
second to be set and reset for each call, and that takes as long as half of a step."""

_REFUSED = object()
"""Stands for the answer of a server that does not know the option by which usage is asked for."""

_MOST_READ = 32_000
"""Bytes of a whole answer that are read once more, in the pipeline; a larger one, as the client has read it."""


def install(openai: ModuleType) -> None:
    """Watch the clients of the `openai` package; once.

    Args:
        openai: The package, from version 1 on.
    """
    azure = (openai.AzureOpenAI, openai.AsyncAzureOpenAI)
    if hasattr(openai.OpenAI.request, _MARK):
        return
    openai.OpenAI.request = _sync(openai.OpenAI.request, azure)
    openai.AsyncOpenAI.request = _async(openai.AsyncOpenAI.request, azure)
    for client in (openai.OpenAI, openai.AsyncOpenAI):
        for name, make in ((_READER, _seeing), (_PREPARER, _preparing)):
            if hasattr(client, name):
                setattr(client, name, make(getattr(client, name)))


def _sync(request: Any, azure: tuple[type, ...]) -> Any:
    @functools.wraps(request)
    def watched(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = None if runtime.off else _open(client, options, azure)
        if call is None:
            return request(client, cast_to, options, *args, **kwargs)
        token = attach(Context({**call.context, _CALL: call}))
        try:
            try:
                answer = request(client, cast_to, call.options_to_send(options), *args, **kwargs)
            except Exception as error:
                if not call.is_refusal(error):
                    raise
                answer = _REFUSED
            if answer is _REFUSED:  # out here, so that an error does not come with the refusal as its context
                answer = request(client, cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            detach(token)
        _answered(call, answer)
        return answer

    setattr(watched, _MARK, True)
    return watched


def _async(request: Any, azure: tuple[type, ...]) -> Any:
    @functools.wraps(request)
    async def watched(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = None if runtime.off else _open(client, options, azure)
        if call is None:
            return await request(client, cast_to, options, *args, **kwargs)
        token = attach(Context({**call.context, _CALL: call}))
        try:
            try:
                answer = await request(client, cast_to, call.options_to_send(options), *args, **kwargs)
            except Exception as error:
                if not call.is_refusal(error):
                    raise
                answer = _REFUSED
            if answer is _REFUSED:  # out here, so that an error does not come with the refusal as its context
                answer = await request(client, cast_to, options, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            detach(token)
        _answered(call, answer)
        return answer

    setattr(watched, _MARK, True)
    return watched


def _seeing(process: Any) -> Any:
    """Show a call the HTTP response that it gets; for both kinds of clients, since nothing is waited for."""

    @functools.wraps(process)
    def seeing(*args: Any, **kwargs: Any) -> Any:
        if (call := _current_call()) is not None:
            call.response = kwargs.get("response")
        return process(*args, **kwargs)

    return seeing


def _preparing(prepare: Any) -> Any:
    """Have a call add its headers to each of its requests, before whatever the client does last, such as signing."""

    @functools.wraps(prepare)
    def preparing(client: Any, request: Any) -> Any:
        if (call := _current_call()) is not None:
            try:
                call.add_headers(request)
            except Exception as error:  # noqa: BLE001 - never into the caller
                notices.say_once("openai-begin", "pf_monitor could not begin a model call: %r", error)
        return prepare(client, request)

    return preparing


def _current_call() -> Call | None:
    call: Call | None = context_api.get_current().get(_CALL)  # type: ignore[assignment]  # nobody else has the key
    return call


def _open(client: Any, options: Any, azure: tuple[type, ...]) -> Call | None:
    """Begin the step of a request, or return None for one that is not a model call."""
    try:
        request = options.json_data
        shape = shape_of(options.method, options.url, request)
        if shape is None:
            return None
        recorder = runtime.recorder or runtime.decide()
        if recorder is None:
            return None
        return Call(recorder, shape, request, endpoint_of(client, azure))
    except Exception as error:  # noqa: BLE001 - never into the caller
        notices.say_once("openai-begin", "pf_monitor could not begin a model call: %r", error)
        return None


def _answered(call: Call, answer: Any) -> None:
    """End a call that was answered whole, or watch an answer that is still to be read."""
    try:
        response = call.response or lenient.first(answer, "http_response", "response")
        call.response = None  # a response that is watched has the call
        if response is None or not hasattr(response, "is_stream_consumed"):
            call.answered_as(answer)
            return
        call.sent(response.request)
        if response.is_stream_consumed or response.is_closed:
            body = response.content
            if len(body) > _MOST_READ and lenient.first(answer, "http_response", "response") is None:
                call.answered_as(answer)  # such as embeddings, of which the client has read the numbers already
            else:
                call.end(Outcome.OK, JSON, body)
        else:
            is_stream = call.request.get("stream") is True
            watch(response, Recording(call, is_stream=is_stream, hides_usage=call.asked_for_usage))
    except Exception as error:  # noqa: BLE001 - never into the caller
        notices.say_once("openai-answer", "pf_monitor could not read an answer: %r", error)
        call.end(Outcome.OK)
