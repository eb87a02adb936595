"""A run that is killed, at any moment and as often as may be, and started again: every row is judged once."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
from judge_server import Says, judge_double
from scene import SCORES, Exchange
from test_run import by_metric, judged_by, run

from pf_monitor.quality.judging.ledger import Ledger

ROWS, METRICS, WORKERS = 60, 2, 4
COMMAND = [sys.executable, "-c", "from pf_monitor.cli import main; main()", "monitor", "run"]


class Killer:
    """Answers as a judge, and kills the process that asks, at some of its calls."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.process: subprocess.Popen[str] | None = None
        self.next_kill = 0

    def aim(self, process: subprocess.Popen[str], asked: int) -> None:
        self.process = process
        self.next_kill = asked + self.chance.randint(1, 30)

    def __call__(self, _: object, serial: int) -> Says:
        # A killed process takes up to four calls with it, some answered and not yet noted, some not answered.
        if serial == self.next_kill and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        return Says(delay=self.chance.uniform(0, 0.02))


def test_killed_at_random_calls_and_started_again_every_row_is_judged_once(store, tmp_path):
    store.run_flow([Exchange("Who?", f"This is row {number}.", "c") for number in range(ROWS)])
    killer, kills, environment = Killer(seed=1), 0, os.environ | {"PF_MONITOR_DATA": str(store.directory)}
    with judge_double(killer) as double:
        command = [*COMMAND, str(judged_by(double, tmp_path)), "--url", store.url, "--json"]
        while True:
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
                killer.aim(process, len(double.asked))
                process.communicate(timeout=60)
            if process.returncode != -signal.SIGKILL:
                break
            kills += 1
    assert process.returncode == 0
    assert kills >= 3
    asked = Counter(re.search(r"row \d+", str(body))[0] for body in double.asked)
    with closing(sqlite3.connect(store.directory / "monitors" / "judgements.sqlite")) as ledger:
        (judged,) = ledger.execute("SELECT count(*) FROM judgements WHERE state = 'judged'").fetchone()
        calls = dict(ledger.execute("SELECT state, count(*) FROM calls GROUP BY state"))
        (tokens,) = ledger.execute(
            "SELECT sum(prompt_tokens + completion_tokens) FROM calls WHERE state = 'answered'"
        ).fetchone()
    assert judged == ROWS * METRICS
    # What was under way at a kill was asked about again, and nothing else was.
    assert calls["answered"] == ROWS * METRICS
    assert len(double.asked) - ROWS * METRICS <= calls["interrupted"] <= kills * WORKERS
    assert set(asked) == {f"row {number}" for number in range(ROWS)}
    # The bill of what was answered is that of a run that was not killed; what was lost is on it too, by itself.
    assert tokens == ROWS * METRICS * 1_050
    scores = store.rows(f"{SCORES} | summarize scores = count() by operation_Id, tostring(customDimensions)")
    assert [row["scores"] for row in scores] == [1] * (ROWS * METRICS)


class KilledError(BaseException):
    """Nothing catches it, so that it ends a run as a kill does."""


def test_scores_that_were_sent_before_a_kill_are_not_sent_again(store, tmp_path, monkeypatch):
    store.run_flow([Exchange("Who?", f"This is row {number}.", "c") for number in range(10)])

    def die(*_: object) -> None:
        raise KilledError

    with judge_double() as double:
        file = judged_by(double, tmp_path)
        with monkeypatch.context() as patched, pytest.raises(KilledError):
            patched.setattr(Ledger, "mark_written", die)
            run(store, file)
        assert store.rows(f"{SCORES} | count") == [{"Count": 20}]
        report = run(store, file)
    assert (by_metric(report)["fluency"].judged, len(double.asked)) == (10, 20)
    assert store.rows(f"{SCORES} | count") == [{"Count": 20}]
    assert re.match(r"This takes up the run of .*, which was interrupted\.", report.notes[0])
