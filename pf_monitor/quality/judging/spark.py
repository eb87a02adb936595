"""The same judging on Spark: rows go out in waves, each executor judges its share, and the driver keeps the ledger.

Of a wave, what the ledger does not know yet is spread over the executors by `mapInPandas`. Each gets a part of what the
budget has left and of the concurrency. It judges with a `Bench` like any other, whose ledger lasts as long as the wave.
What they found comes back to the driver, which writes it down, all at once. On one machine these ledgers lie beside the
driver's, so that the next run has them if the driver is killed. On a cluster they do not: a driver that is killed in a
wave loses the answers of that wave, and its rows are asked again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pf_monitor.quality.judging import shares
from pf_monitor.quality.judging.budget import Purse
from pf_monitor.quality.judging.judge import Bench, Scored, Session
from pf_monitor.quality.judging.ledger import Judgement, Ledger, Spent, State
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.judging.server import JudgeServer
from pf_monitor.quality.monitor import Budget, Column, Judge, Metric

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MONITOR: Final = "wave"
_CHARACTERS_A_TOKEN: Final = 3
_TOKENS_OF_A_PROMPT: Final = 3_000
"""What instructions and answer take at most, roughly; only reserved, and for the time of a wave."""

_SCHEMA: Final = "found string"
_TELLING: Final = re.compile(r"[\w.]*(Error|Exception): ")


class SparkError(Exception):
    """Spark cannot be used; the message says what to do."""


@contextmanager
def spark_benches() -> Iterator[Callable[..., SparkBench]]:
    """Start Spark, or take the session that runs already, and give what makes benches on it, within.

    Where nobody has set Spark up, as `spark-submit` and Azure ML do, it runs in this machine, on all its cores and on
    loopback alone.

    Raises:
        SparkError: It does not start.
    """
    running = SparkSession.getActiveSession()
    session = running or _started()
    try:
        yield lambda *arguments: SparkBench(*arguments, spark=session)
    finally:
        if running is None:
            session.stop()


_CONFIGURED: Final = ("PYSPARK_GATEWAY_PORT", "SPARK_HOME", "SPARK_CONF_DIR")
"""Variables that say that somebody has set Spark up, the first of them `spark-submit`."""


def _started() -> SparkSession:
    builder: Any = SparkSession.builder.appName("pf-monitor")
    if not any(name in os.environ for name in _CONFIGURED):
        # The workers are to find this Python, and nobody else is to find them.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for name in ("spark.ui.enabled", "spark.ui.showConsoleProgress"):
            builder = builder.config(name, "false")
    try:
        session: SparkSession = builder.getOrCreate()
    except Exception as error:
        raise SparkError(
            f"Spark does not start: {_said(error)} It needs Java 8, 11 or 17: install a package such as "
            "openjdk-17-jre-headless, or set JAVA_HOME"
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _said(error: Exception) -> str:
    """Return the line of Spark's many that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if _TELLING.match(line)), lines[0] if lines else type(error).__name__)


