"""A page as a reader has it: its elements with their attributes, and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Shown(HTMLParser):
    """What a browser makes of a page."""

    page: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All text, as it is."""
        return "".join(self.pieces)

    @property
    def words(self) -> str:
        """All text on one line, that of neighbouring elements apart."""
        return re.sub(r"\s+", " ", " ".join(self.pieces))

    def number(self, key: str) -> float | None:
        """The exact value of the number with an id, as programs read it."""
        match = re.search(rf'id="{key}"><data value="([^"]*)"', self.page)
        return float(match[1]) if match else None
