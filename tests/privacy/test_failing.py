"""A redactor that fails sends nothing of that value."""

from __future__ import annotations

import json
import logging

import pytest

import pf_monitor
from pf_monitor import notices
from pf_monitor.redaction import scrubber


def test_what_cannot_be_examined_is_withheld_and_counted(monitored, monkeypatch):
    wire = monitored()
    scrub = scrubber.Scrubber.scrub

    def failing(self, text):
        if "hard" in text:
            raise MemoryError(text)
        return scrub(self, text)

    monkeypatch.setattr(scrubber.Scrubber, "is_clean", lambda *_: 1 / 0)
    monkeypatch.setattr(scrubber.Scrubber, "scrub", failing)

    @pf_monitor.flow
    def answer(question):
        pf_monitor.set_correlation(tenant="a hard one")
        raise ValueError("too hard")

    with pytest.raises(ValueError, match="too hard"):
        answer("how hard?")
    [row] = wire.rows("requests | project customDimensions")
    dimensions = json.loads(row["customDimensions"])
    withheld = "[withheld: it could not be examined]"
    assert (dimensions["question"], dimensions["tenant"]) == (withheld, withheld)
    # The question, the tenant, and with the exception its message, its stack and the tenant again.
    assert dimensions["pf_monitor.withheld"] == "5"
    assert dimensions["pf_monitor.flow"] == "answer"
    [row] = wire.rows("exceptions | project type, outerMessage")
    assert row == {"type": "ValueError", "outerMessage": withheld}
    assert b"hard" not in b"\n".join(wire.bodies).replace(b"test_what_cannot", b"")


def test_a_notice_that_cannot_be_examined_is_said_without_its_arguments(monkeypatch, caplog):
    monkeypatch.setattr(scrubber.Scrubber, "scrub", lambda *_: 1 / 0)
    notices.forget()
    with caplog.at_level(logging.WARNING):
        notices.say_once("test", "pf_monitor could not keep %d outputs of %s: %.10r", 3, "flow", ValueError("secret"))
    assert caplog.messages == ["pf_monitor could not keep 0 outputs of …: '…'"]
