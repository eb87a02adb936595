"""A store for pictures: the requests of a demo, repeated over two days as a busy application would have them.

The demo asks its questions within seconds, and its model is a stand-in that costs nothing. For pictures the same
requests come again and again, slower, under the name of a model that has a price, with scores of a made-up judge.
Everything is drawn from one seed, so that pictures change only when pages do.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pf_monitor.insights import Store
from pf_monitor.insights.envelope import Row
from pf_monitor.model.names import VERDICT_EVENT
from pf_monitor.quality.monitor import Monitor
from pf_monitor.quality.report import MetricReport, RunReport, TokenReport, Verdict
from pf_monitor.quality.statistics import pass_rate, rows_needed, verdict
from pf_monitor.quality.verdicts import verdict_events

Record = dict[str, Any]

_TABLES = ("requests", "dependencies", "exceptions")
_MODEL = "gpt-4o-mini"
_USD_PER_TOKEN = {"input": 0.15e-6, "output": 0.6e-6}
_SLOWER = 24.0
_METRICS = (("groundedness", 0.35, 4.2), ("relevance", 0.35, 4.5), ("user_feedback", 0.12, 0.0))
_THRESHOLDS = {"groundedness": 0.95, "relevance": 0.9}
_WHY = {
    "groundedness": "The answer says what the context does not.",
    "relevance": "The answer leaves half of the question out.",
    "user_feedback": "That did not help me.",
}


def replay(source: Path, target: Path, now: datetime, requests: int = 1_100) -> None:
    """Fill a store.

    Args:
        source: The demo's.
        target: The one to fill.
        now: When the two days end.
        requests: How many there are in them, about.
    """
    chance = random.Random(7)  # noqa: S311 - the same pictures each time
    with Store.open(source, read_only=True) as store:
        operations = _operations(store)
    with Store.open(target) as store:
        rows: list[Row] = []
        for moment in _moments(now, requests, chance):
            rows.extend(_again(chance.choice(operations), moment, chance))
        rows.extend(_processes(now, chance))
        rows.extend(_verdicts(rows, now))
        store.append(rows)


def _operations(store: Store) -> list[list[tuple[str, Record]]]:
    """The demo's items by request, the failed requests less often than they are."""
    by_operation: defaultdict[str, list[tuple[str, Record]]] = defaultdict(list)
    for table in _TABLES:
        for record in store.query(table).records():
            by_operation[str(record["operation_Id"])].append((table, record))
    failed = [items for items in by_operation.values() if any(table == "exceptions" for table, _ in items)]
    return [items for items in by_operation.values() if items not in failed] * 3 + failed


def _moments(now: datetime, count: int, chance: random.Random) -> Iterator[datetime]:
    """Times of two days, more of them by day, none in an hour in which nobody could ask."""
    for _ in range(count * 2):
        ago = chance.random() * 48
        hour = (now - timedelta(hours=ago)).hour + 1
        busy = 0.5 - 0.45 * math.cos(2 * math.pi * (hour - 3) / 24)
        if chance.random() < busy and not 9.0 < ago < 10.2:
            yield now - timedelta(hours=ago)


def _again(items: list[tuple[str, Record]], moment: datetime, chance: random.Random) -> Iterator[Row]:
    """One request again, at another time, under other ids."""
    began = min(_time(record) for _, record in items)
    slower = _SLOWER * chance.lognormvariate(0, 0.45)
    ids = {str(record["id"]): f"{chance.getrandbits(64):016x}" for _, record in items if record.get("id")}
    operation, session, user = (
        f"{chance.getrandbits(128):032x}",
        f"s-{chance.randrange(140)}",
        f"u-{chance.randrange(9)}",
    )
    for table, record in items:
        offset = (_time(record) - began) * slower
        dimensions = _priced(json.loads(record["customDimensions"])) | {"session.id": session}
        values = record | {
            "timestamp": _text(moment + offset),
            "operation_Id": operation,
            "operation_ParentId": ids.get(str(record["operation_ParentId"]), ""),
            "user_Id": user,
            "customDimensions": dimensions,
        }
        if "id" in record:
            values["id"] = ids[str(record["id"])]
            values["duration"] = float(record["duration"] or 0) * slower
            values["name"] = str(record["name"]).replace("stand-in", _MODEL)
        if record.get("details"):
            values["details"] = json.loads(record["details"])
        yield Row(table, values)
        if dimensions.get("pf_monitor.kind") == "flow" and record["success"] == "True":
            yield from _scores(values, moment, chance)


