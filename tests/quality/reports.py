"""A report as a run leaves it, for tests."""

from __future__ import annotations

from pf_monitor.quality.report import (
    Bill,
    DriftReport,
    MetricReport,
    RunReport,
    TokenReport,
    Verdict,
    WorstAnswer,
)

REPORT = RunReport(
    monitor="answers",
    run_id="r1",
    started="2026-11-21T10:00:00+00:00",
    ended="2026-11-21T10:02:30+00:00",
    window_start="2026-11-14T10:00:00+00:00",
    window_end="2026-11-21T10:00:00+00:00",
    verdict=Verdict.INCONCLUSIVE,
    source="http://127.0.0.1:4319",
    judge="gpt-4o",
    metrics=(
        MetricReport(
            "quality",
            "groundedness",
            Verdict.INCONCLUSIVE,
            rows=1000,
            sampled=100,
            judged=90,
            passed=68,
            unscorable=7,
            failed=3,
            pass_rate=68 / 90,
            pass_rate_low=0.657,
            pass_rate_high=0.833,
            pass_rate_threshold=0.7,
            more_rows=210,
            acceptable_score=3.0,
            average_score=3.9,
            distribution={"1": 10, "2": 12, "4": 30, "5": 38},
            evaluator="gpt-4o, azure-ai-evaluation 1.18.10",
            worst=(WorstAnswer("0af7", 1.0, "How heavy?", "Blue."),),
        ),
    ),
    tokens=(TokenReport("tokens", Verdict.PASS, 1000, 1.0, 812_000, 64_000, 1_000_000.0, {"answer gpt-4o": 876_000}),),
    drift=(DriftReport("groundedness", False, 4.0, 3.9, 0.05, "Cliff's delta", 0.4),),
    bill=Bill(calls=93, prompt_tokens=150_000, completion_tokens=9_300, usd=0.47),
    notes=("7 rows have no context.",),
)
