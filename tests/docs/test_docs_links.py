"""Links within the documentation lead somewhere, and the index names every page."""

from __future__ import annotations

import re

import pytest
from doc_pages import DOCS, PAGES, ROOT, name_of, read, without_blocks

from pf_monitor.web import pages as dashboard_pages

MOST_PICTURE_BYTES = 150_000

_PICTURE = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
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
    names = [name_of(page) for page in PAGES if page.name != "index.md"]
    missing = [name for name in names if f"({name})" not in read("index.md")]
    assert not missing, f"index.md does not name {missing}"


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_pictures_are_there_and_small(path):
    for target in _PICTURE.findall(path.read_text(encoding="utf-8")):
        picture = path.parent / target
        assert picture.exists(), f"{path.name} shows {target}: python docs/pictures.py makes it"
        assert picture.stat().st_size < MOST_PICTURE_BYTES, target


def test_every_page_of_the_dashboard_has_a_page_here():
    documented = {page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in PAGES}
    missing = {page.title for page in dashboard_pages.pages(None) if page.in_navigation} - documented
    assert not missing, f"docs/views has no page titled {missing}"


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
