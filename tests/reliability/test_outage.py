"""What is recorded while the endpoint is away arrives when it is back, once, and without new traffic.

The same at size: `python tests/reliability/run.py outage`.
"""

from __future__ import annotations

import outage

from pf_monitor.pipeline.delivery.sender import Patience


def test_an_endpoint_that_was_away_for_an_hour_gets_everything_once(monitor_at_rest, tmp_path):
    patience = Patience(first_s=0.01, longest_s=0.05)
    outcome = outage.endure(tmp_path / "insights", requests=400, patience=patience)
    assert (outcome.recorded, outcome.lost, outcome.twice, outcome.dropped) == (1200, 0, 0, {})
