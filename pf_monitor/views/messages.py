"""The messages of a model call, as one reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypedDict

import orjson


class Part(TypedDict):
    """A piece of a message.

    Attributes:
        type: `text`, `tool_call`, `tool_call_response`, `uri`, or what the provider calls it.
        name: The tool's name, of a tool call.
        text: The text; of a tool call its arguments, of a response what the tool gave, of a uri the address.
    """

    type: str
    name: str
    text: str


class Message(TypedDict):
    """What one side said.

    Attributes:
        direction: `system` for instructions, `input`, `output`, or `tools` for what the model may call.
        role: `system`, `user`, `assistant`, `tool`, or what the provider calls it.
    """

    direction: str
    role: str
    parts: list[Part]


_DIRECTIONS: Final = {
    "gen_ai.system_instructions": ("system", "system"),
    "gen_ai.input.messages": ("input", "user"),
    "gen_ai.output.messages": ("output", "assistant"),
    "gen_ai.tool.definitions": ("tools", "system"),
}


def messages(content: Mapping[str, str]) -> list[Message]:
    """Return the messages of a model call in the order in which they were said.

    Args:
        content: JSON text by attribute name, as the GenAI conventions shape it. Text that is not JSON, because it was
            cut, is one message as it is.
    """
    return [
        message
        for name, (direction, role) in _DIRECTIONS.items()
        if name in content
        for message in _messages(content[name], direction, role)
    ]


def _messages(text: str, direction: str, role: str) -> Iterator[Message]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield Message(direction=direction, role=role, parts=[_text(text)])
        return
    entries = found if isinstance(found, list) else [found]
    if any(isinstance(one, dict) and "parts" in one for one in entries):
        for one in entries:
            yield _message(one, direction, role)
    elif entries:
        yield Message(direction=direction, role=role, parts=[_part(one) for one in entries])


def _message(one: Any, direction: str, role: str) -> Message:
    if not isinstance(one, dict):
        return Message(direction=direction, role=role, parts=[_part(one)])
    parts = one.get("parts")
    return Message(
        direction=direction,
        role=str(one.get("role") or role),
        parts=[_part(part) for part in parts] if isinstance(parts, list) else [_part(parts)],
    )


def _part(part: Any) -> Part:
    if not isinstance(part, dict):
        return _text(_readable(part))
    kind = str(part.get("type") or "text")
    for key in ("content", "arguments", "response", "uri"):
        if key in part:
            return Part(type=kind, name=str(part.get("name") or ""), text=_readable(part[key]))
    rest = {key: value for key, value in part.items() if key not in {"type", "name"}}
    return Part(type=kind, name=str(part.get("name") or ""), text=_readable(rest) if rest else "")


def _text(text: str) -> Part:
    return Part(type="text", name="", text=text)


def _readable(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