def _priced(dimensions: Mapping[str, str]) -> dict[str, str]:
    changed = dict(dimensions)
    for name in ("gen_ai.request.model", "gen_ai.response.model"):
        if name in changed:
            changed[name] = _MODEL
    cost = 0.0
    for side, price in _USD_PER_TOKEN.items():
        for prefix in ("gen_ai", "pf_monitor"):
            cost += float(changed.get(f"{prefix}.usage.{side}_tokens", 0)) * price
    return changed | ({"pf_monitor.usage.cost_usd": f"{cost:.10f}"} if cost else {})


def _scores(run: Mapping[str, Any], moment: datetime, chance: random.Random) -> Iterator[Row]:
    for metric, share, usual in _METRICS:
        if chance.random() > share:
            continue
        is_feedback = metric == "user_feedback"
        score = float(chance.random() < 0.8) if is_feedback else float(min(5, max(1, round(chance.gauss(usual, 0.9)))))
        passed = score >= (1 if is_feedback else 3)
        dimensions = {
            "gen_ai.evaluation.name": metric,
            "gen_ai.evaluation.score.value": str(score),
            "gen_ai.evaluation.score.label": "pass" if passed else "fail",
            "gen_ai.evaluation.explanation": "" if passed else _WHY[metric],
            "pf_monitor.evaluator": "a person" if is_feedback else "made-up judge 1",
        }
        yield Row(
            "customEvents",
            {
                "timestamp": _text(moment + timedelta(seconds=20)),
                "name": "gen_ai.evaluation.result",
                "itemType": "customEvent",
                "operation_Id": run["operation_Id"],
                "operation_ParentId": run["id"],
                "customDimensions": dimensions,
            },
        )


def _verdicts(rows: Sequence[Row], now: datetime) -> Iterator[Row]:
    """What a monitor says of the made-up scores of the last day."""
    begun = now - timedelta(days=1)
    metrics = []
    for name, threshold in _THRESHOLDS.items():
        scored = [
            row.values["customDimensions"]["gen_ai.evaluation.score.label"] == "pass"
            for row in rows
            if row.values.get("timestamp", "") >= _text(begun)
            and row.values["customDimensions"].get("gen_ai.evaluation.name") == name
        ]
        found = pass_rate([(passed, 1.0) for passed in scored])
        metrics.append(
            MetricReport(
                *("quality", name, verdict(found, threshold)),
                judged=len(scored),
                pass_rate=found.rate,
                pass_rate_low=found.low,
                pass_rate_high=found.high,
                pass_rate_threshold=threshold,
                more_rows=rows_needed(found, threshold) or None,
                evaluator="made-up judge 1",
            )
        )
    runs = [row.values for row in rows if row.table == "requests" and row.values["timestamp"] >= _text(begun)]
    tokens = sum(int(run["customDimensions"].get("pf_monitor.usage.total_tokens", 0)) for run in runs)
    report = RunReport(
        *("answers", "r1", begun.isoformat(), now.isoformat(), begun.isoformat(), now.isoformat(), Verdict.PASS),
        metrics=tuple(metrics),
        tokens=(TokenReport("tokens", Verdict.FAIL, len(runs), 1.0, tokens, 0, 50_000.0),),
    )
    for dimensions in verdict_events(Monitor("answers", ()), report, {}):
        named = {key: str(value) for key, value in dimensions.items()}
        event = {"timestamp": _text(now), "name": VERDICT_EVENT, "itemType": "customEvent", "customDimensions": named}
        yield Row("customEvents", event)


def _processes(now: datetime, chance: random.Random) -> Iterator[Row]:
    for minute in range(0, 48 * 60, 10):
        for name, value in (
            ("% Processor Time", chance.gauss(22, 6)),
            ("Private Bytes", 3.1e8 + 4e7 * math.sin(minute / 300) + chance.gauss(0, 3e6)),
        ):
            yield Row(
                "performanceCounters",
                {
                    "timestamp": _text(now - timedelta(minutes=minute)),
                    "itemType": "performanceCounter",
                    "category": "Process",
                    "name": name,
                    "counter": name,
                    "value": max(0.0, value),
                    "customDimensions": {},
                },
            )


def _time(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(record["timestamp"]))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
