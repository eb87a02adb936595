"""A dozen requests made by hand, whose every number can be worked out on paper.

All are within one hour from `START`; times below are minutes from it. Model calls take their name from the model that
answered: whoever asks `gpt-4o` is answered by `gpt-4o-2024`. `llama` does not say who it is, its tokens are estimated,
and its price is unknown. Just outside of the hour, and beside it, stand items that must not count.

| run | min | flow | deployment | ms | outcome | session, user | calls: node, model, tokens, cost, ms (first chunk) |
|---|---|---|---|---|---|---|---|
| a1 | 0 | rag | blue | 1000 | ok | s1 u1 | answer gpt-4o 100+10 0.5 400 |
| a2 | 5 | rag | blue | 2000 | ok | s1 u1 | answer gpt-4o 200+20 1.0 800 (0.25) |
| a3 | 10 | rag | blue | 3000 | error | s2 u2 | answer gpt-4o, throttled: no tokens, 100 |
| a4 | 15 | rag | green | 4000 | ok | s2 u2 | answer gpt-4o 300+30 1.5 1200 |
| a5 | 20 | rag | green | 5000 | ok | s3 u3 | answer llama 50+5, 600 |
| a6 | 25 | rag | green | 6000 | abandoned | s3 u3 | answer gpt-4o 400+40 2.0 1600 (0.75) |
| a7 | 30 | rag | | 7000 | error | | none: retrieve failed |
| a8 | 35 | rag | blue | 8000 | ok | | retrieve ada 1000+0 0.125 50; answer gpt-4o 60+6 0.25 200 |
| b1 | 40 | chat | blue | 500 | ok | | gpt-4o-mini 10+1 0.125 300 |
| b2 | 45 | chat | blue | 1500 | cancelled | | gpt-4o-mini 20+2 0.25 500 |
| b3 | 50 | chat | | 2500 | ok | | none |
| n1 | 55 | chat-2 | | 3500 | ok | | gpt-4o-mini 30+3 0.5 700 |

`b1` runs below a recorded `POST /score`, so that its flow is a dependency. `chat` was renamed to `chat-2`. `retrieve`
ran in a1 (50 ms), a7 (60 ms, failed) and a8 (70 ms); `answer` in every run with a call of it, 100 ms longer than that.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from talk import envelope

from pf_monitor.insights import Store
from pf_monitor.insights.envelope import to_row

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = {"since": START, "until": START + timedelta(hours=1)}


def item(base_type: str, base: dict[str, Any], minute: float, operation: str, parent: str = "", **tags: str) -> Any:
    """A row as a monitored flow sends it."""
    named = {"ai.operation.id": operation, "ai.operation.parentId": parent, **tags}
    time = (START + timedelta(minutes=minute)).isoformat()
    return to_row(envelope(base_type, base, time=time, tags={key: value for key, value in named.items() if value}))


def span(
    kind: str,
    name: str,
    ms: int,
    minute: float,
    operation: str,
    parent: str = "",
    *,
    server: bool = False,
    **facts: Any,
) -> Any:
    """A step; facts with a double underscore for the dot. `user` and `ok` are not dimensions."""
    ok, user = facts.pop("ok", True), facts.pop("user", "")
    dimensions = {key.replace("__", "."): str(value) for key, value in facts.items() if value not in (None, "")}
    base = {
        "id": f"{operation}-{name}",
        "name": name,
        "duration": f"00:00:{ms // 1000:02}.{ms % 1000:03}",
        "success": ok,
        "properties": {"pf_monitor.kind": kind, **dimensions},
    }
    if server:
        base |= {"responseCode": "0"}
    base_type = "RequestData" if server else "RemoteDependencyData"
    return item(base_type, base, minute, operation, parent, **{"ai.user.id": user})


_ANSWERED = {"gpt-4o": "gpt-4o-2024", "gpt-4o-mini": "gpt-4o-mini-2024", "ada": "ada-002"}


def call(
    model: str, tokens: tuple[int, int] | None, cost: float | None, ms: int, first_chunk: float | None = None
) -> Any:
    """What a model call has beyond its place: model, tokens, cost, duration, seconds to the first chunk."""
    facts: dict[str, Any] = {
        "ms": ms,
        "gen_ai__request__model": model,
        "gen_ai__response__model": _ANSWERED.get(model) if tokens else None,
        "gen_ai__response__time_to_first_chunk": first_chunk,
        "pf_monitor__usage__cost_usd": cost,
    }
    if tokens:
        facts |= {
            "gen_ai__usage__input_tokens": tokens[0],
            "gen_ai__usage__output_tokens": tokens[1],
            "pf_monitor__usage__source": "estimated" if model == "llama" else "provider",
        }
    return facts


def run(
    operation: str,
    minute: float,
    flow: str,
    ms: int,
    calls: dict[str, Any],
    *,
    outcome: str = "ok",
    retrieve: int | None = None,
    below: str = "",
    nodes: tuple[str, ...] = ("answer", "retrieve"),
    error: str = "",
    **own: Any,
) -> list[Any]:
    """A flow run with its nodes and calls; `own` is what only the flow's own row has."""
    shared = {
        "pf_monitor__flow": flow,
        "pf_monitor__deployment": own.pop("deployment", None),
        "pf_monitor__request_id": f"id-{operation}",
        "session__id": own.pop("session", None),
        "tenant": own.pop("tenant", None),
    }
    user = own.pop("user", "")
    ended = {"ok": outcome != "error", "pf_monitor__outcome": outcome, "pf_monitor__error__type": error or None}
    sums = _sums(calls.values())
    flow_id = f"{operation}-{flow}"
    rows = [
        span("flow", flow, ms, minute, operation, below, server=not below, user=user, **shared, **ended, **sums, **own)
    ]
    if retrieve is not None:
        failed = ended if not calls else {"pf_monitor__outcome": "ok"}
        within = {"pf_monitor__node": "retrieve", **_sums([one for node, one in calls.items() if node == "retrieve"])}
        rows.append(span("retrieval", "retrieve", retrieve, minute, operation, flow_id, **shared, **within, **failed))
    for node, made in calls.items():
        facts = {key: value for key, value in made.items() if key != "ms"}
        took = made["ms"]
        place = {"pf_monitor__node": node if node in nodes else None}
        kind = "embedding" if facts["gen_ai__request__model"] == "ada" else "llm"
        parent = f"{operation}-{node}" if node in nodes else flow_id
        if node in nodes and node != "retrieve":
            rows.append(
                span("node", node, took + 100, minute, operation, flow_id, **shared, **place, **_sums([facts]), **ended)
            )
        name = f"{kind} {facts['gen_ai__request__model']}"
        rows.append(span(kind, name, took, minute, operation, parent, **shared, **place, **facts, **ended))
    return rows


