"""The architecture page draws the imports as they are, and names files and limits that exist."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

import pytest
from doc_pages import DOCS, PACKAGE, code, read, rows, sections

from pf_monitor import import_hooks
from pf_monitor.pipeline import processors, worker
from pf_monitor.pipeline.delivery import batch, sender, spool
from pf_monitor.pipeline.privacy import Privacy
from pf_monitor.settings import Settings

PAGE = "architecture.md"

LIGHT_ROOMS = ("instrument", "tokens", "pipeline", "model", "runtime", "settings", "flowfile", "import_hooks")
HEAVY = {"promptflow", "pandas", "fastapi", "flask", "starlette", "uvicorn", "duckdb", "duckdb_kql", "openai"}

TABLE = {code(row[0])[0]: set(code(row[2])) for row in rows(sections(PAGE, 2)["Rooms, and which way imports point"])}


def module_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def room_of(module):
    return module.split(".")[1] if "." in module else "pf_monitor"


def imported(path):
    """Return the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which this test does not follow"
            if node.module == "pf_monitor":
                yield from (f"pf_monitor.{alias.name}" for alias in node.names)
            else:
                yield node.module


IMPORTS = {path: set(imported(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def edges():
    found = defaultdict(lambda: defaultdict(list))
    for path, modules in IMPORTS.items():
        here = room_of(module_of(path))
        found[here]
        for module in modules:
            if module.split(".")[0] == "pf_monitor" and room_of(module) != here:
                found[here][room_of(module)].append(str(path.relative_to(PACKAGE.parent)))
    return found


ACTUAL = edges()


def test_every_room_is_in_the_table_and_nothing_else_is():
    missing, unknown = ACTUAL.keys() - TABLE.keys(), TABLE.keys() - ACTUAL.keys()
    assert not missing, f"{PAGE}: the rooms {sorted(missing)} are not in the table"
    assert not unknown, f"{PAGE}: there are no rooms {sorted(unknown)}"


@pytest.mark.parametrize("room", sorted(ACTUAL))
def test_a_room_imports_what_the_table_says(room):
    allowed, actual = TABLE.get(room, set()), ACTUAL[room]
    forbidden = {other: files for other, files in actual.items() if other not in allowed}
    assert not forbidden, f"{PAGE} does not let {room} import {forbidden}"
    unused = allowed - actual.keys()
    assert not unused, f"{PAGE} lets {room} import {sorted(unused)}, which it does not"


def test_the_instrumented_process_imports_nothing_heavy():
    for path, modules in IMPORTS.items():
        if room_of(module_of(path)) in LIGHT_ROOMS:
            heavy = {module for module in modules if module.split(".")[0] in HEAVY}
            assert not heavy, f"{path} imports {sorted(heavy)}"


def test_model_imports_tokens_for_types_only():
    for path in (PACKAGE / "model").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_run_time = [
            node
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pf_monitor.tokens")
        ]
        assert not at_run_time, f"{path} imports tokens at run time; {PAGE} says for types only"


def test_files_that_the_page_names_exist():
    for name in sorted(set(code(read(PAGE)))):
        if not re.fullmatch(r"[\w/.]+\.py|[a-z_]+/[a-z_/]+", name):
            continue
        places = [PACKAGE / name, DOCS.parent / name] if "/" in name else PACKAGE.rglob(name)
        assert any(place.exists() for place in places), f"{PAGE} names {name}, which is not there"


def test_names_that_the_page_mentions_are_in_the_code():
    source = "\n".join(path.read_text(encoding="utf-8") for path in IMPORTS)
    for name in sorted(set(code(read(PAGE)))):
        word = name.rpartition(".")[2]
        if re.fullmatch(r"_?[a-zA-Z]\w*_\w+|_[a-z]\w+|[A-Z][a-z]\w*[A-Z]\w*|[A-Z_]{4,}", word):
            assert re.search(rf"\b{re.escape(word)}\b", source), f"{PAGE} mentions {name}, which the code does not know"


def test_processors_are_listed_in_their_order():
    listed = [code(row[0])[0] for row in rows(sections(PAGE, 2)["The pipeline"])]
    assert listed == [processor.__name__ for processor in processors.processors(None, Privacy(Settings()))]
    assert all(name in read(PAGE).partition("## Rooms")[0] for name in listed), f"{PAGE}: the picture lacks a processor"


def test_the_numbers_of_the_queue_are_those_of_the_code():
    text = sections(PAGE, 2)["Worker, queue, fork, end"]
    assert f"{worker.QUEUE_LENGTH:,} things" in text
    assert re.search(rf"at\s+most\s+{worker.BATCH_LENGTH}\b", text)
    assert worker.DELAY_S == 0.5
    assert "at most half a second" in text
    assert worker.OVERLOAD * 2 == worker.QUEUE_LENGTH


def test_the_numbers_of_delivery_are_those_of_the_code():
    text = " ".join(sections(PAGE, 2)["Delivery"].split())
    assert f"Over {spool.MOST_BYTES >> 20} MiB in all" in text
    assert f"older than {spool.LONGEST_S / 3600:.0f} hours" in text
    assert f"in memory, {spool.MOST_BYTES_IN_MEMORY >> 20} MiB at most" in text
    assert (sender.MOST_UNCLEAR, sender.Patience().longest_s, sender.Patience().quota_s) == (3, 30, 600)
    assert (batch.MOST_BYTES, sender.Patience().look_s) == (1 << 20, 10)


def test_hooked_packages_are_named():
    for module in import_hooks._INSTALLERS:
        assert module.partition(".")[0] in read(PAGE)


def test_autoload_is_one_import():
    assert (PACKAGE / "autoload.pth").read_text().strip() == "import pf_monitor"
    assert "`import pf_monitor`" in read(PAGE)