class SparkBench(Bench):
    """Judges the rows of one run on Spark; see `Bench`.

    Args:
        *arguments: Those of `Bench`.
        spark: The session.
    """

    rows_at_once = 2_000

    def __init__(self, *arguments: Any, spark: SparkSession) -> None:
        super().__init__(*arguments)
        self._spark = spark

    async def judge(
        self, rows: Sequence[Row], metrics: Sequence[Metric], session: Session, on_scored: Callable[[], None]
    ) -> None:
        """Judge rows by metrics; see `Bench`."""
        looked_up = [self._look_up(row, metric, session) for row in rows for metric in metrics]
        unasked = [one for one in looked_up if one.key is not None and one.judgement is None]
        for one in looked_up:
            if one.key is None or one.judgement is not None:
                session.scored.append(one)
                on_scored()
        await self._ask_all(unasked, session, on_scored)

    async def _ask_all(self, unasked: list[Scored], session: Session, on_scored: Callable[[], None]) -> None:
        parts = max(1, min(self._spark.sparkContext.defaultParallelism, self._concurrency))
        while unasked and not session.is_over:
            wave = await self._wave(unasked, parts)
            session.gave_up = wave.gave_up
            still: list[Scored] = []
            for one in unasked:
                judgement = wave.judgements.get((one.row.id, one.metric.name))
                if judgement is None:
                    still.append(one)
                    continue
                session.scored.append(replace(one, judgement=judgement))
                on_scored()
            if still and not wave.calls:
                # A part of what is left may be too little for a call where the whole is not.
                if parts == 1 and session.gave_up is None:
                    session.out_of_budget = self._purse.tightest(_at_most(still[:1]))
                parts = 1
            unasked = still
        for one in unasked:
            session.scored.append(one)
            on_scored()

    async def _wave(self, unasked: Sequence[Scored], parts: int) -> _Wave:
        monitor, run_id = self._run
        tokens, usd = self._purse.left()
        at_most = _at_most(unasked)
        reserved = self._ledger.reserve(monitor, run_id, _no_more_than(at_most, tokens))
        is_here = str(self._spark.sparkContext.master).startswith("local")
        share: Any = _Share(
            self._server.judge,
            tuple({one.metric.name: one.metric for one in unasked}.values()),
            max(1, self._concurrency // parts),
            None if tokens is None else tokens // parts,
            None if usd is None else usd / parts,
            shares.folder_of(self._ledger, reserved).absolute() if is_here else None,
        )
        frame = _frame(self._spark, unasked, parts)
        try:
            found = await asyncio.to_thread(lambda: frame.mapInPandas(share, _SCHEMA).collect())
        except (PySparkException, Py4JError) as error:
            # What was reserved stays so: whether any of it was spent is known to nobody.
            return _Wave({}, (), f"Spark could not judge: {_said(error)}")
        wave = _Wave.of(json.loads(row["found"]) for row in found)
        keys = {(one.row.id, one.metric.name): one.key for one in unasked}
        noted = [(key, judgement) for name, judgement in wave.judgements.items() if (key := keys[name]) is not None]
        self._ledger.settle_reserved(reserved, monitor, run_id, wave.calls, noted)
        shares.forget(self._ledger, reserved)
        for used in wave.calls:
            await self._purse.settle(Spent(), used)
        return wave


@dataclass(frozen=True, slots=True)
class _Wave:
    """What came back.

    Attributes:
        judgements: What is known now, by row and metric; what was not come to is not there.
        calls: What each call used.
        gave_up: Why an executor gave the judge up; None otherwise.
    """

    judgements: Mapping[tuple[str, str], Judgement]
    calls: Sequence[Spent]
    gave_up: str | None

    @classmethod
    def of(cls, parts: Iterable[Mapping[str, Any]]) -> _Wave:
        judgements: dict[tuple[str, str], Judgement] = {}
        calls: list[Spent] = []
        gave_up: str | None = None
        for part in parts:
            for run, metric, state, score, reason, was_cut in part["judgements"]:
                judgements[run, metric] = Judgement(State(state), score, reason, was_cut)
            calls += [Spent(1, *used) for used in part["calls"]]
            gave_up = gave_up or part["gave_up"]
        return cls(judgements, calls, gave_up)


def _frame(spark: SparkSession, unasked: Iterable[Scored], parts: int) -> DataFrame:
    """Return the rows with the metrics that each is to be judged by, dealt out like cards."""
    rows: dict[str, Row] = {}
    metrics: defaultdict[str, list[str]] = defaultdict(list)
    for one in unasked:
        rows[one.row.id] = one.row
        metrics[one.row.id].append(one.metric.name)
    cards = [
        [row.trace_id, row.span_id, {str(column): text for column, text in row.texts.items()}, metrics[name]]
        for name, row in rows.items()
    ]
    dealt = [[json.dumps(cards[part::parts])] for part in range(min(parts, len(cards)))]
    a_task_each = spark.sparkContext.parallelize(dealt, len(dealt))
    return spark.createDataFrame(a_task_each, "rows string")


@dataclass(frozen=True)
class _Share:
    """What an executor does: it judges a part of the rows within a part of the budget.

    Attributes:
        judge: The model.
        metrics: All metrics of the run.
        concurrency: How many calls it may have under way.
        tokens: What it may use; None means no limit.
        usd: What it may spend; likewise.
        folder: Where its ledger lies beside those of the others; None where no place is shared with the driver.
    """

    judge: Judge
    metrics: tuple[Metric, ...]
    concurrency: int
    tokens: int | None
    usd: float | None
    folder: Path | None

    def __call__(self, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            found = [json.dumps(asyncio.run(self._judge(json.loads(text)))) for text in frame["rows"]]
            yield pd.DataFrame({"found": found})

    async def _judge(self, dealt: Sequence[Any]) -> dict[str, Any]:
        by_metrics: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        for trace, span, texts, names in dealt:
            by_metrics[tuple(names)].append(Row(trace, span, {Column(name): text for name, text in texts.items()}))
        known = {metric.name: metric for metric in self.metrics}
        session = Session()
        with self._ledger() as ledger:
            run = ledger.begin(_MONITOR, (datetime.now(UTC), datetime.now(UTC)))
            async with JudgeServer(self.judge) as server:
                purse = Purse(Budget(self.tokens, self.usd, None, None), Spent(), Spent())
                bench = Bench(server, ledger, purse, _MONITOR, run.id, self.concurrency)
                bench.prepare(self.metrics)
                for names, rows in by_metrics.items():
                    await bench.judge(rows, [known[name] for name in names], session, lambda: None)
            calls = [(used.prompt_tokens, used.completion_tokens, used.usd) for used in ledger.calls("answered")]
        judgements = [
            (
                one.row.id,
                one.metric.name,
                one.judgement.state,
                one.judgement.score,
                one.judgement.reason,
                one.judgement.was_cut,
            )
            for one in session.scored
            if one.judgement is not None
        ]
        return {"judgements": judgements, "calls": calls, "gave_up": session.gave_up}

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        if self.folder is not None:
            with shares.own_ledger(self.folder) as ledger:
                yield ledger
            return
        with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder)) as ledger:
            yield ledger


def _at_most(unasked: Iterable[Scored]) -> Spent:
    """Return what a wave may use, reckoned by characters."""
    calls = tokens = 0
    for one in unasked:
        calls += 1
        tokens += _TOKENS_OF_A_PROMPT + sum(map(len, one.row.texts.values())) // _CHARACTERS_A_TOKEN
    return Spent(calls, tokens)


def _no_more_than(at_most: Spent, tokens: int | None) -> Spent:
    return at_most if tokens is None else replace(at_most, prompt_tokens=min(at_most.prompt_tokens, tokens))