def _sums(calls: Any) -> dict[str, Any]:
    calls = list(calls)
    prompt = sum(one.get("gen_ai__usage__input_tokens", 0) for one in calls)
    completion = sum(one.get("gen_ai__usage__output_tokens", 0) for one in calls)
    costs = [one["pf_monitor__usage__cost_usd"] for one in calls if one["pf_monitor__usage__cost_usd"] is not None]
    return {
        "pf_monitor__usage__input_tokens": prompt,
        "pf_monitor__usage__output_tokens": completion,
        "pf_monitor__usage__total_tokens": prompt + completion,
        "pf_monitor__usage__llm_calls": len(calls),
        "pf_monitor__usage__cost_usd": sum(costs) if costs else None,
    }


def score(operation: str, minute: float, metric: str, value: float | None, label: str = "", why: str = "") -> Any:
    """A score of an answer, given a minute after it."""
    properties = {
        "gen_ai.evaluation.name": metric,
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": label,
        "gen_ai.evaluation.explanation": why,
        "pf_monitor.evaluator": "user" if metric == "user_feedback" else "judge 1",
    }
    if operation == "a1":
        properties["pf_monitor.monitor"] = "answers"
    named = {key: str(text) for key, text in properties.items() if text not in (None, "")}
    base = {"name": "gen_ai.evaluation.result", "properties": named}
    return item("EventData", base, minute + 1, operation, f"{operation}-rag")


