"""Put ourselves between the `openai` client's resources and its HTTP: every model call passes `request` once.

One place sees chat, completions, embeddings and responses, plain, parsed and streamed, retries included, for OpenAI
and Azure OpenAI alike.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import orjson

from pf_monitor import notices, runtime
from pf_monitor.instrument.openai.call import Call
from pf_monitor.instrument.openai.operations import exchange_for
from pf_monitor.instrument.openai.streams import Recording, watch
from pf_monitor.instrument.parentage import attach, detach
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from types import ModuleType

_MARK = "__pf_monitor__"


def install(openai: ModuleType) -> None:
    """Watch the clients of the `openai` package; once.

    Args:
        openai: The package, from version 1 on.
    """
    azure = (openai.AzureOpenAI, openai.AsyncAzureOpenAI)
    if not hasattr(openai.OpenAI.request, _MARK):
        openai.OpenAI.request = _sync(openai.OpenAI.request, azure)
        openai.AsyncOpenAI.request = _async(openai.AsyncOpenAI.request, azure)


def _sync(request: Any, azure: tuple[type, ...]) -> Any:
    @functools.wraps(request)
    def watched(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = None if runtime.off else _open(client, options, azure)
        if call is None:
            return request(client, cast_to, options, *args, **kwargs)
        token = attach(call.context)
        try:
            for attempt in call.attempts(options):
                with attempt:
                    answer = request(client, cast_to, attempt.options, *args, **kwargs)
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
        token = attach(call.context)
        try:
            for attempt in call.attempts(options):
                with attempt:
                    answer = await request(client, cast_to, attempt.options, *args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            detach(token)
        _answered(call, answer)
        return answer

    setattr(watched, _MARK, True)
    return watched


def _open(client: Any, options: Any, azure: tuple[type, ...]) -> Call | None:
    """Begin the step of a request, or return None for one that is not a model call."""
    try:
        exchange = exchange_for(options.method, options.url, options.json_data)
        if exchange is None:
            return None
        recorder = runtime.recorder or runtime.decide()
        if recorder is None:
            return None
        return Call(recorder, exchange, str(client.base_url), is_azure=isinstance(client, azure))
    except Exception as error:  # noqa: BLE001 - never into the caller
        notices.say_once("openai-begin", "pf_monitor could not begin a model call: %r", error)
        return None


def _answered(call: Call, answer: Any) -> None:
    """End a call that was answered whole, or watch an answer that is still to be read."""
    try:
        response = getattr(answer, "http_response", None) or getattr(answer, "response", None)
        if response is None or not hasattr(response, "is_stream_consumed"):
            call.answered(answer)
        elif response.is_stream_consumed or response.is_closed:
            body = response.content
            call.answered(_json(response, body), len(body))
        else:
            is_stream = call.exchange.request.get("stream") is True
            watch(response, Recording(call, is_stream=is_stream, hides_usage=call.asked_for_usage))
    except Exception as error:  # noqa: BLE001 - never into the caller
        notices.say_once("openai-answer", "pf_monitor could not read an answer: %r", error)
        call.end(Outcome.OK)


def _json(response: Any, body: bytes) -> Any:
    """Return what an answer says; the client's own reader takes more, and more time."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return response.json()
