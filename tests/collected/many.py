"""Collected data of any size, and a run of a monitor over it, by one engine or the other."""

from __future__ import annotations

import random
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from recorded import record, write

from pf_monitor.quality.here import collected_places, over_collected, run_at
from pf_monitor.quality.judging.judge import Bench
from pf_monitor.quality.monitor import (
    Baseline,
    BaselineKind,
    Budget,
    Judge,
    Metric,
    Monitor,
    QualitySignal,
    Sampling,
    Window,
)
from pf_monitor.quality.report import RunReport

UNLIMITED: Final = Budget(run_tokens=None, day_tokens=None)
_WORDS: Final = (
    "the",
    "lamp",
    "is",
    "waterproof",
    "to",
    "ten",
    "metres",
    "weighs",
    "two",
    "kilos",
    "in",
    "blue",
    "red",
)
_ASTRAY: Final = ("chairs", "buy", "cheap")


def collect(folder: Path, rows: int) -> None:
    """Write inputs and outputs of so many requests, the same ones each time; some answers leave their context."""
    chance = random.Random(1)
    now = datetime.now(UTC).isoformat()
    records: list[Any] = []
    for number in range(rows):
        context = chance.choices(_WORDS, k=20)
        answer = chance.sample(context, k=5) + chance.choices(_ASTRAY, k=chance.randint(0, 6))
        output = {"answer": " ".join(answer), "context": " ".join(context)}
        question = {"question": " ".join(chance.choices(_WORDS, k=6))}
        records.append(record("model_inputs", [question], f"{number:032x}", time=now))
        records.append(record("model_outputs", [output], f"{number:032x}", time=now))
    write(folder / "a.jsonl", *records)


def monitor(budget: Budget = UNLIMITED, judge: Judge | None = None) -> Monitor:
    """Return a monitor that judges every row of the last day by one metric."""
    signal = QualitySignal(
        "quality",
        (Metric("groundedness", pass_rate=0.7),),
        sampling=Sampling(rate=1.0),
        window=Window(timedelta(days=1)),
    )
    return Monitor("answers", (signal,), judge=judge or Judge(), budget=budget, baseline=Baseline(BaselineKind.NONE))


def run(meant: Monitor, data: Path, kept: Path, bench: AbstractContextManager[Any] | None = None) -> RunReport:
    """Run a monitor over collected data.

    Args:
        meant: The monitor.
        data: The folder of collected data.
        kept: The data folder, with the ledger.
        bench: What gives the engine; None for asyncio.
    """
    with (
        bench or nullcontext(Bench) as engine,
        over_collected(collected_places(meant, str(data), None), meant, _NOBODY) as place,
    ):
        return run_at(place, meant, kept, engine=engine).report


_NOBODY: Final = "http://127.0.0.1:9"


def judgements(kept: Path) -> list[tuple[Any, ...]]:
    """Return every judgement that the ledger in a data folder has."""
    database = sqlite3.connect(kept / "monitors" / "judgements.sqlite")
    try:
        return database.execute(
            "SELECT run, metric, prompt, judge, state, score, reason FROM judgements ORDER BY run, metric"
        ).fetchall()
    finally:
        database.close()
