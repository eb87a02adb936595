"""What the monitor says is on the troubleshooting page, and the page quotes nothing that it never says."""

from __future__ import annotations

import ast
import re

import pytest
from doc_pages import PACKAGE, code, read, rows, sections

PAGE = "troubleshooting.md"


def said():
    """Return the messages of all calls of `say_once`, with the place of each."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "say_once":
                place = f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
                message = node.args[1]
                assert isinstance(message, ast.Constant), (
                    f"{place}: a message that is not a literal cannot be documented"
                )
                found[place] = message.value
    return found


MESSAGES = said()
HEADINGS = [heading[1:-1] for heading in sections(PAGE, 3) if heading.startswith("`")]


def beginning(message):
    return re.split(r"%(?:\.\d+)?[srd]", message)[0]


def test_there_are_messages():
    assert len(MESSAGES) > 10


@pytest.mark.parametrize("place", MESSAGES)
def test_a_message_has_its_section(place):
    message = MESSAGES[place]
    assert any(message.startswith(heading) for heading in HEADINGS), (
        f"{place} says {message!r}, and {PAGE} has no heading '### `{beginning(message).strip(': (')}`'"
    )


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_quotes_a_message(heading):
    assert any(message.startswith(heading) for message in MESSAGES.values()), (
        f"{PAGE} has a section for {heading!r}, which nothing says any more"
    )


def test_messages_with_the_same_beginning_are_told_apart():
    page = re.sub(r"\s+", " ", read(PAGE))
    for quoted in re.findall(r'\*"([^"]+)"\*', page):
        assert any(quoted in message for message in MESSAGES.values()), f"{PAGE} quotes {quoted!r}"


def constants(folder):
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_what_the_commands_are_said_to_say_they_say():
    theirs = [*constants("cli"), *constants("insights"), *constants("quality")]
    quoted = [code(row[0])[0] for row in rows(sections(PAGE, 2)["What the commands say"])]
    assert quoted
    for message in [*quoted, "is not supported by the local Application Insights"]:
        assert any(message in text for text in theirs), f"{PAGE} quotes {message!r}, which no command says"
