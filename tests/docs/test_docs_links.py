"""Links within the documentation lead somewhere, and the index names every page."""

from __future__ import annotations

import re

import pytest
from doc_pages import DOCS, PAGES, ROOT, read, without_blocks

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def anchor(heading):
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.strip().replace(" ", "-")


def anchors(path):
    text = without_blocks(path.read_text(encoding="utf-8"))
    return {anchor(match[1]) for match in re.finditer(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, place = target.partition("#")
        there = (path.parent / file) if file else path
        assert there.exists(), f"{path.name} links to {target}"
        assert not place or place in anchors(there), f"{path.name} links to {target}, which has no such heading"


def test_the_index_names_every_page():
    missing = [page.name for page in PAGES if page.name != "index.md" and f"({page.name})" not in read("index.md")]
    assert not missing, f"index.md does not name {missing}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_begins_with_a_title_and_what_it_is_for(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1] == ""
    assert lines[2][:1].isalpha(), f"{path.name} does not say first what it is for"
    assert sum(line.startswith("# ") for line in without_blocks("\n".join(lines)).splitlines()) == 1


def test_the_changelog_knows_this_version():
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert DOCS.is_dir()
