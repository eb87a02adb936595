"""What was given to the pipeline is in the store exactly once, or counted as dropped, whatever happens in between.

The same at size: `python tests/reliability/run.py faults`.
"""

from __future__ import annotations

import faults
import pytest
from injector import CLEAR, FAULTS, QUICK


@pytest.mark.parametrize("seed", [1, 2])
def test_where_the_answers_say_what_has_arrived_all_of_it_does_so_once(monitor_at_rest, tmp_path, seed):
    outcome = faults.send(tmp_path / "insights", 60, seed, CLEAR)
    assert outcome.missing == set()
    assert outcome.twice == set()
    assert outcome.dropped == {}
    assert outcome.ledger.strayed == 0


@pytest.mark.parametrize(("kinds", "number"), [(QUICK, 80), (tuple(FAULTS), 40)], ids=["quick", "slow too"])
def test_whatever_happens_nothing_is_lost_that_is_not_counted(monitor_at_rest, tmp_path, kinds, number):
    outcome = faults.send(tmp_path / "insights", number, seed=5, kinds=kinds)
    assert set(outcome.ledger.faults) == set(kinds)
    assert outcome.lost == 0
    assert outcome.twice_knowingly == set()
    assert len(outcome.missing - outcome.ledger.told_refused) <= outcome.dropped.get(faults.UNCLEAR, 0)
    assert outcome.ledger.strayed == 0
