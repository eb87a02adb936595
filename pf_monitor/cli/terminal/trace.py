"""How the trace of a request is printed: a tree with a bar for each step's time."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pf_monitor.cli.terminal import formats
from pf_monitor.cli.terminal.tables import Column, print_facts, print_table
from pf_monitor.views.trace import Trace, TraceSpan

_BAR = 24
"""Characters of a bar that is as long as the request."""

_LONGEST = 2_000
"""Characters of a question, answer or context that are printed."""


def print_trace(data: Trace, console: Console) -> None:
    """Print the trace of one request."""
    console.print()
    spent = f"{formats.count(data['prompt_tokens'])} + {formats.count(data['completion_tokens'])} tokens"
    print_facts(
        [
            (data["flow"] or "request", f"{formats.clock(data['started'])} UTC"),
            ("Outcome", data["outcome"]),
            ("Took", formats.duration(data["total_ms"])),
            ("Spent", f"{spent}, {formats.cost(data['cost_usd'])}"),
            *data["correlation"].items(),
            *data["dimensions"].items(),
        ],
        console,
    )
    _print_steps(data, console)
    for label, text in (("Question", data["question"]), ("Answer", data["answer"]), ("Context", data["context"])):
        if text:
            console.print(Text(label, style="bold"))
            console.print(Text(text[:_LONGEST] + ("…" if len(text) > _LONGEST else "")))
            console.print()
    for error in data["errors"]:
        console.print(Text(f"{error['type']}: {error['message']}", style="bold red"))
        console.print(Text(error["stack"], style="dim"))
    if data["scores"]:
        print_table("Scores", _SCORES, data["scores"], console)
    if data["logs"]:
        print_table("Logs", _LOGS, data["logs"], console)


def _print_steps(data: Trace, console: Console) -> None:
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in ("Step", "Kind", "Outcome", "Tokens", "Took", ""):
        table.add_column(header, justify="right" if header in {"Tokens", "Took"} else "left")
    for span in data["spans"]:
        sides = [side for side in (span["prompt_tokens"], span["completion_tokens"]) if side is not None]
        table.add_row(
            Text("  " * min(span["depth"], 20) + span["name"]),
            Text(span["kind"]),
            Text(span["outcome"], style="red" if span["is_failed"] else ""),
            Text(" + ".join(formats.count(side) for side in sides)),
            Text(formats.duration(span["duration_ms"])),
            Text(_bar(span, data["total_ms"])),
        )
    console.print(table)
    console.print()


def _bar(span: TraceSpan, total_ms: float) -> str:
    if total_ms <= 0:
        return ""
    start = min(_BAR - 1, int(span["offset_ms"] / total_ms * _BAR))
    length = max(1, min(_BAR - start, round(span["duration_ms"] / total_ms * _BAR)))
    return " " * start + "━" * length


_SCORES = (
    Column("Metric", "metric"),
    Column("Score", "score", formats.number),
    Column("Label", "label"),
    Column("Explanation", "explanation", formats.one_line, any),
    Column("By", "evaluator"),
)
_LOGS = (Column("Time (UTC)", "timestamp", formats.clock), Column("Message", "message", formats.one_line))
