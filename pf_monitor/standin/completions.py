"""`completions`, the API before chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from typing_extensions import override

from pf_monitor.standin import counting
from pf_monitor.standin.answering import Turn
from pf_monitor.standin.calls import BadRequest, Call, Event, generate, number, pieces, required

# What OpenAI cuts an answer at when the caller does not say.
_DEFAULT_LIMIT = 16


class Completion(Call):
    """One completion of a text, or of each text in a list."""

    operation = "text_completion"
    id_prefix = "cmpl"

    def __init__(self, body: Mapping[str, Any], serial: int, *, azure: bool = False) -> None:
        super().__init__(body, serial, azure=azure)
        prompt = required(body, "prompt")
        self._prompts: list[str] = prompt if isinstance(prompt, list) else [prompt]
        if not all(isinstance(text, str) for text in self._prompts):
            raise BadRequest("The stand-in completes text; token arrays are not supported.", "prompt")
        self._choices = number(body, "n") or 1
        self._limit = number(body, "max_tokens") or _DEFAULT_LIMIT
        self._include_usage = self.wants_usage_in_stream()

    @property
    @override
    def prompt(self) -> str:
        return "\n".join(self._prompts)

    @cached_property
    @override
    def prompt_tokens(self) -> int:
        return sum(counting.count(text) for text in self._prompts)

    @cached_property
    @override
    def completion_tokens(self) -> int:
        return sum(counting.count(text) for text, _ in self._answers)

    @cached_property
    def _answers(self) -> list[tuple[str, bool]]:
        return [found for text in self._prompts for found in generate([Turn("user", text)], self._limit, self._choices)]

    @override
    def whole(self, *, usage: bool) -> dict[str, Any]:
        choices = [self._choice(index, text, _finish(cut)) for index, (text, cut) in enumerate(self._answers)]
        return {**self._envelope(choices), **({"usage": self.usage()} if usage else {})}

    @override
    def events(self, *, usage: bool) -> Iterator[Event]:
        nulls = {"usage": None} if self._include_usage else {}
        for index, (text, was_cut) in enumerate(self._answers):
            for piece in pieces(text):
                yield Event({**self._envelope([self._choice(index, piece)]), **nulls}, piece, index)
            yield Event({**self._envelope([self._choice(index, "", _finish(was_cut))]), **nulls})
        if self._include_usage and usage:
            yield Event({**self._envelope([]), "usage": self.usage()})

    def _envelope(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def _choice(self, index: int, text: str, finish: str | None = None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _finish(was_cut: bool) -> str:
    return "length" if was_cut else "stop"
