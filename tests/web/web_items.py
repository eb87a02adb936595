"""Telemetry for pages: a few requests at known times, one of them as nasty as people can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
RANGE = "from=2024-05-01T12:00:00Z&to=2024-05-01T13:00:00Z"
BEFORE = "from=2024-05-01T11:00:00Z&to=2024-05-01T12:00:00Z"
"""The hour with all items, and the one before, which has none."""

GOOD, FAILED, HOSTILE = ("a" * 31 + "1", "b" * 31 + "2", "c" * 31 + "3")
"""The requests, by operation."""

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}\u202eshalom\u202c שלום\x07 " + "w" * 3_000
NASTY_SHOWN = NASTY.replace("\x07", "\u2407")
"""What people say, and how a page shows it."""

Properties = Mapping[str, object]


def item(base_type: str, minute: float, operation: str, properties: Properties, **base: Any) -> dict[str, Any]:
    """An item as the exporter sends one."""
    tags = {"ai.operation.id": operation, "ai.cloud.role": "chat"}
    if parent := base.pop("parent", None):
        tags["ai.operation.parentId"] = parent
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in properties.items()}
    return {
        "name": base_type,
        "time": (START + timedelta(minutes=minute)).isoformat(),
        "iKey": "k",
        "tags": tags,
        "data": {"baseType": base_type, "baseData": {"ver": 2, "properties": texts, **base}},
    }


def flow(minute: float, operation: str, seconds: float, *, ok: bool = True, **properties: object) -> dict[str, Any]:
    named = {
        "pf_monitor.kind": "flow",
        "pf_monitor.flow": "chat",
        "pf_monitor.outcome": "ok" if ok else "error",
        "pf_monitor.request_id": f"request-{operation[0]}",
        "pf_monitor.usage.input_tokens": 1_200,
        "pf_monitor.usage.output_tokens": 34,
        "pf_monitor.usage.total_tokens": 1_234,
        "pf_monitor.usage.cost_usd": 0.0025,
        **properties,
    }
    base = {"id": f"flow-{operation[0]}", "name": "chat", "duration": f"00:00:{seconds:09.6f}", "success": ok}
    return item("RequestData", minute, operation, named, **base)


def call(minute: float, operation: str, seconds: float, *, ok: bool = True, **properties: object) -> dict[str, Any]:
    named = {
        "pf_monitor.kind": "llm",
        "pf_monitor.flow": "chat",
        "pf_monitor.node": "ask",
        "pf_monitor.outcome": "ok" if ok else "error",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1_200,
        "gen_ai.usage.output_tokens": 34,
        "pf_monitor.usage.cost_usd": 0.0025,
        "gen_ai.input.messages": [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {"role": "user", "parts": [{"type": "text", "content": NASTY}]},
        ],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "As you like."}]}],
        **properties,
    }
    base = {"id": f"call-{operation[0]}", "name": "chat gpt-4o", "duration": f"00:00:{seconds:09.6f}", "success": ok}
    return item("RemoteDependencyData", minute, operation, named, parent=f"flow-{operation[0]}", **base)


def verdict(metric: str, measure: str, label: str, *, ending: str = "complete", **facts: object) -> dict[str, Any]:
    named = {
        "pf_monitor.monitor": "answers",
        "pf_monitor.flow": "chat",
        "pf_monitor.evaluator": "gpt-4o, azure-ai-evaluation 1.18.10",
        "gen_ai.evaluation.name": metric,
        "pf_monitor.verdict.measure": measure,
        "pf_monitor.verdict.run": "r1",
        "pf_monitor.verdict.signal": "quality",
        "pf_monitor.verdict.ending": ending,
        "pf_monitor.verdict.rows": 40,
        "pf_monitor.verdict.window_start": (START - timedelta(days=1)).isoformat(),
        "pf_monitor.verdict.window_end": START.isoformat(),
        **{f"pf_monitor.verdict.{name}": value for name, value in {"label": label, **facts}.items()},
    }
    return item("EventData", 45, "", named, name="pf_monitor.verdict")


VERDICTS = [
    verdict(
        "groundedness", "pass rate", "inconclusive", value=0.75, low=0.598, high=0.858, threshold=0.7, more_rows=296
    ),
    verdict("groundedness", "average score", "pass", value=4.1, threshold=3.5),
    verdict("tokens", "total tokens", "fail", value=1_234_567, threshold=1_000_000, ending="out of budget"),
]

ITEMS = [
    flow(1, GOOD, 2, question="How much?", answer="Ten euros.", context=["a price list"]),
    call(1, GOOD, 1.5),
    flow(20, FAILED, 4, ok=False, question="=1+1", **{"pf_monitor.error.type": "openai.RateLimitError"}),
    call(20, FAILED, 3.5, ok=False, **{"pf_monitor.error.type": "openai.RateLimitError"}),
    item(
        "ExceptionData",
        20.01,
        FAILED,
        {"pf_monitor.flow": "chat", "pf_monitor.node": "ask", "pf_monitor.request_id": "request-b"},
        parent="call-b",
        exceptions=[
            {
                "typeName": "openai.RateLimitError",
                "message": "slow down <b>now</b>",
                "hasFullStack": True,
                "stack": 'Traceback (most recent call last):\n  File "chat.py", line 3, in ask\n    raise it\n',
            }
        ],
    ),
    flow(40, HOSTILE, 1, question=NASTY, answer=NASTY, **{NASTY[:60]: NASTY[:60]}),
    call(40, HOSTILE, 0.5),
    item("MessageData", 40.001, HOSTILE, {"note": NASTY[:80]}, parent="flow-c", message=NASTY[:200], severityLevel=2),
    item(
        "EventData",
        41,
        HOSTILE,
        {
            "gen_ai.evaluation.name": "user_feedback",
            "gen_ai.evaluation.score.value": 0,
            "gen_ai.evaluation.score.label": "fail",
            "gen_ai.evaluation.explanation": NASTY[:200],
        },
        parent="flow-c",
        name="gen_ai.evaluation.result",
    ),
    *VERDICTS,
    verdict(NASTY[:100], "pass rate", NASTY[:60]),
]

PAGES = [
    "/",
    "/tokens",
    "/quality",
    "/operations",
    "/requests",
    "/alerts",
    "/logs",
    f"/requests/{HOSTILE}",
    f"/requests/{FAILED}",
]
