"""Personal data, which is looked for where somebody asks for it."""

from __future__ import annotations

import importlib.util
import json
import socket

import pytest

import pf_monitor
from pf_monitor import runtime
from pf_monitor.redaction import personal
from pf_monitor.redaction.personal import PersonalData

LETTER = "Write to jo@contoso.example or call +1 (425) 555-0100; the card is 4111 1111 1111 1111."


@pytest.fixture(scope="module")
def finder():
    return PersonalData()


def test_it_is_replaced_by_what_it_is(finder):
    assert finder.scrub(LETTER) == (
        "Write to [personal EMAIL_ADDRESS] or call [personal PHONE_NUMBER]; the card is [personal CREDIT_CARD].",
        3,
    )
    assert finder.scrub("It weighs 2.1 kg.") == ("It weighs 2.1 kg.", 0)


def test_json_stays_json(finder):
    text, found = finder.scrub(json.dumps({"to": ["jo@contoso.example", 3, None], "note": 'say "hi"\n'}))
    assert json.loads(text) == {"to": ["[personal EMAIL_ADDRESS]", 3, None], "note": 'say "hi"\n'}
    assert found == 1
    assert finder.scrub("[jo@contoso.example") == ("[[personal EMAIL_ADDRESS]", 1)


def test_nothing_is_asked_of_the_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert PersonalData().scrub(LETTER)[1] == 3


def test_names_are_found_with_a_model_only(monkeypatch):
    monkeypatch.setattr(personal, "find_spec", lambda name: name if name == "en_core_web_md" else None)
    assert personal.model() == "en_core_web_md"


def test_it_does_not_leave(monitored):
    wire = monitored(personal_data=True)

    @pf_monitor.flow
    def answer(question):
        raise ValueError(f"no such customer: {question}")

    with pytest.raises(ValueError, match="no such customer"):
        answer(LETTER)
    [row] = wire.rows("requests | project question = tostring(customDimensions.question)")
    assert row["question"].startswith("Write to [personal EMAIL_ADDRESS]")
    raw = b"\n".join(wire.bodies)
    assert b"jo@contoso" not in raw
    assert b"555-0100" not in raw


def test_without_presidio_nothing_is_recorded(unmonitored, monkeypatch, caplog):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(personal, "find_spec", lambda name: None if name == "presidio_analyzer" else find_spec(name))
    monkeypatch.setenv("PF_MONITOR_PERSONAL_DATA", "true")
    pf_monitor.configure(enabled=True)
    assert pf_monitor.flow(lambda question: "fine")("?") == "fine"
    assert runtime.recorder is None
    assert "Presidio is not installed: pip install 'pf-monitor[privacy]'" in caplog.text