def verdict(minute: float, monitor: str, run: str, metric: str, measure: str, label: str, **facts: Any) -> Any:
    """What a monitor's run says of a threshold."""
    properties = {
        "pf_monitor.monitor": monitor,
        "pf_monitor.verdict.run": run,
        "gen_ai.evaluation.name": metric,
        "pf_monitor.verdict.measure": measure,
        "pf_monitor.verdict.label": label,
        "pf_monitor.verdict.signal": "quality",
        "pf_monitor.verdict.ending": "complete",
        "pf_monitor.verdict.window_start": (START - timedelta(days=1)).isoformat(),
        "pf_monitor.verdict.window_end": START.isoformat(),
        **{f"pf_monitor.{name.replace('__', '.')}": str(value) for name, value in facts.items()},
    }
    return item("EventData", {"name": "pf_monitor.verdict", "properties": properties}, minute, "")


STACK = """Traceback (most recent call last):
  File "/app/flow.py", line 12, in chat
    return retrieve(question)
  File "/app/flow.py", line 30, in retrieve
    raise ValueError("no index")
ValueError: no index
"""


def error(operation: str, minute: float, kind: str, message: str, node: str, stack: str = "") -> Any:
    details = [{"typeName": kind, "message": message, "hasFullStack": True, "stack": stack}]
    properties = {"pf_monitor.flow": "rag", "pf_monitor.node": node, "pf_monitor.request_id": f"id-{operation}"}
    return item(
        "ExceptionData", {"exceptions": details, "properties": properties}, minute, operation, f"{operation}-{node}"
    )


def counter(name: str, minute: float, value: float) -> Any:
    path = rf"\Process(??APP_WIN32_PROC??)\{name}"
    return item("MetricData", {"metrics": [{"name": path, "value": value, "kind": 0}]}, minute, "")


MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "How heavy is the tent?"}]}])

HEAVY = {"question": "How heavy is the tent?", "answer": "2.1 kg"}
LONG = {"question": "Long" * 2048, "question__2": " end?", "answer": "Nobody waited"}


