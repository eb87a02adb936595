"""`responses`, OpenAI's newer API: its own shapes, its own names for usage, typed events without `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from typing_extensions import override

from pf_monitor.standin import counting
from pf_monitor.standin.answering import Turn
from pf_monitor.standin.calls import Call, Event, generate, number, objects, pieces, required, text_of


class Response(Call):
    """One response."""

    operation = "responses"
    id_prefix = "resp"
    ends_with_done = False

    def __init__(self, body: Mapping[str, Any], serial: int, *, azure: bool = False) -> None:
        super().__init__(body, serial, azure=azure)
        given = required(body, "input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else objects(body, "input")
        self._turns = [Turn(str(item.get("role") or "tool"), text_of(item.get("content"))) for item in items]
        if instructions := body.get("instructions"):
            self._turns.insert(0, Turn("system", str(instructions)))
        self._limit = number(body, "max_output_tokens")

    @property
    @override
    def prompt(self) -> str:
        return "\n".join(turn.text for turn in self._turns)

    @cached_property
    @override
    def prompt_tokens(self) -> int:
        messages = [{"role": turn.role, "content": turn.text} for turn in self._turns]
        return counting.count_chat(messages, self.body.get("tools"))

    @cached_property
    @override
    def completion_tokens(self) -> int:
        return counting.count(self._text)

    @property
    def _text(self) -> str:
        return self._answer[0]

    @cached_property
    def _answer(self) -> tuple[str, bool]:
        return generate(self._turns, self._limit)[0]

    @override
    def whole(self, *, usage: bool) -> dict[str, Any]:
        was_cut = self._answer[1]
        return {
            **self._envelope("incomplete" if was_cut else "completed"),
            "incomplete_details": {"reason": "max_output_tokens"} if was_cut else None,
            "output": [self._item("completed", self._text)],
            "usage": self.usage() if usage else None,
        }

    @override
    def events(self, *, usage: bool) -> Iterator[Event]:
        for serial, event in enumerate(self._unnumbered_events(usage)):
            yield Event({**event.payload, "sequence_number": serial}, event.piece)

    @override
    def usage(self) -> dict[str, Any]:
        return {
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def _unnumbered_events(self, usage: bool) -> Iterator[Event]:
        item = {"output_index": 0, "item_id": self._item_id}
        part = {**item, "content_index": 0}
        whole = self.whole(usage=usage)
        yield Event({"type": "response.created", "response": self._envelope("in_progress")})
        yield Event({"type": "response.in_progress", "response": self._envelope("in_progress")})
        opened = {**self._item("in_progress", ""), "content": []}
        yield Event({"type": "response.output_item.added", "output_index": 0, "item": opened})
        yield Event({"type": "response.content_part.added", **part, "part": _text_part("")})
        for piece in pieces(self._text):
            yield Event({"type": "response.output_text.delta", **part, "delta": piece, "logprobs": []}, piece)
        yield Event({"type": "response.output_text.done", **part, "text": self._text, "logprobs": []})
        yield Event({"type": "response.content_part.done", **part, "part": _text_part(self._text)})
        yield Event({"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]})
        yield Event({"type": f"response.{whole['status']}", "response": whole})

    @property
    def _item_id(self) -> str:
        return f"msg-{self.id}"

    def _item(self, status: str, text: str) -> dict[str, Any]:
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [_text_part(text)],
        }

    def _envelope(self, status: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "error": None,
            "incomplete_details": None,
            "instructions": self.body.get("instructions"),
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": self.body.get("tool_choice") or "auto",
            "tools": self.body.get("tools") or [],
            "usage": None,
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
