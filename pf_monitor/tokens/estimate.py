"""Count the tokens of a call whose provider said nothing, from what was asked and what was answered.

One function for each API of OpenAI. Texts and messages are counted as OpenAI documents it; what is known only by
measurement says so; and what cannot be counted is named in `Estimate.missing`, never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pf_monitor.tokens import models
from pf_monitor.tokens.functions import FunctionCall, count_calls, count_definitions
from pf_monitor.tokens.images import image_tokens
from pf_monitor.tokens.lenient import first, items, member, text
from pf_monitor.tokens.texts import Method, TextCounter
from pf_monitor.tokens.usage import Source, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, for every chat model since gpt-3.5-turbo-0613
_PER_MESSAGE = 3
_PER_NAME = 1
_REPLY_PRIMER = 3

_PER_FUNCTION_RESULT = 3
"""A function's result is a message under the function's name: measured on the recordings of docs/accuracy.md."""

_PER_CALLING_ANSWER = 4
"""The special tokens of an answer that calls functions; exact for one call and for several. Measured likewise."""

_PER_TEXT_BESIDE_FUNCTIONS = 1
"""What a text costs more when it could have been a call. Measured likewise."""

_RESPONSES_END = 1
"""The Responses API bills the token that ends a message or a call; chat completions do not. Measured likewise."""


class Missing(StrEnum):
    """What an estimate had to leave out."""

    TOKENIZER = "tokenizer"
    """The model's own tokenizer is not published; another one counted."""
    IMAGES = "images"
    AUDIO = "audio"
    FILES = "files"
    REASONING = "reasoning"
    """The model thinks without showing it."""
    CONVERSATION = "conversation"
    """Earlier turns that the provider keeps, or a prompt that it stores."""
    HOSTED_TOOLS = "hosted_tools"
    """Tools that run at the provider: their definitions, and what they found."""
    RESPONSE_FORMAT = "response_format"
    """A JSON schema for the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice of an answer.

    Attributes:
        text: What it says.
        calls: The functions that it calls.
    """

    text: str = ""
    calls: tuple[FunctionCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens as counted here.

    Attributes:
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens of the completion.
        method: How texts were counted.
        missing: What is not in the counts, so that they are too low by it.
    """

    input_tokens: int
    output_tokens: int
    method: Method
    missing: tuple[Missing, ...] = ()

    @property
    def usage(self) -> Usage:
        """The same as a usage, marked as estimated."""
        return Usage(self.input_tokens, self.output_tokens, source=Source.ESTIMATED)


def estimate_chat(request: Mapping[str, Any], answers: Sequence[Answer], model: str = "") -> Estimate:
    """Estimate a call of `/chat/completions`.

    Args:
        request: The body of the request.
        answers: The choices, as far as they have arrived.
        model: The model that answered, if known; else the one that was asked for.
    """
    tally = _Tally(model or text(request.get("model")))
    messages = items(request.get("messages"))
    functions = [member(tool, "function") for tool in items(request.get("tools"))] or items(request.get("functions"))
    tokens = tally.prompt(messages, functions)
    tally.note_format(request.get("response_format"))
    return tally.estimate(tokens, sum(tally.answer(answer) for answer in answers))


def estimate_completion(request: Mapping[str, Any], answers: Sequence[Answer], model: str = "") -> Estimate:
    """Estimate a call of `/completions`; arguments as for `estimate_chat`."""
    tally = _Tally(model or text(request.get("model")))
    if request.get("prompt") is None:
        tally.missing.add(Missing.CONVERSATION)
    tokens = tally.plain(request.get("prompt")) + tally.texts.count(text(request.get("suffix")))
    return tally.estimate(tokens, sum(tally.answer(answer) for answer in answers))


def estimate_embeddings(request: Mapping[str, Any], model: str = "") -> Estimate:
    """Estimate a call of `/embeddings`; arguments as for `estimate_chat`."""
    tally = _Tally(model or text(request.get("model")))
    return tally.estimate(tally.plain(request.get("input")), 0)


def estimate_responses(request: Mapping[str, Any], answers: Sequence[Answer], model: str = "") -> Estimate:
    """Estimate a call of `/responses`.

    Args:
        request: The body of the request.
        answers: One for each message of the output, and one for all calls in it, as far as they have arrived.
        model: The model that answered, if known; else the one that was asked for.
    """
    tally = _Tally(model or text(request.get("model")))
    given = request.get("input")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else _as_chat(items(given))
    if instructions := text(request.get("instructions")):
        messages = [{"role": "system", "content": instructions}, *messages]
    tools = items(request.get("tools"))
    functions = [tool for tool in tools if member(tool, "type") == "function"]
    if len(functions) < len(tools):
        tally.missing.add(Missing.HOSTED_TOOLS)
    if any(request.get(name) for name in ("previous_response_id", "conversation", "prompt")):
        tally.missing.add(Missing.CONVERSATION)
    tokens = tally.prompt(messages, functions)
    tally.note_format(member(request.get("text"), "format"))
    output = sum(tally.answer(answer) + _RESPONSES_END for answer in answers)
    return tally.estimate(tokens, output)


class _Tally:
    """Adds up one call."""

    def __init__(self, model: str) -> None:
        encoding, is_its_own = models.encoding_for(model)
        self._model = model
        self._offers_functions = False
        self.texts = TextCounter.for_encoding(encoding)
        self.missing: set[Missing] = set() if is_its_own else {Missing.TOKENIZER}

    def estimate(self, input_tokens: int, output_tokens: int) -> Estimate:
        if output_tokens and models.reasons_unseen(self._model):
            self.missing.add(Missing.REASONING)
        return Estimate(input_tokens, output_tokens, self.texts.method, tuple(sorted(self.missing)))

    def prompt(self, messages: Sequence[Any], functions: Sequence[Any]) -> int:
        self._offers_functions = bool(functions)
        system = next((self._joined(m) for m in messages if member(m, "role") in ("system", "developer")), None)
        definitions = count_definitions(self.texts, functions, system=system)
        return sum(self._message(m) for m in messages) + _REPLY_PRIMER + definitions

    def plain(self, value: Any) -> int:
        """Count a text, tokens, or a list of either."""
        if isinstance(value, str):
            return self.texts.count(value)
        return sum(1 if isinstance(item, int) else self.plain(item) for item in items(value))

    def answer(self, answer: Answer) -> int:
        if answer.calls:
            return self.texts.count(answer.text) + _PER_CALLING_ANSWER + count_calls(self.texts, answer.calls)
        return self.texts.count(answer.text) + (_PER_TEXT_BESIDE_FUNCTIONS if self._offers_functions else 0)

    def note_format(self, wanted: Any) -> None:
        if member(wanted, "type") == "json_schema":
            self.missing.add(Missing.RESPONSE_FORMAT)

    def _message(self, message: Any) -> int:
        role = text(member(message, "role"))
        if not role:
            self._note_item(text(member(message, "type")))
            return 0
        calls = [_call(member(call, "function")) for call in items(member(message, "tool_calls"))]
        if (older := member(message, "function_call")) is not None:
            calls.append(_call(older))
        tokens = _PER_MESSAGE + self.texts.count(role) + self._content(member(message, "content"))
        tokens += count_calls(self.texts, calls)
        if role in ("tool", "function"):
            return tokens + _PER_FUNCTION_RESULT
        if name := text(member(message, "name")):
            tokens += _PER_NAME + self.texts.count(name)
        return tokens

    def _content(self, content: Any) -> int:
        if isinstance(content, str):
            return self.texts.count(content)
        return sum(self._part(part) for part in items(content))

    def _part(self, part: Any) -> int:
        words = first(part, "text", "refusal")
        if isinstance(words, str):
            return self.texts.count(words)
        kind = text(member(part, "type"))
        if kind in ("image_url", "input_image"):
            return self._image(part)
        self.missing.add(Missing.AUDIO if "audio" in kind else Missing.FILES)
        return 0

    def _image(self, part: Any) -> int:
        image = member(part, "image_url")
        url = image if isinstance(image, str) else text(member(image, "url"))
        detail = text(member(part, "detail")) or text(member(image, "detail")) or "auto"
        tokens = image_tokens(self._model, url, detail)
        if tokens is None:
            self.missing.add(Missing.IMAGES)
        return tokens or 0

    def _note_item(self, kind: str) -> None:
        if kind == "reasoning":
            self.missing.add(Missing.REASONING)
        else:
            self.missing.add(Missing.CONVERSATION if kind == "item_reference" else Missing.HOSTED_TOOLS)

    def _joined(self, message: Any) -> str:
        content = member(message, "content")
        if isinstance(content, str):
            return content
        return "".join(text(member(part, "text")) for part in items(content))


def _as_chat(given: Sequence[Any]) -> list[Any]:
    """Shape the function calls and results among the items of a Responses input as chat completions have them."""
    messages: list[Any] = []
    calls: list[dict[str, Any]] | None = None
    for item in given:
        kind = member(item, "type")
        if kind == "function_call":
            if calls is None:
                calls = []
                messages.append({"role": "assistant", "tool_calls": calls})
            calls.append({"function": item})
            continue
        calls = None
        is_result = kind == "function_call_output"
        messages.append({"role": "tool", "content": member(item, "output")} if is_result else item)
    return messages


def _call(function: Any) -> FunctionCall:
    return FunctionCall(text(member(function, "name")), text(member(function, "arguments")))
