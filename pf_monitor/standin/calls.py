"""What every operation of the API has in common: a request read, its answer whole or as a stream of events."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pf_monitor.standin import counting
from pf_monitor.standin.answering import Turn, answer
from pf_monitor.standin.judging import verdict

NAME = "stand-in"


class BadRequest(Exception):  # noqa: N818 - the HTTP status is called so
    """The request is not one that the API accepts."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Event:
    """One server-sent event: its payload and, where it carries generated text, the text and its choice."""

    payload: dict[str, Any]
    piece: str = ""
    choice: int = 0


class Call(ABC):
    """One request to the stand-in. Subclasses, one an operation, know its wire format."""

    operation: ClassVar[str]
    id_prefix: ClassVar[str]
    ends_with_done: ClassVar[bool] = True

    def __init__(self, body: Mapping[str, Any], serial: int, *, azure: bool = False) -> None:
        self.body = body
        self.azure = azure
        self.id = f"{self.id_prefix}-standin-{serial:08d}"
        self.created = int(time.time())
        self.requested_model = str(body.get("model") or NAME)
        self.model = answering_model(self.requested_model)
        self.streams = bool(body.get("stream"))

    @property
    @abstractmethod
    def prompt(self) -> str:
        """The text that the rules of a script are matched with."""

    @property
    @abstractmethod
    def prompt_tokens(self) -> int:
        """The tokens billed for the prompt."""

    @property
    @abstractmethod
    def completion_tokens(self) -> int:
        """The tokens billed for the whole answer."""

    @abstractmethod
    def whole(self, *, usage: bool) -> dict[str, Any]:
        """Return the answer in one piece, with the usage or without."""

    def events(self, *, usage: bool) -> Iterator[Event]:
        """Yield the answer as a stream; `usage` false withholds the usage even from those who asked for it."""
        raise BadRequest(f"{self.operation} does not stream.", "stream")

    def usage(self) -> dict[str, Any]:
        """Return the usage in the form that chat, completions and embeddings share."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def wants_usage_in_stream(self) -> bool:
        """Whether the caller set `stream_options.include_usage`.

        Raises:
            BadRequest: `stream_options` without `stream`, which OpenAI refuses.
        """
        options = self.body.get("stream_options")
        if options is None:
            return False
        if not self.streams:
            raise BadRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )
        return bool(options.get("include_usage")) if isinstance(options, Mapping) else False


def answering_model(requested: str) -> str:
    """Return the name to answer under: never a real model's, whichever was asked for."""
    return requested if requested == NAME or requested.startswith(f"{NAME}-") else NAME


def required(body: Mapping[str, Any], name: str) -> Any:
    """Return a parameter of the request.

    Raises:
        BadRequest: It is not there.
    """
    if body.get(name) in (None, [], ""):
        raise BadRequest(f"Missing required parameter: '{name}'.", name)
    return body[name]


def number(body: Mapping[str, Any], name: str) -> int | None:
    """Return a parameter that is a positive whole number, or None where it is not set.

    Raises:
        BadRequest: It is something else.
    """
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or value < 1):
        raise BadRequest(f"Invalid value for '{name}': expected a whole number above 0.", name)
    return value


def objects(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a parameter that is an array of objects, empty where it is not set.

    Raises:
        BadRequest: It is something else.
    """
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadRequest(f"Invalid type for '{name}': expected an array of objects.", name)
    return value


def generate(turns: Sequence[Turn], limit: int | None, choices: int = 1) -> list[tuple[str, bool]]:
    """Return the answer for each choice, and whether it was cut at `limit` tokens."""
    judged = verdict(turns)
    return [counting.cut(judged or answer(turns, alternative), limit) for alternative in range(choices)]


def pieces(text: str) -> list[str]:
    """Split a text into what a stream sends piece by piece: words, so that chunks are no measure of tokens."""
    return re.findall(r"\s*\S+|\s+$", text)


def text_of(content: object) -> str:
    """Return the text of a message's content: a string, or the text among a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, Mapping) and "text" in part)
    return ""
