"""How OpenAI's models see functions: their definitions in the prompt, and the calls that they write.

Neither is documented. Definitions follow a formula that somebody fitted to published bills; the form of the calls is
inferred, and rests on the bills of the recordings in docs/accuracy.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pf_monitor.tokens.lenient import items, member, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pf_monitor.tokens.texts import TextCounter

_DEFINITIONS_FRAME = 9
_SHARED_SYSTEM_MESSAGE = 4
_DEEPEST_SCHEMA = 12


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call that a model wrote.

    Attributes:
        name: The function's name.
        arguments: Its arguments, as JSON text.
    """

    name: str
    arguments: str = ""


def count_definitions(counter: TextCounter, functions: Sequence[Any], *, system: str | None) -> int:
    """Return what the definitions of functions add to a prompt.

    They are written into the system message as TypeScript, by the formula of
    https://github.com/hmarr/openai-chat-tokens, which has the measurements that it rests on in its tests.

    Args:
        counter: Counts.
        functions: What stands under `function` in each tool of a request.
        system: The text of the first system message; None when there is none.
    """
    if not functions:
        return 0
    tokens = counter.count(_typescript(functions)) + _DEFINITIONS_FRAME
    if system is None:
        return tokens
    newline = counter.count(f"{system[-1:]}\n") - counter.count(system[-1:])
    return tokens + newline - _SHARED_SYSTEM_MESSAGE


def count_calls(counter: TextCounter, calls: Sequence[FunctionCall]) -> int:
    """Return what the calls in one message cost, the message itself left out.

    One call counts as a message addressed to `functions.NAME`, whose text is the arguments. Several count as one to
    `multi_tool_use.parallel`, the pseudo-function that shows through in some models' answers, which holds them all.
    No source states this; it gives what the recordings were billed.

    Args:
        counter: Counts.
        calls: The calls of one message.
    """
    if not calls:
        return 0
    if len(calls) == 1:
        return counter.count(f" to=functions.{calls[0].name}") + counter.count(calls[0].arguments)
    uses = ",".join(
        f'{{"recipient_name":"functions.{call.name}","parameters":{_compact(call.arguments)}}}' for call in calls
    )
    return counter.count(" to=multi_tool_use.parallel") + counter.count(f'{{"tool_uses":[{uses}]}}')


def _compact(arguments: str) -> str:
    """Return JSON as the model wrote it; the API puts blanks in when it takes parallel calls apart."""
    try:
        return json.dumps(json.loads(arguments), separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _typescript(functions: Sequence[Any]) -> str:
    lines = ["namespace functions {", ""]
    for function in functions:
        name, parameters = text(member(function, "name")), member(function, "parameters")
        lines += [f"// {described}"] if (described := text(member(function, "description"))) else []
        fields = _fields(parameters, 0)
        lines += [f"type {name} = (_: {{", *fields, "}) => any;", ""] if fields else [f"type {name} = () => any;", ""]
    return "\n".join([*lines, "} // namespace functions"])


def _fields(schema: Any, depth: int) -> list[str]:
    properties = member(schema, "properties")
    if not isinstance(properties, dict) or depth > _DEEPEST_SCHEMA:
        return []
    required = items(member(schema, "required"))
    indent = "  " * depth
    lines = []
    for name, field in properties.items():
        if described := text(member(field, "description")):
            lines.append(f"{indent}// {described}")
        lines.append(f"{indent}{name}{'' if name in required else '?'}: {_type(field, depth)},")
    return lines


def _type(schema: Any, depth: int) -> str:
    kind = member(schema, "type")
    if values := items(member(schema, "enum")):
        return " | ".join(json.dumps(value, default=str) for value in values)
    if isinstance(kind, list):
        return " | ".join(str(name) for name in kind)
    if variants := items(member(schema, "anyOf")):
        return " | ".join(_type(variant, depth + 1) for variant in variants) if depth < _DEEPEST_SCHEMA else "any"
    if kind == "object":
        return "\n".join(["{", *_fields(schema, depth + 1), "}"])
    if kind == "array":
        inner: Mapping[str, Any] | None = member(schema, "items")
        return f"{_type(inner, depth + 1)}[]" if inner and depth < _DEEPEST_SCHEMA else "any[]"
    return "number" if kind == "integer" else text(kind) or "any"
