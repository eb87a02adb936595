"""Judging on Spark finds what judging in one process finds, and spends no more.

Skipped without the extra `spark`, or without Java. All tests share a session of two workers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from judge_server import Says, judge_double
from many import collect, judgements, monitor, run

from pf_monitor.quality.judging.ledger import Ledger
from pf_monitor.quality.monitor import Budget, Judge, JudgeKind
from pf_monitor.quality.report import Ending, RunReport, Verdict

pytest.importorskip("pyspark", reason="the extra `spark` is not installed: pip install 'pf-monitor[spark]'")
if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
    pytest.skip("Java is not installed: apt-get install openjdk-17-jre-headless", allow_module_level=True)

# pyspark leaves the sockets that it collects from to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROWS = 60
Bench = Callable[..., Any]


@pytest.fixture(scope="module")
def spark() -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_SUBMIT_ARGS", "--master local[2] pyspark-shell")
        from pf_monitor.quality.judging.spark import spark_benches

        with spark_benches() as make:
            yield make


@pytest.fixture
def data(tmp_path: Path) -> Path:
    collect(tmp_path / "data", ROWS)
    return tmp_path / "data"


def on(engine: Bench, meant: Any, data: Path, kept: Path) -> RunReport:
    return run(meant, data, kept, nullcontext(engine))


def told(double: Any, concurrency: int = 4) -> Judge:
    return Judge(
        JudgeKind.OPENAI,
        model="double",
        base_url=double.url,
        concurrency=concurrency,
        input_usd_per_million=1.0,
        output_usd_per_million=4.0,
    )


def rows_asked(double: Any) -> list[str]:
    return [json.dumps(body["messages"]) for body in double.asked]


def test_the_same_rows_give_the_same_verdict_in_one_process_and_on_spark(spark, data, tmp_path):
    here, there = run(monitor(), data, tmp_path / "here"), on(spark, monitor(), data, tmp_path / "there")
    assert here.metrics[0].judged == ROWS
    assert there.metrics == here.metrics
    assert (there.verdict, there.ending, there.bill) == (here.verdict, Ending.COMPLETE, here.bill)
    assert judgements(tmp_path / "there") == judgements(tmp_path / "here")


def test_what_is_known_is_not_asked_again_whoever_found_it(spark, data, tmp_path):
    with judge_double() as double:
        meant = monitor(judge=told(double))
        first = run(meant, data, tmp_path / "kept")
        collect(data / "more", ROWS + 10)
        second = on(spark, meant, data, tmp_path / "kept")
        third = run(meant, data, tmp_path / "kept")
        assert (first.bill.calls, second.bill.calls, third.bill.calls) == (ROWS, 10, 0)
        assert len(double.asked) == len(set(rows_asked(double))) == ROWS + 10
        assert f"{ROWS} judgements were known from earlier runs and cost nothing." in second.notes
        assert second.metrics == third.metrics


def test_the_budget_holds_and_the_next_run_judges_the_rest(spark, data, tmp_path):
    with judge_double() as double:
        # Each call uses 1,050 tokens, and is allowed to use more: the last ones do not fit any more.
        little = Budget(run_tokens=30_000, day_tokens=None)
        first = on(spark, monitor(little, told(double)), data, tmp_path / "kept")
        spent = first.bill.prompt_tokens + first.bill.completion_tokens
        assert first.ending is Ending.OUT_OF_BUDGET
        assert "The budget of 30,000 tokens a run is used up; the rest is left unjudged." in first.notes
        assert 20_000 <= spent <= 30_000
        with Ledger.open(tmp_path / "kept" / "monitors") as ledger:
            assert ledger.spent("answers").tokens == spent, "the day's budget knows of it too"
        [metric] = first.metrics
        assert metric.judged == first.bill.calls
        assert metric.judged + metric.unjudged == ROWS
        second = on(spark, monitor(judge=told(double)), data, tmp_path / "kept")
        assert (second.ending, second.metrics[0].judged) == (Ending.COMPLETE, ROWS)
        assert len(double.asked) == len(set(rows_asked(double))) == ROWS


def test_a_budget_in_us_dollars_holds_too(spark, data, tmp_path):
    with judge_double() as double:
        little = Budget(run_tokens=None, run_usd=0.05, day_tokens=None)
        report = on(spark, monitor(little, told(double)), data, tmp_path / "kept")
        assert report.ending is Ending.OUT_OF_BUDGET
        assert report.bill.usd is not None
        assert 0.02 <= report.bill.usd <= 0.05
        assert report.bill.calls == len(double.asked)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_more_calls_are_under_way_than_the_monitor_allows(spark, data, tmp_path, concurrency):
    with judge_double(lambda *_: Says(delay=0.02)) as double:
        on(spark, monitor(judge=told(double, concurrency)), data, tmp_path / "kept")
        assert double.most_at_once <= concurrency
        assert len(double.asked) == ROWS


def test_a_judge_that_answers_nonsense_or_nothing_is_counted_as_in_one_process(spark, data, tmp_path):
    def script(body: Any, _: int) -> Says:
        asked = sum(map(ord, json.dumps(body["messages"][:2]))) % 3
        return [Says(), Says("9"), Says(status=400)][asked]

    with judge_double(script) as double:
        meant = monitor(judge=told(double))
        here, there = run(meant, data, tmp_path / "here"), on(spark, meant, data, tmp_path / "there")
        assert there.metrics == here.metrics
        assert here.metrics[0].failed > 0
        assert judgements(tmp_path / "there") == judgements(tmp_path / "here")


def test_a_judge_that_refuses_everybody_ends_the_run_with_a_report(spark, data, tmp_path):
    with judge_double(lambda *_: Says(status=401)) as double:
        report = on(spark, monitor(judge=told(double)), data, tmp_path / "kept")
        assert (report.ending, report.verdict) == (Ending.FAILED, Verdict.NO_DATA)
        assert any("401" in note for note in report.notes), report.notes


class Killer:
    """Answers as a judge, and kills the process that runs the monitor at its n-th call."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.at = 0

    def __call__(self, _: object, serial: int) -> Says:
        if serial == self.at and self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        return Says(delay=0.01)


