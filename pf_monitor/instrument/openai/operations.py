"""What each endpoint of the OpenAI API asks and answers, told in the words of the GenAI conventions.

One class for each shape of exchange. None of them raises on an answer that looks different: servers that call
themselves compatible answer with anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from pf_monitor.model import names
from pf_monitor.model.kinds import Kind
from pf_monitor.tokens import lenient
from pf_monitor.tokens.estimate import (
    Answer,
    Estimate,
    estimate_chat,
    estimate_completion,
    estimate_embeddings,
    estimate_responses,
)
from pf_monitor.tokens.functions import FunctionCall
from pf_monitor.tokens.usage import Usage, read_usage, updated

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

_REQUEST_ATTRIBUTES = {
    "temperature": names.REQUEST_TEMPERATURE,
    "top_p": names.REQUEST_TOP_P,
    "max_tokens": names.REQUEST_MAX_TOKENS,
    "max_completion_tokens": names.REQUEST_MAX_TOKENS,
    "max_output_tokens": names.REQUEST_MAX_TOKENS,
    "seed": names.REQUEST_SEED,
}


class Exchange(ABC):
    """One call of an endpoint: what was asked, and what has been answered so far.

    Args:
        request: The body of the request.

    Attributes:
        usage: The provider's own count, once it has given one.
        model: The model that answered.
        response_id: The provider's id of the answer.
        finish_reasons: Why each choice ended.
    """

    kind: ClassVar[Kind] = Kind.LLM
    operation: ClassVar[str] = "chat"
    can_ask_for_usage: ClassVar[bool] = False
    """Whether a stream tells its usage only when `stream_options` ask for it."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request
        self.usage: Usage | None = None
        self.model: str | None = None
        self.response_id: str | None = None
        self.finish_reasons: list[str] = []

    def request_attributes(self) -> dict[str, AttributeValue]:
        """Return what is known before the call."""
        attributes: dict[str, AttributeValue] = {}
        for field, name in _REQUEST_ATTRIBUTES.items():
            value = self.request.get(field)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                attributes[name] = value
        choices = self.request.get("n")
        if isinstance(choices, int) and choices > 1:
            attributes[names.REQUEST_CHOICE_COUNT] = choices
        if self.request.get("stream") is True:
            attributes[names.REQUEST_STREAM] = True
        return attributes

    @abstractmethod
    def input_content(self) -> dict[str, Any]:
        """Return what was sent to the model, by attribute name, as the conventions shape it."""

    @abstractmethod
    def output_content(self) -> dict[str, Any]:
        """Return what the model has answered so far, likewise."""

    @abstractmethod
    def estimate(self) -> Estimate:
        """Count the tokens of what was asked and what has been answered so far, for when the provider does not.

        Takes about 0.1 ms for each 1,000 tokens; never waits for anything.
        """

    @abstractmethod
    def take_response(self, response: Any) -> None:
        """Take a whole answer."""

    @abstractmethod
    def take_chunk(self, chunk: Any) -> None:
        """Take a piece of a streamed answer."""

    def take_header(self, answer: Any) -> None:
        """Take what every answer and every chunk may carry: model, id and usage."""
        answer = lenient.members(answer)
        self.model = lenient.text(lenient.member(answer, "model")) or self.model
        self.response_id = lenient.text(lenient.member(answer, "id")) or self.response_id
        if (usage := lenient.member(answer, "usage")) is not None:
            self.usage = updated(self.usage, read_usage(usage))


class Chat(Exchange):
    """`/chat/completions`."""

    can_ask_for_usage = True

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self._choices: dict[int, _Message] = {}

    @override
    def input_content(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            names.INPUT_MESSAGES: [_message(m) for m in lenient.items(self.request.get("messages"))]
        }
        if tools := self.request.get("tools") or self.request.get("functions"):
            content[names.TOOL_DEFINITIONS] = tools
        return content

    @override
    def output_content(self) -> dict[str, Any]:
        return {names.OUTPUT_MESSAGES: [self._choices[index].as_message() for index in sorted(self._choices)]}

    @override
    def estimate(self) -> Estimate:
        return estimate_chat(self.request, _answers(self._choices), self.model or "")

    @override
    def take_response(self, response: Any) -> None:
        self.take_header(response)
        for position, choice in enumerate(lenient.items(lenient.member(response, "choices"))):
            self._take_choice(choice, lenient.member(choice, "message"), position)

    @override
    def take_chunk(self, chunk: Any) -> None:
        self.take_header(chunk)
        for choice in lenient.items(lenient.member(chunk, "choices")):
            self._take_choice(choice, lenient.member(choice, "delta"), 0)
        if self.finish_reasons and self.usage is None:
            self.usage = read_usage(lenient.member(chunk, "x_groq"))  # where Groq puts it, on the last chunk

    def _take_choice(self, choice: Any, message: Any, position: int) -> None:
        index = lenient.member(choice, "index")
        kept = self._choices.setdefault(index if isinstance(index, int) else position, _Message())
        kept.add(message)
        if reason := lenient.text(lenient.member(choice, "finish_reason")):
            kept.finish_reason = reason
            self.finish_reasons.append(reason)


