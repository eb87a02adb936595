"""Writes a commented file to start a monitor from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path


def write_new(path: Path) -> None:
    """Write a commented monitor that is named after its file; a file that is there is never overwritten.

    Raises:
        FileExistsError: There is a file already.
        OSError: It cannot be written.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_") or "monitor"
    with path.open("x", encoding="utf-8") as file:
        file.write(template(name))


def template(name: str) -> str:
    """Return the text of the file, for a monitor of that name."""
    text = files(__package__).joinpath("new.yaml").read_text(encoding="utf-8")
    return text.replace("name: NAME", f"name: {name}", 1)
