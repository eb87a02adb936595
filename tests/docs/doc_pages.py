"""Read the documentation: pages, fenced blocks, sections, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "pf_monitor"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("views/*.md")])

_FENCE = re.compile(r"(?:<!-- (?P<marker>[^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        marker: The comment in the line above, such as `file: flow/chat.py`.
        line: The line of the page on which the text begins.
    """

    page: str
    line: int
    language: str
    marker: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    """Return what a page is called: its path below the documentation's folder."""
    return page.relative_to(DOCS).as_posix()


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    text = read(page)
    return [
        Block(
            page, text[: match.start("text")].count("\n") + 1, match["language"], match["marker"] or "", match["text"]
        )
        for match in _FENCE.finditer(text)
        if match["language"] in languages
    ]


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(name_of(page), *languages)]


def without_blocks(text: str) -> str:
    return _FENCE.sub("", text)


def sections(page: str, level: int) -> dict[str, str]:
    """Return the text below each heading of a level, up to the next heading of that level or above."""
    text = without_blocks(read(page))
    found: dict[str, str] = {}
    heading: str | None = None
    for line in text.splitlines():
        match = re.match(r"(#+) (.*)", line)
        if match and len(match[1]) <= level:
            heading = match[2].strip() if len(match[1]) == level else None
            if heading is not None:
                found[heading] = ""
        elif heading is not None:
            found[heading] += line + "\n"
    return found


def rows(text: str) -> Iterator[list[str]]:
    """Return the cells of all table rows in a text, headers and rules left out."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|[-|: ]+\|", line) is not None
        is_header = number + 1 < len(lines) and re.fullmatch(r"\|[-|: ]+\|", lines[number + 1]) is not None
        if line.startswith("|") and not is_rule and not is_header:
            yield [cell.strip() for cell in _CELL.split(line)[1:-1]]


def code(text: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)