class Completion(Exchange):
    """`/completions`."""

    operation = "text_completion"
    can_ask_for_usage = True

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self._choices: dict[int, _Message] = {}

    @override
    def input_content(self) -> dict[str, Any]:
        prompt = self.request.get("prompt")
        prompts = [prompt] if isinstance(prompt, str) else lenient.items(prompt)
        return {names.INPUT_MESSAGES: [{"role": "user", "parts": [_part(p)]} for p in prompts]}

    @override
    def output_content(self) -> dict[str, Any]:
        return {names.OUTPUT_MESSAGES: [self._choices[index].as_message() for index in sorted(self._choices)]}

    @override
    def estimate(self) -> Estimate:
        return estimate_completion(self.request, _answers(self._choices), self.model or "")

    @override
    def take_response(self, response: Any) -> None:
        self.take_header(response)
        for choice in lenient.items(lenient.member(response, "choices")):
            index = lenient.member(choice, "index")
            kept = self._choices.setdefault(index if isinstance(index, int) else 0, _Message())
            kept.add({"content": lenient.member(choice, "text")})
            if reason := lenient.text(lenient.member(choice, "finish_reason")):
                kept.finish_reason = reason
                self.finish_reasons.append(reason)

    @override
    def take_chunk(self, chunk: Any) -> None:
        self.take_response(chunk)


class Embeddings(Exchange):
    """`/embeddings`."""

    kind = Kind.EMBEDDING
    operation = "embeddings"

    @override
    def input_content(self) -> dict[str, Any]:
        return {names.INPUTS: {"input": self.request.get("input")}}

    @override
    def output_content(self) -> dict[str, Any]:
        return {}

    @override
    def estimate(self) -> Estimate:
        return estimate_embeddings(self.request, self.model or "")

    @override
    def take_response(self, response: Any) -> None:
        self.take_header(response)

    @override
    def take_chunk(self, chunk: Any) -> None:
        self.take_response(chunk)


class Responses(Exchange):
    """`/responses`."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__(request)
        self._output: list[Any] = []
        self._text: dict[tuple[Any, Any], list[str]] = {}

    @override
    def take_header(self, answer: Any) -> None:
        super().take_header(lenient.member(answer, "response") or answer)

    @override
    def input_content(self) -> dict[str, Any]:
        given = self.request.get("input")
        messages = [{"role": "user", "content": given}] if isinstance(given, str) else lenient.items(given)
        content: dict[str, Any] = {names.INPUT_MESSAGES: [_message(m) for m in messages]}
        if isinstance(instructions := self.request.get("instructions"), str):
            content[names.SYSTEM_INSTRUCTIONS] = [_part(instructions)]
        if tools := self.request.get("tools"):
            content[names.TOOL_DEFINITIONS] = tools
        return content

    @override
    def output_content(self) -> dict[str, Any]:
        if self._output:
            return {names.OUTPUT_MESSAGES: [_message(item) for item in self._output]}
        texts = ["".join(pieces) for pieces in self._text.values()]
        return {
            names.OUTPUT_MESSAGES: [{"role": "assistant", "parts": [_part(text) for text in texts]}] if texts else []
        }

    @override
    def estimate(self) -> Estimate:
        return estimate_responses(self.request, self._answers(), self.model or "")

    def _answers(self) -> list[Answer]:
        if not self._output:
            return [Answer("".join(pieces)) for pieces in self._text.values()]
        answers = [
            Answer(
                "".join(
                    lenient.text(lenient.member(part, "text"))
                    for part in lenient.items(lenient.member(item, "content"))
                )
            )
            for item in self._output
            if lenient.member(item, "type") == "message"
        ]
        calls = tuple(
            FunctionCall(lenient.text(lenient.member(item, "name")), lenient.text(lenient.member(item, "arguments")))
            for item in self._output
            if lenient.member(item, "type") == "function_call"
        )
        return [*answers, Answer(calls=calls)] if calls else answers

    @override
    def take_response(self, response: Any) -> None:
        self.take_header(response)
        self._output = lenient.items(lenient.member(response, "output"))
        if status := lenient.text(lenient.member(response, "status")):
            self.finish_reasons = [status]

    @override
    def take_chunk(self, chunk: Any) -> None:
        if (response := lenient.member(chunk, "response")) is not None:
            self.take_response(response)
        elif lenient.member(chunk, "type") == "response.output_text.delta":
            place = (lenient.member(chunk, "output_index"), lenient.member(chunk, "content_index"))
            self._text.setdefault(place, []).append(lenient.text(lenient.member(chunk, "delta")))


class _Message:
    """A message of the assistant, put together from its pieces."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.tool_calls: dict[Any, dict[str, Any]] = {}
        self.finish_reason: str | None = None

    def add(self, piece: Any) -> None:
        if isinstance(content := lenient.member(piece, "content"), str):
            self.text.append(content)
        elif isinstance(refusal := lenient.member(piece, "refusal"), str):
            self.text.append(refusal)
        for position, call in enumerate(lenient.items(lenient.member(piece, "tool_calls"))):
            index = lenient.member(call, "index")
            kept = self.tool_calls.setdefault(
                position if index is None else index, {"id": "", "name": "", "arguments": []}
            )
            function = lenient.member(call, "function")
            kept["id"] = lenient.text(lenient.member(call, "id")) or kept["id"]
            kept["name"] = lenient.text(lenient.member(function, "name")) or kept["name"]
            kept["arguments"].append(lenient.text(lenient.member(function, "arguments")))

    def as_answer(self) -> Answer:
        calls = [FunctionCall(call["name"], "".join(call["arguments"])) for call in self.tool_calls.values()]
        return Answer("".join(self.text), tuple(calls))

    def as_message(self) -> dict[str, Any]:
        parts: list[Any] = [_part("".join(self.text))] if self.text else []
        parts += [_tool_call(c["id"], c["name"], "".join(c["arguments"])) for c in self.tool_calls.values()]
        message: dict[str, Any] = {"role": "assistant", "parts": parts}
        if self.finish_reason is not None:
            message["finish_reason"] = self.finish_reason
        return message


