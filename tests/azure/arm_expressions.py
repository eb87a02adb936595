"""As much of Azure Resource Manager's template language as our templates use: what a deployment would send."""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z]\w*)|(?P<mark>[(),.\[\]]))")
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"


def names(node: Any, function: str) -> set[str]:
    """Return what is asked of `parameters('x')` or `variables('x')` anywhere in a template."""
    return set(re.findall(rf"\b{function}\('(\w+)'\)", json.dumps(node)))


def expressions(node: Any) -> list[str]:
    """Return every expression in a template."""
    if isinstance(node, Mapping):
        return [one for value in node.values() for one in expressions(value)]
    if isinstance(node, list):
        return [one for value in node for one in expressions(value)]
    return [node] if _is_expression(node) else []


def deployed(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of a template with every expression replaced by its value."""
    deployment = _Deployment(template, parameters)
    return [deployment.resolved(copy.deepcopy(resource)) for resource in template["resources"]]


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


class _Deployment:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._template = template
        self._given = parameters
        self._index = 0

    def resolved(self, node: Any) -> Any:
        if isinstance(node, dict):
            for loop in node.pop("copy", []):
                node[loop["name"]] = [self._at(number, loop) for number in range(self.resolved(loop["count"]))]
            return {key: self.resolved(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.resolved(value) for value in node]
        if _is_expression(node):
            return _Expression(node[1:-1], self.call).value()
        return node.removeprefix("[") if isinstance(node, str) and node.startswith("[[") else node

    def _at(self, number: int, loop: dict[str, Any]) -> Any:
        self._index = number
        return self.resolved(copy.deepcopy(loop["input"]))

    def call(self, name: str, arguments: list[Any]) -> Any:
        function: Callable[..., Any] = getattr(self, f"_{name}")
        return function(*arguments)

    def _parameters(self, name: str) -> Any:
        declared = self._template["parameters"][name]
        return self._given[name] if name in self._given else self.resolved(declared["defaultValue"])

    def _variables(self, name: str) -> Any:
        return self.resolved(self._template["variables"][name])

    def _resourceGroup(self) -> Any:  # noqa: N802 - Azure's name
        return {"location": "westeurope", "id": GROUP}

    def _copyIndex(self, _: str) -> int:  # noqa: N802 - Azure's name
        return self._index

    def _concat(self, *parts: str) -> str:
        assert all(isinstance(part, str) for part in parts), parts
        return "".join(parts)

    def _string(self, value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    def _length(self, value: Any) -> int:
        return len(value)

    def _empty(self, value: Any) -> bool:
        return len(value) == 0

    def _if(self, condition: bool, yes: Any, no: Any) -> Any:
        return yes if condition else no

    def _createArray(self, *values: Any) -> list[Any]:  # noqa: N802 - Azure's name
        return list(values)

    def _createObject(self, *pairs: Any) -> dict[str, Any]:  # noqa: N802 - Azure's name
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

    def _true(self) -> bool:
        return True

    def _json(self, text: str) -> Any:
        return json.loads(text)

    def _replace(self, text: str, old: str, new: str) -> str:
        assert old in text
        return text.replace(old, new)

    def _toLower(self, text: str) -> str:  # noqa: N802 - Azure's name
        return text.lower()

    def _guid(self, *parts: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(parts)))

    def _uniqueString(self, *parts: str) -> str:  # noqa: N802 - Azure's name
        return self._guid(*parts).replace("-", "")[:13]

    def _resourceId(self, kind: str, name: str) -> str:  # noqa: N802 - Azure's name
        return f"{GROUP}/providers/{kind}/{name}"


class _Expression:
    """A recursive descent over `function(arguments).member[index]`."""

    def __init__(self, text: str, call: Callable[[str, list[Any]], Any]) -> None:
        self._tokens = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            assert match is not None, f"not an expression: {text[position:]}"
            assert match.lastgroup is not None
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._call = call

    def value(self) -> Any:
        found = self._operand()
        assert not self._tokens, f"left over: {self._tokens}"
        return found

    def _operand(self) -> Any:
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return int(text)
        assert kind == "name", text
        found = self._call(text, self._arguments())
        while self._tokens and self._tokens[0][1] in {".", "["}:
            if self._tokens.pop(0)[1] == ".":
                found = found[self._tokens.pop(0)[1]]
            else:
                found = found[self._operand()]
                assert self._tokens.pop(0)[1] == "]"
        return found

    def _arguments(self) -> list[Any]:
        assert self._tokens.pop(0)[1] == "("
        arguments: list[Any] = []
        while self._tokens[0][1] != ")":
            if self._tokens[0][1] == ",":
                self._tokens.pop(0)
            arguments.append(self._operand())
        self._tokens.pop(0)
        return arguments