_RUN = """
import sys
from pathlib import Path
from many import monitor, run
from pf_monitor.quality.judging.spark import spark_benches
from pf_monitor.quality.monitor import Judge, JudgeKind
judge = Judge(JudgeKind.OPENAI, model="double", base_url=sys.argv[1], concurrency=4)
run(monitor(judge=judge), Path(sys.argv[2]), Path(sys.argv[3]), spark_benches())
"""


def test_a_run_that_is_killed_in_a_wave_asks_again_only_about_what_was_under_way(data, tmp_path):
    killer, environment = Killer(), os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with judge_double(killer) as double:
        command = [sys.executable, "-c", _RUN, double.url, str(data), str(tmp_path / "kept")]
        killer.at = 25
        with subprocess.Popen(command, env=environment, text=True) as killer.process:
            killer.process.wait(timeout=180)
        assert killer.process.returncode == -signal.SIGKILL
        # Another engine takes up what Spark left.
        report = run(monitor(judge=told(double)), data, tmp_path / "kept")
        [metric] = report.metrics
        assert (report.ending, metric.judged) == (Ending.COMPLETE, ROWS)
        assert set(Counter(rows_asked(double)).values()) <= {1, 2}
        asked_again = len(double.asked) - ROWS
        with closing(sqlite3.connect(tmp_path / "kept" / "monitors" / "judgements.sqlite")) as ledger:
            calls = dict(ledger.execute("SELECT state, count(*) FROM calls GROUP BY state"))
        assert calls["answered"] == ROWS
        assert asked_again <= calls.get("interrupted", 0) <= 4
        assert not any((tmp_path / "kept" / "monitors" / "shares").iterdir())


def test_an_executor_that_dies_ends_the_run_with_a_report(spark, data, tmp_path):
    deadly = tmp_path / "deadly.py"
    deadly.write_text("def score(prompt, completion):\n    import os\n    os._exit(1)\n")
    from dataclasses import replace

    from pf_monitor.quality.monitor import CustomEvaluator, Metric

    meant = monitor()
    metric = Metric("deadly", 0.7, evaluator=CustomEvaluator(function=f"{deadly}:score"))
    [signal] = meant.quality_signals
    report = on(spark, replace(meant, signals=(replace(signal, metrics=(metric,)),)), data, tmp_path / "kept")
    assert report.ending is Ending.FAILED
    assert any(note.startswith("Spark could not judge: ") for note in report.notes), report.notes
