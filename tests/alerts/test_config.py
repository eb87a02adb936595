"""The file of rules: what it may say, and how it is told what it may not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pf_monitor import queries
from pf_monitor.alerts.config import ConfigError, read, template
from pf_monitor.alerts.rules import DEFAULTS, Failing, Severity

OWN = """\
# mine
notify:
  team: json://127.0.0.1:8080/${PATH_OF_HOOK}
rules:
  error-rate:
  latency-p95:
    when: "> 250"  # we are fast
  slow-search:
    query: by_node
    measure: p95_ms
    when: ">= 1e3"
    window: 30m
    every: 15m
    severity: critical
    failing: 3 of 4
    notify: [team]
    means: Search is slow.
    look-at: The index.
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH_OF_HOOK", "hunter22")

    def write(text):
        path = tmp_path / "alerts.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_new_file_says_what_is_built_in(write):
    config = read(write(template()))
    assert {rule.name: rule for rule in config.rules} == DEFAULTS
    assert config.receivers == {}


def test_measures_of_the_built_in_rules_are_columns_that_the_overview_shows():
    assert {rule.query for rule in DEFAULTS.values()} == {"summary", "quality_summary"}
    for rule in DEFAULTS.values():
        assert rule.measure in queries.own_text(rule.query)


def test_a_rule_takes_from_the_built_in_one_what_it_leaves_out(write):
    config = read(write(OWN))
    whole, changed, own = config.rules
    assert whole == DEFAULTS["error-rate"]
    assert (str(changed.condition), changed.measure) == ("> 250", "p95_ms")
    assert (own.query, str(own.condition), own.window) == ("by_node", ">= 1000", timedelta(minutes=30))
    assert (own.severity, own.failing, own.notify) == (Severity.CRITICAL, Failing(3, 4), ("team",))
    assert (own.means, own.look_at) == ("Search is slow.", "The index.")
    assert config.receivers == {"team": "json://127.0.0.1:8080/hunter22"}


@pytest.mark.parametrize("text", ["", "notify:\nrules:\n", "rules: {}"])
def test_an_empty_file_has_no_rules(write, text):
    assert read(write(text)).rules == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule:\n", "line 1: rule: this is not known here; allowed are notify, rules"),
        ("- a\n", "line 1: the file should be a mapping with notify, rules"),
        ("rules:\n  a: [\n", "line 3: this is not YAML: "),
        ("rules: 3\n", "line 1: rules: this should be a mapping of names"),
        (
            "rules:\n  error-rate: 3\n",
            "line 2: error-rate: rules.error-rate should be a mapping with query, measure, when",
        ),
        (
            "rules:\n  error-rate:\n    wen: 3\n",
            "line 3: wen: this is not known here; allowed are query, measure, when",
        ),
        ("rules:\n  mine:\n    query: summary\n", "line 2: mine: 'measure' is missing; only error-rate, latency-p95"),
        ("rules:\n  a b:\n", "line 2: a b: a rule's name is made of letters, digits, - and _, at most 60"),
        ("rules:\n  error-rate:\n  error_rate:\n", "line 3: error_rate: this is too much like 'error-rate'"),
        (
            "rules:\n  error-rate:\n    query: nope\n",
            "line 3: query: there is no query 'nope'; known are beyond_contract",
        ),
        (
            "rules:\n  error-rate:\n    query: series\n",
            "line 3: query: series cannot be a rule's query, since it asks for more than a time range",
        ),
        (
            "rules:\n  error-rate:\n    when: 5 %\n",
            "line 3: when: '5 %' is not a condition: write >, >=, <, <= and a number",
        ),
        ("rules:\n  error-rate:\n    when: '> nan'\n", "line 3: when: '> nan' is not a condition"),
        ("rules:\n  error-rate:\n    when: '= 5'\n", "line 3: when: '= 5' is not a condition"),
        ("rules:\n  error-rate:\n    window: 1w\n", "line 3: window: '1w' is not allowed; give one of 5m, 10m, 15m"),
        ("rules:\n  error-rate:\n    every: 60\n", "line 3: every: 60 is not allowed; give one of 1m, 5m"),
        ("rules:\n  error-rate:\n    every: 1h\n", "line 3: every: every 1h leaves gaps in a window of 15m"),
        (
            "rules:\n  error-rate:\n    severity: bad\n",
            "line 3: severity: 'bad' is not a severity; give one of critical",
        ),
        ("rules:\n  error-rate:\n    failing: 3 of 2\n", "line 3: failing: '3 of 2' is not allowed"),
        ("rules:\n  error-rate:\n    failing: 1 of 7\n", "line 3: failing: '1 of 7' is not allowed"),
        ("rules:\n  error-rate:\n    notify: team\n", "line 3: notify: this should be a list of names"),
        ("rules:\n  error-rate:\n    notify: [team]\n", "line 3: notify: there is no receiver 'team'; there are none"),
        ("rules:\n  error-rate:\n    means: 3\n", "line 3: means: this should be text"),
        ("notify:\n  a: 3\n", "line 2: a: an address is text such as json://127.0.0.1:8080/hook or ${TEAMS_URL}"),
        ("notify:\n  a: team@example.com\n", "line 2: a: an address is text such as"),
        ("notify:\n  a: ${NOT_SET_ANYWHERE}\n", "line 2: a: the environment variable NOT_SET_ANYWHERE is not set"),
        ("notify:\n  a: nope://${PATH_OF_HOOK}\n", "line 2: a: apprise does not understand this address"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(write, text, said):
    path = write(text)
    with pytest.raises(ConfigError) as failed:
        read(path)
    assert str(failed.value).startswith(f"{path}, {said}")
    assert "hunter22" not in str(failed.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(ConfigError, match="pf-monitor alerts new"):
        read(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "binary.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)


def test_without_receivers_no_secret_is_needed(write, monkeypatch):
    monkeypatch.delenv("PATH_OF_HOOK")
    config = read(write(OWN), with_receivers=False)
    assert len(config.rules) == 3
    assert config.receivers == {"team": ""}


def test_addresses_are_not_shown(write):
    assert "hunter22" not in repr(read(write(OWN)))
