"""Switch monitoring on or off in a flow's file, touching nothing else in it.

The file is not parsed and written anew, which would cost it its layout. The parser only says where things are, the text
is edited there, and what comes out is read again and has to say exactly what was wanted.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from pf_monitor.flowfile.read import DEPLOYED_SWITCH, FlowFileError, load, locate, read_text, yaml_span
from pf_monitor.settings import CONNECTION_STRING, ENABLED

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node

_SECTION = "environment_variables"


@dataclass(frozen=True)
class Edit:
    """A change to a flow's file that has been worked out, and not yet written."""

    path: Path
    before: str
    after: str
    moved: bool = False
    """Whether an `app_insights_enabled`, which promptflow refuses before deployment, gives way to the legal form."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after

    def write(self) -> None:
        """Write the file whole or not at all: to a file beside it, which then takes its place."""
        target = self.path.resolve()
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.after.encode())
            shutil.copymode(target, name)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def enable(flow: Path | str, connection_string: str | None = None) -> Edit:
    """Work out how to switch monitoring on for a flow.

    Args:
        flow: The flow's folder or file.
        connection_string: Where telemetry goes; None leaves that as it is.

    Raises:
        FlowFileError: There is no flow file, or it is not a flow's.
    """
    wanted: dict[str, object] = {ENABLED: True}
    if connection_string is not None:
        wanted[CONNECTION_STRING] = connection_string
    return _edit(flow, wanted)


def disable(flow: Path | str) -> Edit:
    """Work out how to switch monitoring off for a flow: the switch goes, in either form; all else stays.

    Args:
        flow: The flow's folder or file.

    Raises:
        FlowFileError: There is no flow file, or it is not a flow's.
    """
    return _edit(flow, {ENABLED: None})


def _edit(flow: Path | str, wanted: dict[str, object]) -> Edit:
    """Work out the edit that gives environment variables these values; None removes one."""
    path = locate(flow)
    before = text = read_text(path)
    content = load(before, path)
    variables = content.get(_SECTION)
    if variables is not None and not isinstance(variables, dict):
        raise FlowFileError(f"{path}: '{_SECTION}' should be a mapping of names to values. Correct it, then try again.")
    moved = DEPLOYED_SWITCH in content
    for name, value in wanted.items():
        if (variables or {}).get(name) == value:
            continue
        yaml = _Yaml(text, path)
        text = yaml.without_variable(name) if value is None else yaml.with_variable(name, value)
    if moved:
        text = _Yaml(text, path).without(DEPLOYED_SWITCH)
    if _parsed_or_none(text, path) != _expected(content, wanted):
        change = ", ".join(f"{name}: {json.dumps(value)}" for name, value in wanted.items())
        raise FlowFileError(f"{path} cannot be edited safely as it is laid out. Under '{_SECTION}', set {change}.")
    return Edit(path, before, text, moved)


def _parsed_or_none(text: str, path: Path) -> dict[str, Any] | None:
    try:
        return load(text, path)
    except FlowFileError:
        return None


def _expected(content: dict[str, Any], wanted: dict[str, object]) -> dict[str, Any]:
    """Return what the file has to say after the edit."""
    expected = copy.deepcopy(content)
    expected.pop(DEPLOYED_SWITCH, None)
    had_section = _SECTION in expected
    variables = dict(expected.pop(_SECTION, None) or {})
    for name, value in wanted.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    if variables:
        expected[_SECTION] = variables
    elif had_section and not content[_SECTION]:
        expected[_SECTION] = content[_SECTION]  # was empty before, and stays
    return expected


class _Yaml:
    """The text of a flow's file, and where in it the keys and values are."""

    def __init__(self, text: str, path: Path) -> None:
        from ruamel.yaml import YAML

        self._text = text
        self._start, self._end = yaml_span(text, path)
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root: MappingNode = YAML(typ="safe", pure=True).compose(text[self._start : self._end])
        self._section = _find(self._root, _SECTION)

    def with_variable(self, name: str, value: object) -> str:
        """Return the text with an environment variable set."""
        entry = f"{name}: {json.dumps(value)}"
        if self._section is None:
            return self._with_section(entry)
        key, variables = self._section
        if not _is_mapping(variables):  # "environment_variables:" with nothing in it, or "~"
            null = self._slice(variables.start_mark.index, variables.end_mark.index)
            start = self._text.index(":", self._start + key.end_mark.index) + 1 - self._start
            end = variables.end_mark.index if null else start
            block = f"{self._newline}{' ' * (key.start_mark.column + 2)}{entry}"
            return self._splice(start, end, f" {{{entry}}}" if self._root.flow_style else block)
        if existing := _find(variables, name):
            return self._splice(existing[1].start_mark.index, existing[1].end_mark.index, json.dumps(value))
        if variables.flow_style:
            separator = ", " if variables.value else ""
            return self._splice(variables.start_mark.index + 1, variables.start_mark.index + 1, entry + separator)
        first = variables.value[0][0].start_mark
        return self._splice(first.index, first.index, f"{entry}{self._newline}{' ' * first.column}")

    def without_variable(self, name: str) -> str:
        """Return the text without an environment variable, and without their section where that is empty then."""
        if self._section is None or not _is_mapping(self._section[1]) or not _find(self._section[1], name):
            return self._text
        variables = self._section[1]
        return self.without(_SECTION) if len(variables.value) == 1 else self._without(variables, name)

    def without(self, name: str) -> str:
        """Return the text without a top-level key."""
        return self._without(self._root, name)

    def _with_section(self, entry: str) -> str:
        if self._root.flow_style:
            start = self._root.start_mark.index + 1
            return self._splice(start, start, f"{_SECTION}: {{{entry}}}, ")
        indent = " " * self._root.start_mark.column
        before = "" if self._slice(0, None).endswith("\n") else self._newline
        lines = (f"{indent}{_SECTION}:", f"{indent}  {entry}", "")
        end = self._end - self._start
        return self._splice(end, end, before + self._newline.join(lines))

    def _without(self, holder: MappingNode, name: str) -> str:
        found = _find(holder, name)
        if found is None:
            return self._text
        start, end = found[0].start_mark.index, _end(*found)
        if holder.flow_style:
            rest = self._slice(end, None)
            after = rest.lstrip()
            if after.startswith(","):  # the separator goes along: the one behind, or of the last entry the one before
                end += len(rest) - len(after[1:].lstrip(" "))
            else:
                start = len(self._slice(0, start).rstrip(" ,"))
            return self._splice(start, end, "")
        start = self._slice(0, start).rfind("\n") + 1
        line_end = self._slice(end, None).find("\n")
        end = end + line_end + 1 if line_end >= 0 else self._end - self._start
        return self._splice(start, end, "")

    def _slice(self, start: int, end: int | None) -> str:
        return self._text[self._start : self._end][start:end]

    def _splice(self, start: int, end: int, replacement: str) -> str:
        return self._text[: self._start + start] + replacement + self._text[self._start + end :]


def _find(mapping: MappingNode, name: str) -> tuple[Node, Node] | None:
    return next(((key, value) for key, value in mapping.value if key.value == name), None)


def _is_mapping(node: Node) -> TypeGuard[MappingNode]:
    from ruamel.yaml.nodes import MappingNode

    return isinstance(node, MappingNode)


def _end(key: Node, value: Node) -> int:
    """Return where an entry ends; the parser's mark for a block includes the comments after it."""
    from ruamel.yaml.nodes import CollectionNode

    if isinstance(value, CollectionNode) and value.value and not value.flow_style:
        last = value.value[-1]
        return _end(*last) if isinstance(last, tuple) else _end(last, last)
    return int(value.end_mark.index if value.value else key.end_mark.index)
