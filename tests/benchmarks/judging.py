"""What judging costs beside the model's own time, and how much of a server's allowance it uses."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from judges import ALLOWED_A_SECOND, SCORE
from measuring import Figure, answer, in_child
from servers import server

ROWS = 150
ROUNDS = 3
FIRED_AT_ROWS = 1_000
METRICS = ("groundedness", "relevance", "coherence", "fluency")
QUESTION = "Is the lamp waterproof, and how deep may it go?"
ANSWER = "The lamp is waterproof to 10 m. Below that its seals may give way."
CONTEXT = "Lamps. The Firefly 400 is waterproof to a depth of 10 m, and weighs 85 g. " * 20


def benchmark(_: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield what a judgement costs beside a bare call, and what is used of what a server allows."""
    with server("judge") as port:
        bare = min(in_child(__file__, "bare", port) for _ in range(ROUNDS))
        yield Figure("a bare call over a kept connection: CPU time", bare * 1e3, "ms")
        ours = min(in_child(__file__, "ours", port) for _ in range(ROUNDS)) - bare
        yield Figure("a judgement: beside that", ours * 1e3, "ms", target=5)
    with server("judge") as port, server("insights") as store:
        whole = min(in_child(__file__, "whole_run", port, store) for _ in range(ROUNDS)) - bare
        yield Figure("a judgement of a whole run, read and written back: beside that", whole * 1e3, "ms", target=5)
    with server("judge") as port:
        theirs = min(in_child(__file__, "theirs", port) for _ in range(ROUNDS)) - bare
        yield Figure("a judgement by azure-ai-evaluation: beside that", theirs * 1e3, "ms", theirs / ours)
    with server("misbehaving_judge") as port:
        judged = in_child(__file__, "fired_at", port)
        with urlopen(f"http://127.0.0.1:{port}/") as response:
            taken = json.loads(response.read())
    while_all_work = taken[:FIRED_AT_ROWS]  # at the end there are only rows that stalled, and nothing to fill the time
    left = 1 - len(while_all_work) / (while_all_work[-1] - while_all_work[0]) / ALLOWED_A_SECOND
    yield Figure("under 429, 500, garbage and stalls: unused of what is allowed", left * 100, "%", target=10)
    yield Figure("rows that were lost there", FIRED_AT_ROWS - judged, "rows", target=0)


def bare(port: str) -> float:
    import httpx

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    body = json.dumps({"model": "judge", "messages": [{"role": "user", "content": CONTEXT * 6}]})
    with httpx.Client() as client:
        return _each(lambda: client.post(url, content=body).raise_for_status())


def _each(judge: Any) -> float:
    """Return the seconds of CPU of one call, once it is warm."""
    for _ in range(10):
        judge()
    begun = time.process_time()
    for _ in range(ROWS):
        judge()
    return (time.process_time() - begun) / ROWS


def theirs(port: str) -> float:
    from azure.ai.evaluation import FluencyEvaluator

    model = {"type": "openai", "model": "judge", "api_key": "k", "base_url": f"http://127.0.0.1:{port}/v1"}
    evaluator = FluencyEvaluator(model)
    assert evaluator(response=ANSWER)["fluency"] == json.loads(SCORE)["score"]
    return _each(lambda: evaluator(response=ANSWER))


def ours(port: str) -> float:
    return _judged(port, ROWS, concurrency=1, timeout_s=60)[0] / ROWS / len(METRICS)


def fired_at(port: str) -> int:
    return _judged(port, FIRED_AT_ROWS, concurrency=32, timeout_s=1.5, metrics=("fluency",))[1]


def _judged(
    port: str, count: int, *, concurrency: int, timeout_s: float, metrics: tuple[str, ...] = METRICS
) -> tuple[float, int]:
    from pf_monitor.quality.judging.budget import Purse
    from pf_monitor.quality.judging.judge import Bench, Session
    from pf_monitor.quality.judging.ledger import Ledger, Spent, State
    from pf_monitor.quality.judging.rows import Row
    from pf_monitor.quality.judging.server import JudgeServer
    from pf_monitor.quality.monitor import Budget, Column, Judge, JudgeKind, Metric

    wanted = [Metric(name, 0.7) for name in metrics]
    texts = {Column.PROMPT: QUESTION, Column.COMPLETION: ANSWER, Column.CONTEXT: CONTEXT}
    rows = [Row(f"{number:032x}", f"{number:016x}", texts) for number in range(1, count + 1)]
    judge = Judge(
        JudgeKind.OPENAI, "judge", f"http://127.0.0.1:{port}/v1", concurrency=concurrency, timeout_s=timeout_s
    )

    async def judging(ledger: Ledger) -> tuple[float, int]:
        now = datetime.now(UTC)
        opened = ledger.begin("bench", (now - timedelta(days=1), now))
        async with JudgeServer(judge) as model:
            bench = Bench(model, ledger, Purse(Budget(), Spent(), Spent()), "bench", opened.id, concurrency)
            bench.prepare(wanted)
            session = Session()
            begun = time.process_time()
            await bench.judge(rows, wanted, session, lambda: None)
            took = time.process_time() - begun
        assert session.gave_up is None, session.gave_up
        # Where garbage comes twice about one row, it has failed, which is said; it is not lost.
        known = {State.JUDGED, State.FAILED}
        done = sum(one.judgement is not None and one.judgement.state in known for one in session.scored)
        return took, done

    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder)) as ledger:
        return asyncio.run(judging(ledger))


def whole_run(port: str, store: str) -> float:
    """From reading the window to the report, over flow runs that the real exporter sent."""
    from monitors import to_port

    import pf_monitor
    from pf_monitor import runtime
    from pf_monitor.local import connection_string
    from pf_monitor.local_server import ServerSource
    from pf_monitor.quality.monitor import Judge, JudgeKind, Metric, Monitor, QualitySignal, Sampling
    from pf_monitor.quality.reading import TelemetryReader
    from pf_monitor.quality.run import run
    from pf_monitor.quality.writing import Writer

    flow_name = f"bench{time.time_ns()}"

    @pf_monitor.flow(name=flow_name)
    def chat(question: str) -> dict[str, str]:
        return {"answer": ANSWER, "context": CONTEXT}

    runtime.use(to_port(store))
    for _ in range(ROWS):
        chat(QUESTION)
    assert runtime.flush(30)
    runtime.stop()
    from pf_monitor.quality.monitor import Baseline, BaselineKind, Target

    metrics = tuple(Metric(name, 0.7) for name in METRICS)
    monitor = Monitor(
        flow_name,
        (QualitySignal("quality", metrics, sampling=Sampling(rate=1.0)),),
        target=Target(flow=flow_name),
        judge=Judge(JudgeKind.OPENAI, "judge", f"http://127.0.0.1:{port}/v1", concurrency=1),
        baseline=Baseline(BaselineKind.NONE),
    )
    with tempfile.TemporaryDirectory() as folder, ServerSource.connect(f"http://127.0.0.1:{store}") as source:
        writer = Writer(connection_string(int(store)), monitor.name, source)
        begun = time.process_time()
        report = run(monitor, TelemetryReader(source, monitor.target), Path(folder), writer)
        took = time.process_time() - begun
        writer.close()
    assert [one.judged for one in report.metrics] == [ROWS] * len(METRICS), report
    return took / ROWS / len(METRICS)


if __name__ == "__main__":
    answer({case.__name__: case for case in (bare, theirs, ours, fired_at, whole_run)})
