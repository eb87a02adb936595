"""Token usage: tokens and cost over time, by what spent them, and the most expensive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pf_monitor.views.tokens import Tokens, tokens
from pf_monitor.web import over_time
from pf_monitor.web.asked import Asked
from pf_monitor.web.charts import Bin, histogram
from pf_monitor.web.formats import TOKENS
from pf_monitor.web.page import Data, Page, Source
from pf_monitor.web.tables import Column, table
from pf_monitor.web.tiles import Tile

_TOKENS: Final = (
    Column("Prompt", "prompt_tokens", "tokens"),
    Column("Completion", "completion_tokens", "tokens"),
    Column("Total", "total_tokens", "tokens"),
    Column("Cost", "cost_usd", "usd"),
)
MODELS: Final = (
    Column("Model", "model", "text", filter="model"),
    Column("Calls", "calls", "count"),
    Column("Estimated", "estimated", "count"),
    *_TOKENS,
)
_DEPLOYMENTS: Final = (
    Column("Deployment", "deployment", "text", filter="deployment"),
    Column("Calls", "calls", "count"),
    *_TOKENS,
)
NODES: Final = (
    Column("Node", "node", "text", filter="node"),
    Column("Flow", "flow", "text", filter="flow"),
    Column("Runs", "runs", "count"),
    *_TOKENS,
)
_QUESTIONS: Final = (
    Column("Question", "question", "long"),
    Column("Requests", "requests", "count"),
    Column("Tokens", "total_tokens", "tokens"),
    Column("Cost", "cost_usd", "usd"),
    Column("Latest", "last_seen", "time"),
    Column("Request", "operation_Id", "request"),
)
_SESSIONS: Final = (
    Column("Session", "session", "text"),
    Column("User", "user", "text"),
    Column("Requests", "requests", "count"),
    Column("Tokens", "total_tokens", "tokens"),
    Column("Cost", "cost_usd", "usd"),
    Column("First", "first_seen", "time"),
    Column("Latest", "last_seen", "time"),
)


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data."""
    return tokens(source, asked.scope)


def present(data: Tokens, asked: Asked) -> Mapping[str, Any]:
    """Return tiles, charts and tables."""
    scope, points = data["scope"], data["series"]
    nothing = "Nothing in this time."
    return {
        "tiles": _tiles(data),
        "over_time": [over_time.tokens(scope, points), over_time.cost(scope, points)],
        "distribution": distribution(data),
        "tables": [
            table("By model", MODELS, data["by_model"], asked, empty=nothing),
            table("By deployment", _DEPLOYMENTS, data["by_deployment"], asked, empty=nothing),
            table("Most expensive nodes", NODES, data["expensive_nodes"], asked, empty=nothing),
            table("Most expensive questions", _QUESTIONS, data["expensive_questions"], asked, empty=nothing),
            table(
                "Most expensive sessions", _SESSIONS, data["expensive_sessions"], asked, empty="No session is known."
            ),
        ],
    }


def _tiles(data: Tokens) -> list[Tile]:
    now = data["now"]
    calls = f"{now['estimated_calls']:,} of {now['model_calls']:,} calls"
    each = now["total_tokens"] / now["requests"] if now["requests"] else None
    return [
        Tile("total_tokens", "Tokens", now["total_tokens"], "tokens"),
        Tile("prompt_tokens", "Prompt", now["prompt_tokens"], "tokens"),
        Tile("completion_tokens", "Completion", now["completion_tokens"], "tokens"),
        Tile("per_request", "Tokens per request", each, "tokens"),
        Tile("cost_usd", "Cost", now["cost_usd"], "usd"),
        Tile("estimated_share", "Estimated", data["estimated_share"], "share", calls),
    ]


def distribution(data: Tokens) -> Any:
    """Draw how many tokens requests spent."""
    bins = [Bin(one["tokens"], one["below"], one["requests"]) for one in data["distribution"]]
    note = "Each bar is a range of tokens; how many requests spent that many."
    return histogram("distribution-chart", "Tokens per request", bins, unit=TOKENS, note=note)


PAGE: Final = Page(path="/tokens", title="Token usage", template="tokens.html", collect=collect, present=present)
