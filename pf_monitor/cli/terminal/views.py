"""How each view is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from pf_monitor.cli.terminal import formats
from pf_monitor.cli.terminal.tables import Column, are_several, print_facts, print_range, print_table
from pf_monitor.views.numbers import Numbers, Sums
from pf_monitor.views.operations import Operations
from pf_monitor.views.overview import Overview
from pf_monitor.views.quality import Quality
from pf_monitor.views.requests import Requests
from pf_monitor.views.scope import ScopeData
from pf_monitor.views.tokens import ModelRow, NodeRow, Tokens

_NOTHING = "No flow has run in this time. `pf-monitor demo` makes some telemetry to look at.\n"


def print_overview(data: Overview, by_model: Sequence[ModelRow], by_node: Sequence[NodeRow], console: Console) -> None:
    """Print the Overview, and below it the models and nodes."""
    now, before = data["now"], data["before"]
    print_head(data["scope"], console)
    print_facts(_numbers(now, before), console)
    if not now["requests"] and not now["model_calls"]:
        console.print(_NOTHING)
        return
    if data["quality"]:
        print_table("Quality", _PASS_RATES, data["quality"], console)
    print_table("By model", _MODELS, by_model, console)
    print_table("By node", _NODES, by_node, console)


def print_tokens(data: Tokens, console: Console) -> None:
    """Print token usage."""
    now = data["now"]
    print_head(data["scope"], console)
    print_facts(
        [
            ("Tokens", formats.count(now["total_tokens"])),
            ("  prompt", formats.count(now["prompt_tokens"])),
            ("  completion", formats.count(now["completion_tokens"])),
            ("  estimated", formats.percent(data["estimated_share"])),
            ("Cost", _cost_of_priced(now)),
        ],
        console,
    )
    if not now["model_calls"]:
        console.print(_NOTHING)
        return
    print_table("By model", _MODEL_TOKENS, data["by_model"], console)
    print_table("By deployment", _DEPLOYMENTS, data["by_deployment"], console)
    print_table("By node", _NODE_TOKENS, data["by_node"], console)
    print_table("Tokens per request", _BUCKETS, map(_bucket, data["distribution"]), console)
    print_table("Most expensive questions", _QUESTIONS, data["expensive_questions"], console)
    print_table("Most expensive sessions", _SESSIONS, data["expensive_sessions"], console)


def print_quality(data: Quality, console: Console) -> None:
    """Print generation quality."""
    print_head(data["scope"], console)
    if data["verdicts"]:
        print_table("Monitors, by their latest run", _VERDICTS, map(_verdict, data["verdicts"]), console)
    if not data["metrics"]:
        console.print("No answer has a score in this time: neither a judge nor a person has given one.\n")
        return
    print_table("Scores", _METRICS, map(_metric, data["metrics"]), console)
    print_table("Worst answers", _WORST, data["worst"], console)


def print_operations(data: Operations, console: Console) -> None:
    """Print operations."""
    now = data["now"]
    print_head(data["scope"], console)
    print_facts(
        [
            ("Requests", formats.count(now["requests"])),
            ("Error rate", f"{formats.percent(now['error_rate'])} ({formats.count(now['failed'])} failed)"),
            ("Latency p50", formats.duration(now["p50_ms"])),
            ("Latency p95", formats.duration(now["p95_ms"])),
            ("Latency p99", formats.duration(now["p99_ms"])),
            ("Throttled", f"{formats.count(data['throttled'])} of {formats.count(now['model_calls'])} model calls"),
            *_process(data),
        ],
        console,
    )
    print_table("Errors", _ERRORS, data["errors"], console)
    print_table("Model calls", _CALLS, data["calls"], console)
    print_table("By node", _LATENCIES, data["by_node"], console)


def print_requests(data: Requests, console: Console) -> None:
    """Print a page of the table of requests."""
    print_head(data["scope"], console)
    print_table(f"Requests ({len(data['rows'])} of {data['total']:,})", _REQUESTS, data["rows"], console)


def print_head(scope: ScopeData, console: Console) -> None:
    """Print the time that a view shows, and its filters."""
    filters: Mapping[str, Any] = scope
    named = [f"{name}={filters[name]}" for name in ("flow", "deployment", "model", "node", "outcome") if filters[name]]
    named += [f"{key}={value}" for key, value in scope["dimensions"].items()]
    print_range(scope["since"], scope["until"], " ".join(escape(one) for one in named), console)


def _numbers(now: Numbers, before: Numbers) -> list[tuple[str, ...]]:
    """The numbers, each with how it compares with the period before."""
    error_rate = f"{formats.percent(now['error_rate'])} ({formats.count(now['failed'])} failed)"
    changed = {name: formats.change(value, old) for name, value, old in _pairs(now, before)}
    return [
        ("Requests", formats.count(now["requests"]), changed["requests"]),
        ("Error rate", error_rate, changed["error_rate"]),
        ("Latency p50", formats.duration(now["p50_ms"]), changed["p50_ms"]),
        ("Latency p95", formats.duration(now["p95_ms"]), changed["p95_ms"]),
        ("Latency p99", formats.duration(now["p99_ms"]), changed["p99_ms"]),
        ("Model calls", formats.count(now["model_calls"]), changed["model_calls"]),
        ("Tokens", formats.count(now["total_tokens"]), changed["total_tokens"]),
        ("  prompt", formats.count(now["prompt_tokens"]), changed["prompt_tokens"]),
        ("  completion", formats.count(now["completion_tokens"]), changed["completion_tokens"]),
        ("Cost", _cost_of_priced(now), changed["cost_usd"]),
    ]


def _pairs(now: Numbers, before: Numbers) -> list[tuple[str, Any, Any]]:
    values: Mapping[str, Any] = now
    old: Mapping[str, Any] = before
    return [(name, values[name], old[name]) for name in values]


def _cost_of_priced(now: Sums) -> str:
    """The cost, with how many calls have no price when some have and some have not."""
    unpriced = now["model_calls"] - now["priced_calls"]
    note = f" (without {formats.count(unpriced)} calls of unknown price)" if now["priced_calls"] and unpriced else ""
    return f"{formats.cost(now['cost_usd'])}{note}"


def _bucket(row: Mapping[str, Any]) -> Mapping[str, Any]:
    low, below = row["tokens"], row["below"]
    label = "0" if below == 1 else f"{low:,} and more" if below is None else f"{low:,} to {below - 1:,}"
    return {"tokens": label, "requests": row["requests"]}


def _verdict(row: Mapping[str, Any]) -> Mapping[str, Any]:
    is_rate, is_tokens = row["measure"] == "pass rate", "tokens" in row["measure"]
    show = formats.percent if is_rate else formats.count if is_tokens else formats.number
    limit = "" if row["threshold"] is None else f"{'at most' if is_tokens else 'at least'} {show(row['threshold'])}"
    ended = "" if row["ending"] in {"", "complete"} else row["ending"]
    settled = f"{row['more_rows']:,} more rows settle it" if row["more_rows"] else ""
    return {
        **row,
        "metric": row["metric"] if is_rate else f"{row['metric']}: {row['measure']}",
        "verdict": row["verdict"].upper(),
        "value": show(row["value"]),
        "interval": formats.interval(row["low"], row["high"]),
        "threshold": limit,
        "note": ", ".join(one for one in (settled, ended) if one),
    }


def _metric(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        **row,
        "pass_interval": formats.interval(row["pass_low"], row["pass_high"]),
        "average_interval": formats.interval(row["average_low"], row["average_high"], ".2f"),
    }


def _process(data: Operations) -> list[tuple[str, ...]]:
    cpu = [point["cpu_percent_max"] for point in data["processes"] if point["cpu_percent_max"] is not None]
    memory = [point["memory_bytes_max"] for point in data["processes"] if point["memory_bytes_max"] is not None]
    facts: list[tuple[str, ...]] = []
    if cpu:
        facts.append(("CPU, most", f"{max(cpu):.0f} % of a core"))
    if memory:
        facts.append(("Memory, most", formats.size(max(memory))))
    return facts


def _same(value: str) -> str:
    """What is written already, and is not to be broken over lines."""
    return value


_SPENT = (
    Column("Prompt", "prompt_tokens", formats.count),
    Column("Completion", "completion_tokens", formats.count),
    Column("Total", "total_tokens", formats.count),
    Column("Cost", "cost_usd", formats.cost),
)
_LATENCY = (Column("p50", "p50_ms", formats.duration), Column("p95", "p95_ms", formats.duration))
_NODE = (
    Column("Flow", "flow", telling=are_several),
    Column("Node", "node"),
    Column("Runs", "runs", formats.count),
    Column("Failed", "failed", formats.count),
)
_MODEL_TOKENS = (
    Column("Model", "model"),
    Column("Calls", "calls", formats.count),
    Column("Failed", "failed", formats.count),
    Column("Estimated", "estimated", formats.count, any),
    *_SPENT,
)
_NODE_TOKENS = (*_NODE, *_SPENT)
_MODELS = (*_MODEL_TOKENS, *_LATENCY)
_NODES = (*_NODE_TOKENS, *_LATENCY)
_LATENCIES = (*_NODE, *_LATENCY)
_DEPLOYMENTS = (
    Column("Deployment", "deployment"),
    Column("Calls", "calls", formats.count),
    Column("Failed", "failed", formats.count),
    *_SPENT,
)
_PASS_RATES = (
    Column("Metric", "metric"),
    Column("Passed", "passed", formats.count),
    Column("Failed", "failed", formats.count),
    Column("Pass rate", "pass_rate", formats.percent),
    Column("Before", "pass_rate_before", formats.percent),
)
_BUCKETS = (Column("Tokens", "tokens"), Column("Requests", "requests", formats.count))
_QUESTIONS = (
    Column("Question", "question", formats.one_line),
    Column("Requests", "requests", formats.count),
    Column("Total", "total_tokens", formats.count),
    Column("Cost", "cost_usd", formats.cost),
)
_SESSIONS = (
    Column("Session", "session"),
    Column("User", "user", telling=any),
    Column("Requests", "requests", formats.count),
    Column("Total", "total_tokens", formats.count),
    Column("Cost", "cost_usd", formats.cost),
)
_VERDICTS = (
    Column("Monitor", "monitor"),
    Column("Metric", "metric"),
    Column("Verdict", "verdict", _same),
    Column("Value", "value", _same),
    Column("95 %", "interval", _same, any),
    Column("Threshold", "threshold", _same, any),
    Column("Judged", "judged", formats.count),
    Column("Said (UTC)", "timestamp", formats.clock),
    Column("", "note", telling=any),
)
_METRICS = (
    Column("Metric", "metric"),
    Column("Judged", "judged", formats.count),
    Column("Coverage", "coverage", formats.percent),
    Column("Average", "average", formats.number),
    Column("95 %", "average_interval", telling=any),
    Column("Pass rate", "pass_rate", formats.percent),
    Column("95 %", "pass_interval", telling=any),
    Column("Violations", "failed", formats.count),
)
_WORST = (
    Column("Metric", "metric"),
    Column("Score", "score", formats.number),
    Column("Question", "question", formats.one_line),
    Column("Answer", "answer", formats.one_line),
    Column("Explanation", "explanation", formats.one_line, any),
    Column("Operation", "operation_Id"),
)
_ERRORS = (
    Column("Type", "type"),
    Column("Errors", "errors", formats.count),
    Column("Requests", "requests", formats.count),
    Column("The latest", "message", formats.one_line),
    Column("Operation", "operation_Id"),
)
_CALLS = (
    Column("Model", "model"),
    Column("Calls", "calls", formats.count),
    Column("Failed", "failed", formats.count),
    Column("Throttled", "throttled", formats.count),
    Column("Streamed", "streamed", formats.count, any),
    Column("First chunk p95", "first_chunk_p95_s", formats.seconds, any),
    *_LATENCY,
)
_REQUESTS = (
    Column("Time (UTC)", "timestamp", formats.clock),
    Column("Flow", "flow", telling=are_several),
    Column("Outcome", "outcome"),
    Column("Took", "duration", formats.duration),
    Column("Tokens", "total_tokens", formats.count),
    Column("Cost", "cost_usd", formats.cost),
    Column("Question", "question", formats.one_line),
    Column("Answer", "answer", formats.one_line),
    Column("Operation", "operation_Id"),
)
