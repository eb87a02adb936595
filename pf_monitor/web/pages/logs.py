"""Logs: a question in KQL, its answer as a table and, where the query says `render`, as a chart."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from pf_monitor.insights import Timespan
from pf_monitor.insights.schema import TABLES
from pf_monitor.table import Column, QueryError, Table, Value
from pf_monitor.views.scope import Scope
from pf_monitor.web import answers
from pf_monitor.web.asked import Asked
from pf_monitor.web.page import Data, Page, Source
from pf_monitor.web.pages.rendered import chart_of

SHOWN_ROWS: Final = 500
"""Rows on the page; a download has all."""

LONGEST_QUERY: Final = 12_000
"""Characters: what a URL has room for, escaped."""

_NUMBERS: Final = frozenset({"int", "long", "real"})

EXAMPLES: Final[Mapping[str, str]] = {
    "Last requests": """requests
| project timestamp, name, duration, success, operation_Id,
    question = tostring(customDimensions.question), answer = tostring(customDimensions.answer)
| order by timestamp desc
| take 20""",
    "Tokens by model": """dependencies
| where tostring(customDimensions["pf_monitor.kind"]) in ("llm", "embedding")
| summarize
    calls = count(),
    prompt = sum(tolong(customDimensions["gen_ai.usage.input_tokens"])),
    completion = sum(tolong(customDimensions["gen_ai.usage.output_tokens"]))
    by model = tostring(customDimensions["gen_ai.response.model"])
| order by calls desc""",
    "Tokens over time": """dependencies
| where tostring(customDimensions["pf_monitor.kind"]) == "llm"
| summarize
    prompt = sum(tolong(customDimensions["gen_ai.usage.input_tokens"])),
    completion = sum(tolong(customDimensions["gen_ai.usage.output_tokens"]))
    by bin(timestamp, 30m)
| order by timestamp asc
| render timechart""",
    "Errors by type": """exceptions
| summarize count() by type
| order by count_ desc
| render barchart""",
    "Slowest nodes": """dependencies
| where tostring(customDimensions["pf_monitor.kind"]) in ("node", "retrieval")
| summarize runs = count(), p50_ms = percentile(duration, 50), p95_ms = percentile(duration, 95) by name
| top 10 by p95_ms""",
    "Disliked answers": """customEvents
| where name == "gen_ai.evaluation.result"
| where tostring(customDimensions["gen_ai.evaluation.score.label"]) == "fail"
| project timestamp, operation_Id, metric = tostring(customDimensions["gen_ai.evaluation.name"]),
    comment = tostring(customDimensions["gen_ai.evaluation.explanation"])
| order by timestamp desc
| take 50""",
}


def collect(source: Source, asked: Asked) -> Data:
    """Return the query with its answer or its error, and the schema of the tables.

    A query that is wrong is what this page is for, so it is data here, and not the page's own failure.
    """
    kql = asked.own.get("q", "")
    data: dict[str, Any] = {"scope": asked.scope.as_json(), "query": kql, "result": None, "error": None}
    if kql.strip():
        try:
            data["result"] = _as_json(_run(source, kql, asked.scope))
        except QueryError as error:
            data["error"] = {"message": error.message, "line": error.line, "pos": error.pos}
    return data


def present(data: Data, _: Asked) -> Mapping[str, Any]:
    """Return the chart, the query with its error marked, and what helps to write one."""
    result = data["result"]
    return {
        "chart": chart_of(result) if result else None,
        "marked": _marked(data["query"], data["error"]) if data["error"] else None,
        "numeric": {column["name"] for column in result["columns"] if column["type"] in _NUMBERS} if result else set(),
        "shown": SHOWN_ROWS,
        "longest": LONGEST_QUERY,
        "examples": EXAMPLES,
        "schema": TABLES,
    }


def download(source: Source) -> Callable[[Request], Response]:
    """Return the endpoint that answers a query with a CSV file."""

    def answer(request: Request) -> Response:
        scope = Scope.from_query(request.query_params.multi_items(), datetime.now(UTC), also=PAGE.own)
        table = _run(source, request.query_params.get("q", ""), scope)
        return answers.file(_csv(table), "text/csv", "query.csv")

    return answer


def _run(source: Source, kql: str, scope: Scope) -> Table:
    if len(kql) > LONGEST_QUERY:
        raise QueryError(
            f"The query has {len(kql):,} characters, and this page takes {LONGEST_QUERY:,}: "
            "run it with `pf-monitor query -`"
        )
    return source.query(kql, Timespan(scope.since, scope.until))


def _as_json(table: Table) -> dict[str, Any]:
    return {
        "columns": [column._asdict() for column in table.columns],
        "rows": table.rows,
        "render": table.visualization,
    }


def _marked(kql: str, error: Mapping[str, Any]) -> list[tuple[int, str, str | None]]:
    """The query's lines by number; the one that is meant in two parts, the second from the place of the error."""
    lines: Sequence[str] = kql.splitlines()
    return [
        (number, line[: error["pos"]], line[error["pos"] :]) if number == error["line"] else (number, line, None)
        for number, line in enumerate(lines, start=1)
    ]


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.name for column in table.columns)
    writer.writerows(
        [_cell(value, column) for value, column in zip(row, table.columns, strict=True)] for row in table.rows
    )
    return text.getvalue()


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: Value, column: Column) -> Value:
    """A cell that a spreadsheet shows, and does not run: text that looks like a formula gets an apostrophe in front."""
    if column.type in _NUMBERS or not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    return f"'{value}"


PAGE: Final = Page(
    path="/logs", title="Logs", template="logs.html", collect=collect, present=present, own=("q",), has_filters=False
)
