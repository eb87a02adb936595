"""`chat/completions`, with several choices, tools, and streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import zip_longest
from typing import Any

import orjson
from typing_extensions import override

from pf_monitor.standin import counting
from pf_monitor.standin.answering import Turn
from pf_monitor.standin.calls import BadRequest, Call, Event, generate, number, objects, pieces, required, text_of

_AN_ARGUMENT: dict[str, object] = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}, "null": None}


class Chat(Call):
    """One chat completion."""

    operation = "chat"
    id_prefix = "chatcmpl"

    def __init__(self, body: Mapping[str, Any], serial: int, *, azure: bool = False) -> None:
        super().__init__(body, serial, azure=azure)
        required(body, "messages")
        self._messages = objects(body, "messages")
        self._turns = [Turn(str(m.get("role")), text_of(m.get("content"))) for m in self._messages]
        self._include_usage = self.wants_usage_in_stream()
        self._function = _forced_function(body)
        self._choices = number(body, "n") or 1
        self._limit = number(body, "max_completion_tokens") or number(body, "max_tokens")

    @property
    @override
    def prompt(self) -> str:
        return "\n".join(turn.text for turn in self._turns)

    @cached_property
    @override
    def prompt_tokens(self) -> int:
        return counting.count_chat(self._messages, self.body.get("tools"))

    @cached_property
    @override
    def completion_tokens(self) -> int:
        return sum(counting.count(text) for text, _ in self._answers)

    @cached_property
    def _answers(self) -> list[tuple[str, bool]]:
        """What each choice says: text, or the arguments that its tool call passes."""
        if self._function:
            return [(self._arguments(self._function), False)] * self._choices
        return generate(self._turns, self._limit, self._choices)

    @override
    def whole(self, *, usage: bool) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": index,
                    "message": self._message(index, text),
                    "logprobs": None,
                    "finish_reason": self._finish(was_cut),
                }
                for index, (text, was_cut) in enumerate(self._answers)
            ],
            **({"usage": self.usage()} if usage else {}),
        }

    @override
    def events(self, *, usage: bool) -> Iterator[Event]:
        if self.azure:  # Azure opens a stream with its verdict on the prompt: no choices, no id, no model.
            verdict = [{"prompt_index": 0, "content_filter_results": {}}]
            yield Event(
                {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": verdict}
            )
        for index in range(len(self._answers)):
            yield self._chunk(index, self._opening(index))
        texts = [pieces(text) for text, _ in self._answers]
        for round_ in zip_longest(*texts):
            for index, piece in enumerate(round_):
                if piece is not None:
                    yield self._chunk(index, self._delta(piece), piece=piece)
        for index, (_, was_cut) in enumerate(self._answers):
            yield self._chunk(index, {}, finish=self._finish(was_cut))
        if self._include_usage and usage:
            yield Event({**self._chunk(0, {}).payload, "choices": [], "usage": self.usage()})

    def _chunk(self, index: int, delta: dict[str, Any], *, piece: str = "", finish: str | None = None) -> Event:
        payload = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        if self._include_usage:
            payload["usage"] = None
        return Event(payload, piece, index)

    def _message(self, index: int, text: str) -> dict[str, Any]:
        if not self._function:
            return {"role": "assistant", "content": text, "refusal": None}
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [self._tool_call(index, text)]}

    def _opening(self, index: int) -> dict[str, Any]:
        if not self._function:
            return {"role": "assistant", "content": "", "refusal": None}
        return {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **self._tool_call(index, "")}]}

    def _delta(self, piece: str) -> dict[str, Any]:
        return (
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if self._function else {"content": piece}
        )

    def _tool_call(self, index: int, arguments: str) -> dict[str, Any]:
        name = (self._function or {}).get("name")
        return {
            "id": f"call-{self.id}-{index}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _arguments(self, function: Mapping[str, Any]) -> str:
        """Return arguments that fit the function's schema: the question for each string, a zero for all else."""
        schema = function.get("parameters") or {}
        asked = next((turn.text for turn in reversed(self._turns) if turn.role == "user"), "")
        properties = schema.get("properties") or {}
        return orjson.dumps(
            {
                name: _AN_ARGUMENT.get(str((properties.get(name) or {}).get("type")), asked)
                for name in schema.get("required", properties)
            }
        ).decode()

    def _finish(self, was_cut: bool) -> str:
        if self._function:
            return "tool_calls"
        return "length" if was_cut else "stop"


def _forced_function(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the function that the caller insists on; left the choice, the stand-in answers in text."""
    offered = [tool.get("function") for tool in objects(body, "tools")]
    functions = [function for function in offered if isinstance(function, Mapping)]
    choice = body.get("tool_choice")
    if choice == "required":
        return functions[0] if functions else None
    if isinstance(choice, Mapping):
        wanted = (choice.get("function") or {}).get("name")
        for function in functions:
            if function.get("name") == wanted:
                return function
        raise BadRequest(f"Tool choice {wanted!r} is not among 'tools'.", "tool_choice")
    return None
