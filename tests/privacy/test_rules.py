"""The rules: what they find, what they leave, and what is said of wrong ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import pf_monitor
from pf_monitor import runtime
from pf_monitor.redaction import RedactionError
from pf_monitor.redaction.rules import built_in, with_file
from pf_monitor.redaction.scrubber import Scrubber

SCRUBBER = Scrubber(built_in(), {})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"api_key": "hunter2"}', '{"api_key": "[redacted secret]"}'),
        ('{"OPENAI_API_KEY":"a\\"b","n":1}', '{"OPENAI_API_KEY":"[redacted secret]","n":1}'),
        ("SMTP_PASS='correct horse, battery' python a.py", "SMTP_PASS='[redacted password]' python a.py"),
        (f"SMTP_PASS='{'long ' * 100}'", "SMTP_PASS='[redacted password]'"),
        ("export DB_PASS=hunter2 && run", "export DB_PASS=[redacted password] && run"),
        ("password: correcthorse, he said", "password: [redacted password], he said"),
        ("https://sa:p@contoso.example/a", "https://[redacted connection-string]@contoso.example/a"),
        ("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- and so on", "[redacted private-key] and so on"),
        ("cut: -----BEGIN RSA PRIVATE KEY-----\\nMIIB", "cut: [redacted private-key]"),
        (
            '{"password=": "hunter2", "api_key": ["b"], "l": [{"name": "token", "value": "c"}], "n": 1}',
            '{"password": "[redacted secret]", "api_key": ["[redacted secret]"], '
            '"l": [{"name": "token", "value": "[redacted secret]"}], "n": 1}',
        ),
        ("SELECT 1; -- Server=db;Database=x;PWD={a;b};Encrypt=yes", "SELECT 1; -- [redacted connection-string]"),
    ],
)
def test_a_secret_is_replaced_and_the_rest_is_left(text, left):
    assert SCRUBBER.scrub(text)[0] == left


@pytest.mark.parametrize(
    "text",
    [
        '{"max_tokens": 256, "prompt_tokens": 12, "token": null}',
        "token: a unit of text",
        "Secret: be kind. Basic understanding, bearer of news, password policy.",
        "http://host:8080/path?email=a@b.example",
        "operation 0af7651916cd43dd8448eb211c80319c, span b7ad6b7169203331",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_what_is_no_secret_stays(text):
    assert SCRUBBER.scrub(text) == (text, 0)


NAMED = st.text() | st.sampled_from(["api_key", "password", "SMTP_PASS", "token", "authorization", "token=", "pwd: "])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda members: st.lists(members) | st.dictionaries(NAMED, members),
    )
)
@example({"INSTRUMENTATIONKEY=": None})
@example([{"password=": "hunter2"}])
def test_json_stays_json(value):
    text = json.dumps(value)
    assert json.loads(SCRUBBER.scrub(text)[0]) is not Ellipsis


@given(st.text())
def test_nothing_is_found_in_what_has_been_scrubbed(text):
    once, _ = SCRUBBER.scrub(text)
    assert SCRUBBER.scrub(once)[0] == once


@given(st.lists(st.text(st.sampled_from('sk-proj_AaBb09"\'\\ \n:={};/@?&é中')) | st.sampled_from(["password: 1", "sk-aaaaaaaaaaaaaaaaaaaaaa"])))  # fmt: skip  # noqa: E501
def test_texts_that_are_called_clean_together_are_clean_alone(texts):
    if SCRUBBER.is_clean(texts):
        assert all(SCRUBBER.scrub(text) == (text, 0) for text in texts)


def test_a_file_adds_rules_and_takes_some_out(tmp_path):
    file = tmp_path / "redaction.toml"
    file.write_text(
        'without = ["jwt"]\n[[rule]]\nname = "badge"\npatterns = [\'^B-[0-9]{4}$\']\n'
        '[[rule]]\nname = "pet"\nkeys = ["pet name"]\n'
    )
    scrubber = Scrubber(with_file(file), {})
    assert scrubber.scrub("B-1234") == ("[redacted badge]", 1)
    assert scrubber.scrub("no B-1234") == ("no B-1234", 0)
    assert scrubber.scrub('{"petName": "Rex"}') == ('{"petName": "[redacted pet]"}', 1)
    assert not scrubber.is_clean(["one", "B-1234", "two"])
    assert scrubber.scrub("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMiJ9.abc b")[1] == 0
    assert scrubber.scrub("ghp_0123456789abcdefghij")[1] == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]", "cannot be read"),
        ("rules = 1", "has ['rules']; there are `rule` and `without`"),
        ('without = ["jot"]', "`without` names ['jot']; built in are connection-string, header"),
        ('[[rule]]\npatterns = ["a"]', "a rule needs a `name`"),
        ('[[rule]]\nname = "a"', "rule a has neither `keys` nor `patterns`"),
        ('[[rule]]\nname = "a"\npattern = "b"', "rule a has ['pattern']"),
        ("[[rule]]\nname = \"a\"\npatterns = ['(b']", "is no expression of RE2: missing )"),
        ("[[rule]]\nname = \"a\"\npatterns = ['(?=b)']", "is no expression of RE2: invalid perl operator"),
        ("[[rule]]\nname = \"a\"\npatterns = ['b*']", "matches nothing at all"),
        ("[[rule]]\nname = \"a\"\npatterns = ['\\Ab']", "write ^ or $"),
        ('[[rule]]\nname = "a"\nkeys = "b"', "`keys` is a list of texts"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, problem):
    file = tmp_path / "redaction.toml"
    file.write_text(text)
    with pytest.raises(RedactionError) as caught:
        with_file(file)
    assert problem in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("rules", ["no-such.toml", "broken.toml"])
def test_with_wrong_rules_nothing_is_recorded(unmonitored, tmp_path, caplog, rules):
    tmp_path.joinpath("broken.toml").write_text("[[rule]]")
    pf_monitor.configure(enabled=True, redaction=rules)
    assert pf_monitor.flow(lambda question: "fine")("?") == "fine"
    assert runtime.recorder is None
    [record] = caplog.records
    assert record.getMessage().startswith("pf_monitor records nothing: it could not redact what it sends: ")
    assert rules in record.getMessage()


def test_rules_are_found_beside_the_flow(unmonitored, tmp_path, monkeypatch):
    flow = tmp_path / "flow"
    flow.mkdir()
    flow.joinpath("rules.toml").write_text('without = ["jwt"]')
    monkeypatch.setenv("PROMPTFLOW_PROJECT_PATH", str(flow))
    monkeypatch.setenv("PF_MONITOR_REDACTION", "rules.toml")
    assert runtime.current_settings().redaction == str(flow / "rules.toml")


def test_the_working_directory_is_no_password():
    shell = {"PWD": "/home/somebody/shop-flow-2", "OLDPWD": "/home/somebody/projects", "DB_PWD": "hunter2-hunter2"}
    scrubber = Scrubber(built_in(), shell)
    stack = 'File "/home/somebody/shop-flow-2/chat.py", line 3, in ask; cd /home/somebody/projects'
    assert scrubber.scrub(stack) == (stack, 0)
    assert scrubber.scrub("It is hunter2-hunter2.") == ("It is [redacted known-value].", 1)