def rows() -> list[Any]:
    """All items of the hour, and some beside it."""
    blue = {"deployment": "blue"}
    green = {"deployment": "green"}
    first = {"session": "s1", "user": "u1", **blue}
    found = [
        *run(
            "a1",
            0,
            "rag",
            1000,
            {"answer": call("gpt-4o", (100, 10), 0.5, 400)},
            retrieve=50,
            tenant="acme",
            **first,
            **HEAVY,
        ),
        *run("a2", 5, "rag", 2000, {"answer": call("gpt-4o", (200, 20), 1.0, 800, 0.25)}, **first, **HEAVY),
        *run(
            *("a3", 10, "rag", 3000, {"answer": call("gpt-4o", None, None, 100)}),
            **{"outcome": "error", "error": "openai.RateLimitError", "session": "s2", "user": "u2", **blue},
            question="Does it break?",
        ),
        *run(
            *("a4", 15, "rag", 4000, {"answer": call("gpt-4o", (300, 30), 1.5, 1200)}),
            **{"session": "s2", "user": "u2", "tenant": "acme", **green},
            question="Is it red?",
            answer="Yes, RED",
        ),
        *run("a5", 20, "rag", 5000, {"answer": call("llama", (50, 5), None, 600)}, session="s3", user="u3", **green),
        *run(
            *("a6", 25, "rag", 6000, {"answer": call("gpt-4o", (400, 40), 2.0, 1600, 0.75)}),
            **{"outcome": "abandoned", "session": "s3", "user": "u3", **green, **LONG},
        ),
        *run("a7", 30, "rag", 7000, {}, retrieve=60, outcome="error", error="ValueError", question="What fails?"),
        *run(
            *("a8", 35, "rag", 8000),
            {"retrieve": call("ada", (1000, 0), 0.125, 50), "answer": call("gpt-4o", (60, 6), 0.25, 200)},
            retrieve=70,
            question="And the Firefly?",
            answer="100 % waterproof",
            **blue,
        ),
        span("request", "POST /score", 550, 40, "b1", server=True, pf_monitor__flow="chat"),
        *run("b1", 40, "chat", 500, {"m": call("gpt-4o-mini", (10, 1), 0.125, 300)}, below="b1-POST /score", **blue),
        *run("b2", 45, "chat", 1500, {"m": call("gpt-4o-mini", (20, 2), 0.25, 500)}, outcome="cancelled", **blue),
        *run("b3", 50, "chat", 2500, {}),
        *run("n1", 55, "chat-2", 3500, {"m": call("gpt-4o-mini", (30, 3), 0.5, 700)}),
        error("a3", 10, "openai.RateLimitError", "slow down", "answer"),
        error("a7", 30, "ValueError", "no index", "retrieve", STACK),
        error("a7", 30.5, "ValueError", "still no index", "retrieve", STACK),
        score("a1", 0, "groundedness", 5, "pass"),
        score("a2", 5, "groundedness", 4, "pass"),
        score("a4", 15, "groundedness", 2, "fail", "It invents a colour."),
        score("a6", 25, "groundedness", 1, "fail", "It says nothing."),
        score("a5", 20, "fluency", 4),
        score("a8", 35, "user_feedback", 1.0, "pass"),
        score("a4", 15, "user_feedback", 0.0, "fail", "It is blue!"),
        item("MessageData", {"message": "retrying", "severityLevel": 2}, 5.01, "a2", "a2-answer"),
        counter("% Processor Time", 0, 50),
        counter("% Processor Time", 5, 150),
        counter("% Processor Time", 40, 20),
        counter("Private Bytes", 0, 100e6),
        counter("Private Bytes", 5, 300e6),
    ]
    found += [
        # Of an earlier run; the average has no threshold any more.
        verdict(-4_000, "answers", "r1", "groundedness", "pass rate", "fail", verdict__value=0.1),
        verdict(-4_000, "answers", "r1", "groundedness", "average score", "pass", verdict__value=4.5),
        # Sent twice, as after an interruption.
        *(
            verdict(
                *(minute, "answers", "r2", "groundedness", "pass rate", "inconclusive"),
                **{"verdict__value": 0.75, "verdict__low": 0.5, "verdict__high": 0.875, "verdict__threshold": 0.7},
                **{"verdict__rows": 20, "verdict__more_rows": 300, "evaluator": "judge 1", "flow": "rag"},
            )
            for minute in (50, 51)
        ),
        verdict(
            *(51, "answers", "r2", "tokens", "total tokens", "pass"),
            **{"verdict__value": 4_000, "verdict__threshold": 5_000, "verdict__rows": 40, "flow": "rag"},
        ),
        verdict(-1_000, "nightly", "n1", "fluency", "pass rate", "watched", verdict__value=1, verdict__rows=3),
    ]
    outside = [
        verdict(60, "answers", "r3", "groundedness", "pass rate", "fail"),
        verdict(-31 * 24 * 60, "retired", "x1", "groundedness", "pass rate", "fail"),
        *run("early", -0.001, "rag", 9000, {"answer": call("gpt-4o", (7, 7), 7.0, 9000)}, outcome="error"),
        *run("late", 60, "rag", 9000, {"answer": call("gpt-4o", (7, 7), 7.0, 9000)}, outcome="error"),
        error("late", 60, "KeyError", "late", "answer"),
        score("late", 60, "groundedness", 1, "fail"),
        counter("% Processor Time", 61, 999),
    ]
    return [*found, *outside]


def fill(store: Store) -> None:
    store.append(rows())
