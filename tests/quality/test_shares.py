"""What other processes have judged for a run that was killed is taken over, once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pf_monitor.quality.judging import shares
from pf_monitor.quality.judging.ledger import Judgement, Key, Ledger, LedgerError, Spent, State

WINDOW = (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
JUDGED = Judgement(State.JUDGED, 4.0, "It is in the context.")


def key(row):
    return Key(row, "groundedness", "v1", "judge")


def killed_run(folder, *, noted=False):
    """Leave a ledger as a run does that was killed while two others judged; return what it had reserved."""
    with Ledger.open(folder) as ledger:
        run = ledger.begin("answers", WINDOW)
        reserved = ledger.reserve("answers", run.id, Spent(10, 50_000))
        for row in ("a", "b"):
            with shares.own_ledger(shares.folder_of(ledger, reserved)) as own:
                own.begin("wave", WINDOW)
                call = own.intend(key(row), "wave", "r", Spent(1, 2_000, 100, 0.5))
                own.settle(call, Spent(1, 1_000, 50, 0.25), key(row), JUDGED)
                own.intend(key(f"{row}, lost"), "wave", "r", Spent(1, 2_000, 100, 0.5))
        if noted:
            ledger.settle_reserved(reserved, "answers", run.id, [Spent(1, 1_000, 50)], [(key("a"), JUDGED)])
        return reserved


def test_what_was_judged_is_known_and_what_was_lost_is_on_the_bill(tmp_path):
    killed_run(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        shares.take_over(ledger)
        run = ledger.begin("answers", WINDOW)
        assert run.is_resumed
        assert ledger.find(key("a")) == ledger.find(key("b")) == JUDGED
        lost = ledger.find(key("a, lost"))
        assert (lost.state, lost.interruptions) == (State.UNANSWERED, 1)
        assert (len(ledger.calls("answered")), len(ledger.calls("interrupted"))) == (2, 2)
        assert ledger.spent("answers", run_id=run.id) == Spent(4, 6_000, 300, 1.5)
        assert not list((tmp_path / "shares").iterdir())
        shares.take_over(ledger)
        assert len(ledger.calls("answered")) == 2


def test_what_the_run_had_noted_before_it_was_killed_is_not_counted_twice(tmp_path):
    killed_run(tmp_path, noted=True)
    with Ledger.open(tmp_path) as ledger:
        shares.take_over(ledger)
        assert ledger.spent("answers") == Spent(1, 1_000, 50)
        assert not list((tmp_path / "shares").iterdir())


def test_whoever_still_judges_for_a_killed_run_is_waited_for(tmp_path, monkeypatch):
    reserved = killed_run(tmp_path)
    monkeypatch.setattr(shares, "_WAIT_S", 0.05)
    with Ledger.open(tmp_path) as ledger:
        with shares.own_ledger(shares.folder_of(ledger, reserved)), pytest.raises(LedgerError, match="Wait until"):
            shares.take_over(ledger)
        assert ledger.find(key("a")) is None
        shares.take_over(ledger)
        assert ledger.find(key("a")) == JUDGED
