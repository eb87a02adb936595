"""The page on alerts has the built-in rules as they are, and its file is one that can be read."""

from __future__ import annotations

from doc_pages import blocks, code, read, rows, sections

from pf_monitor.alerts import config, watch
from pf_monitor.alerts.rules import DEFAULTS, PERIODS, spelled

PAGE = "alerts.md"


def test_the_built_in_rules_are_as_documented():
    documented = [
        [text for cell in row for text in code(cell)] for row in rows(sections(PAGE, 2)["The built-in rules"])
    ]
    assert documented == [
        [
            *(rule.name, rule.measure, rule.query, str(rule.condition)),
            *(spelled(rule.window), spelled(rule.every), str(rule.failing), rule.severity.name.lower()),
        ]
        for rule in DEFAULTS.values()
    ]


def test_the_file_on_the_page_can_be_read(tmp_path, monkeypatch):
    for name in ("MAIL_USER", "MAIL_PASSWORD"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TEAMS_URL", "json://127.0.0.1/hook")
    [file] = blocks(PAGE, "yaml")
    (tmp_path / "alerts.yaml").write_text(file.text)
    read_file = config.read(tmp_path / "alerts.yaml")
    assert [rule.name for rule in read_file.rules] == ["error-rate", "cost-per-day", "slow-retrieval"]


def test_every_key_is_documented():
    documented = {name for row in rows(sections(PAGE, 2)["The file"]) for name in code(row[0])}
    assert documented == set(config._KEYS)
    assert "1d" in PERIODS
    assert f"tried {watch.MOST_ATTEMPTS} times" in read(PAGE)