def _answers(choices: Mapping[int, _Message]) -> list[Answer]:
    return [choice.as_answer() for choice in choices.values()]


_ENDPOINTS: dict[str, type[Exchange]] = {
    "/chat/completions": Chat,
    "/completions": Completion,
    "/embeddings": Embeddings,
    "/responses": Responses,
}
"""By how the path ends, the longer endings first."""


def shape_of(method: str, url: str, body: Any) -> type[Exchange] | None:
    """Return the shape of the exchange that a request begins, or None when it is not a model call.

    Args:
        method: The HTTP method.
        url: The path, below `/v1` or below Azure's `/openai/deployments/NAME`.
        body: The body of the request.
    """
    if type(body) is dict or isinstance(body, Mapping):
        return _shape_at(method, url)
    return None


@lru_cache(maxsize=256)
def _shape_at(method: str, url: str) -> type[Exchange] | None:
    if method.lower() != "post":
        return None
    path = url.partition("?")[0]
    return next((shape for ending, shape in _ENDPOINTS.items() if path.endswith(ending)), None)


def requested_model(request: Mapping[str, Any]) -> str:
    """Return the model that a request's body asks for; empty where the address alone says it."""
    return lenient.text(request.get("model"))


def _message(message: Any) -> dict[str, Any]:
    """Shape a message, or an item of the responses API, as the conventions do."""
    kind = lenient.member(message, "type")
    if kind == "function_call":
        call = _tool_call(
            lenient.member(message, "call_id"), lenient.member(message, "name"), lenient.member(message, "arguments")
        )
        return {"role": "assistant", "parts": [call]}
    if kind == "function_call_output":
        return {
            "role": "tool",
            "parts": [_tool_response(lenient.member(message, "call_id"), lenient.member(message, "output"))],
        }
    role = lenient.text(lenient.member(message, "role")) or "assistant"
    content = lenient.member(message, "content")
    if role == "tool":
        return {"role": role, "parts": [_tool_response(lenient.member(message, "tool_call_id"), content)]}
    parts = [_part(content)] if isinstance(content, str) else [_part(piece) for piece in lenient.items(content)]
    for call in lenient.items(lenient.member(message, "tool_calls")):
        function = lenient.member(call, "function")
        parts.append(
            _tool_call(
                lenient.member(call, "id"), lenient.member(function, "name"), lenient.member(function, "arguments")
            )
        )
    return {"role": role, "parts": parts}


def _part(piece: Any) -> dict[str, Any]:
    """Shape a piece of a message: text, or whatever it says it is."""
    if isinstance(piece, str):
        return {"type": "text", "content": piece}
    text = lenient.member(piece, "text")
    if isinstance(text, str):
        return {"type": "text", "content": text}
    kind = lenient.text(lenient.member(piece, "type")) or "unknown"
    if kind in ("image_url", "input_image"):
        image = lenient.member(piece, "image_url")
        address = lenient.text(image if isinstance(image, str) else lenient.member(image, "url"))
        return {"type": "uri", "modality": "image", "uri": address if not address.startswith("data:") else "data:…"}
    return {"type": kind}


def _tool_call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": lenient.text(call_id), "name": lenient.text(name), "arguments": arguments}


def _tool_response(call_id: Any, response: Any) -> dict[str, Any]:
    return {"type": "tool_call_response", "id": lenient.text(call_id), "response": response}
