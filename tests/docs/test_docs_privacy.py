"""The page about privacy says what the settings and the rules are."""

from __future__ import annotations

from doc_pages import blocks, code, rows, sections

from pf_monitor.redaction.rules import built_in, with_file
from pf_monitor.redaction.scrubber import Scrubber
from pf_monitor.settings import CAPTURE, Capture

PAGE = "privacy.md"
COLUMNS = sections(PAGE, 2)["Column by column"]


def test_every_word_and_every_variable_of_a_column_is_there():
    documented = [name for row in rows(COLUMNS) for name in code(row[0])]
    assert documented == [*Capture, *CAPTURE]


def test_the_example_of_a_file_of_rules_does_what_it_says(tmp_path):
    [example] = blocks(PAGE, "toml")
    file = tmp_path / "redaction.toml"
    file.write_text(example.text)
    rules = with_file(file)
    assert [rule.name for rule in rules] == [*(r.name for r in built_in() if r.name != "jwt"), "badge", "pet"]
    scrubbed, _ = Scrubber(rules, {}).scrub("badge B-1234, pet_name=Rex7")
    assert scrubbed == "badge [redacted badge], pet_name=[redacted pet]"
