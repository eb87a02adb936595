"""Judging rows without a store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from judge_server import JudgeDouble

from pf_monitor.quality.judging.budget import Purse
from pf_monitor.quality.judging.judge import Bench, Session
from pf_monitor.quality.judging.ledger import Ledger, Spent
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.judging.server import JudgeServer
from pf_monitor.quality.monitor import Budget, Column, Judge, JudgeKind, Metric

WINDOW = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))
FLUENCY = (Metric("fluency", 0.7),)
UNLIMITED = Budget(run_tokens=None, day_tokens=None)


class Outcome(NamedTuple):
    session: Session
    spent: Spent

    @property
    def states(self) -> list[str]:
        return [str(one.judgement.state) if one.judgement else "unjudged" for one in self.session.scored]

    @property
    def reasons(self) -> set[str]:
        return {one.judgement.reason for one in self.session.scored if one.judgement}


def rows(count: int, answer: str = "It is waterproof.") -> list[Row]:
    return [
        Row(f"{number:032x}", f"{number:016x}", {Column.PROMPT: "Is it?", Column.COMPLETION: answer})
        for number in range(1, count + 1)
    ]


def judge_at(double: JudgeDouble, concurrency: int = 8, timeout_s: float = 60.0) -> Judge:
    return Judge(
        JudgeKind.OPENAI,
        model="double",
        base_url=double.url,
        concurrency=concurrency,
        timeout_s=timeout_s,
        input_usd_per_million=1.0,
        output_usd_per_million=4.0,
    )


def judge_rows(
    folder: Path,
    judge: Judge,
    judged: Sequence[Row],
    metrics: Sequence[Metric] = FLUENCY,
    budget: Budget = UNLIMITED,
) -> Outcome:
    async def judging(ledger: Ledger) -> Outcome:
        run = ledger.begin("double", WINDOW)
        spent = ledger.spent("double", run_id=run.id)
        day = ledger.spent("double", since=datetime.now(UTC) - timedelta(days=1))
        async with JudgeServer(judge) as server:
            purse = Purse(budget, spent, day)
            bench = Bench(server, ledger, purse, "double", run.id, judge.concurrency)
            bench.prepare(metrics)
            session = Session()
            await bench.judge(judged, metrics, session, lambda: None)
        ledger.end(run.id)
        return Outcome(session, purse.run)

    with Ledger.open(folder) as ledger:
        return asyncio.run(judging(ledger))
