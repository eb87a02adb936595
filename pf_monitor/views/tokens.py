"""Token usage: tokens and cost over time, by what spent them, and the most expensive."""

from __future__ import annotations

from typing import TypedDict, cast

from pf_monitor.views.numbers import Sums, SumsPoint, sums, sums_series
from pf_monitor.views.scope import Scope, ScopeData
from pf_monitor.views.source import Record, Source, ask, at_once


class ModelSums(TypedDict):
    """The calls of one model; `item_kind` is `llm` or `embedding`."""

    model: str
    item_kind: str
    calls: int
    failed: int
    estimated: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float | None


class ModelRow(ModelSums):
    """The calls of one model, their latencies in milliseconds."""

    p50_ms: float | None
    p95_ms: float | None


class DeploymentRow(TypedDict):
    """The model calls of one deployment of a flow; the name is empty where it is not known."""

    deployment: str
    calls: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float | None


class NodeSums(TypedDict):
    """The runs of one node; `item_kind` is `node` or `retrieval`. Tokens are those of the calls beneath it."""

    flow: str
    node: str
    item_kind: str
    runs: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float | None


class NodeRow(NodeSums):
    """The runs of one node, their latencies in milliseconds."""

    p50_ms: float | None
    p95_ms: float | None


class TokenBucket(TypedDict):
    """Requests that spent at least `tokens` tokens, and less than `below`, which the last bucket does not have."""

    tokens: int
    below: int | None
    requests: int


class QuestionRow(TypedDict):
    """All requests that asked one question; `operation_Id` is that of the latest."""

    question: str
    requests: int
    total_tokens: int
    cost_usd: float | None
    last_seen: str
    operation_Id: str


class SessionRow(TypedDict):
    """The requests of one session."""

    session: str
    user: str
    requests: int
    total_tokens: int
    cost_usd: float | None
    first_seen: str
    last_seen: str


class Tokens(TypedDict):
    """The page's data.

    Attributes:
        estimated_share: The share of the tokens that was estimated, 0 to 1; None where there are none.
        expensive_nodes: At most ten rows of `by_node`, the most expensive first.
    """

    scope: ScopeData
    now: Sums
    estimated_share: float | None
    series: list[SumsPoint]
    by_model: list[ModelSums]
    by_deployment: list[DeploymentRow]
    by_node: list[NodeSums]
    distribution: list[TokenBucket]
    expensive_nodes: list[NodeSums]
    expensive_questions: list[QuestionRow]
    expensive_sessions: list[SessionRow]


_BUCKETS = (0, 1, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""The buckets of `token_histogram.kql`."""

_MOST_EXPENSIVE = 10


def tokens(source: Source, scope: Scope) -> Tokens:
    """Return what the page of tokens shows."""
    with at_once() as asking:
        questions = asking.submit(ask, source, "expensive_questions", scope)
        by_node = asking.submit(ask, source, "by_node", scope, NodeSums.__annotations__)
        now = asking.submit(sums, source, scope)
        by_model = asking.submit(ask, source, "by_model", scope, ModelSums.__annotations__)
        points = asking.submit(sums_series, source, scope)
        sessions = asking.submit(ask, source, "expensive_sessions", scope)
        by_deployment = asking.submit(ask, source, "by_deployment", scope)
        buckets = asking.submit(ask, source, "token_histogram", scope)
    total = now.result()["total_tokens"]
    node_rows = [cast(NodeSums, row) for row in by_node.result()]
    return Tokens(
        scope=scope.as_json(),
        now=now.result(),
        estimated_share=now.result()["estimated_tokens"] / total if total else None,
        series=points.result(),
        by_model=[cast(ModelSums, row) for row in by_model.result()],
        by_deployment=[cast(DeploymentRow, row) for row in by_deployment.result()],
        by_node=node_rows,
        distribution=_distribution(buckets.result()),
        expensive_nodes=sorted(node_rows, key=_expense, reverse=True)[:_MOST_EXPENSIVE],
        expensive_questions=[cast(QuestionRow, row) for row in questions.result()],
        expensive_sessions=[cast(SessionRow, row) for row in sessions.result()],
    )


def models(source: Source, scope: Scope) -> list[ModelRow]:
    """Return model calls by model."""
    return [cast(ModelRow, row) for row in ask(source, "by_model", scope)]


def nodes(source: Source, scope: Scope) -> list[NodeRow]:
    """Return runs of nodes by node."""
    return [cast(NodeRow, row) for row in ask(source, "by_node", scope)]


def _expense(row: NodeSums) -> tuple[float, int]:
    return (row["cost_usd"] or 0.0, row["total_tokens"])


def _distribution(rows: list[Record]) -> list[TokenBucket]:
    """All buckets up to the last that has requests."""
    found = {row["tokens"]: row["requests"] for row in rows}
    last = max(found, default=-1)
    return [
        TokenBucket(tokens=low, below=high, requests=found.get(low, 0))
        for low, high in zip(_BUCKETS, (*_BUCKETS[1:], None), strict=True)
        if low <= last
    ]
