"""The report as one page that needs nothing else: to mail, to attach, to print. It has no links and no scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from markupsafe import Markup

from pf_monitor.views.operations import operations
from pf_monitor.views.overview import overview
from pf_monitor.views.quality import quality
from pf_monitor.views.requests import Paging, requests
from pf_monitor.views.scope import Scope
from pf_monitor.views.source import Source
from pf_monitor.views.tokens import tokens
from pf_monitor.web import over_time
from pf_monitor.web.asked import Asked
from pf_monitor.web.pages import operations as operations_page
from pf_monitor.web.pages import overview as overview_page
from pf_monitor.web.pages import quality as quality_page
from pf_monitor.web.pages import tokens as tokens_page
from pf_monitor.web.rendering import render, static_text
from pf_monitor.web.tables import Column, table

_MOST_FAILED: Final = 25
"""Failed requests, the latest, that are listed."""

_FAILED: Final = (
    Column("Time", "timestamp", "time"),
    Column("Flow", "flow", "text"),
    Column("Error", "error_type", "text"),
    Column("Question", "question", "long"),
    Column("Duration", "duration", "ms"),
    Column("Operation", "operation_Id", "request"),
)


def html_report(source: Source, scope: Scope) -> str:
    """Return the report as an HTML page.

    Args:
        source: What answers queries.
        scope: The time range and the filters.

    Raises:
        QueryError: If a query runs too long.
    """
    asked = Asked("/", scope)
    style = static_text("style.css")
    data = overview(source, scope)
    return render(
        "report.html",
        scope=data["scope"],
        filters=asked.filters,
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}",
        overview=data,
        **overview_page.present(data, asked),
        **_tokens(source, scope),
        **_operations(source, scope),
        **_quality(source, scope),
        failed=_failed(source, scope),
    )


def _tokens(source: Source, scope: Scope) -> Mapping[str, Any]:
    data = tokens(source, scope)
    return {
        "token_tables": [
            table("By model", tokens_page.MODELS, data["by_model"], None, empty="No model was called in this time."),
            table("By node", tokens_page.NODES, data["expensive_nodes"], None, empty="No node ran in this time."),
        ],
        "distribution": tokens_page.distribution(data),
    }


def _operations(source: Source, scope: Scope) -> Mapping[str, Any]:
    data = operations(source, scope)
    errors = [column for column in operations_page.ERRORS if column.kind != "request"]
    return {
        "operation_tables": [
            table("Errors", errors, data["errors"], None, empty="No exception in this time."),
            table("Latency by node", operations_page.NODES, data["by_node"], None, empty="No node ran in this time."),
        ],
        "operation_charts": [over_time.error_rate(data["scope"], data["series"]), operations_page.throttled(data)],
    }


def _quality(source: Source, scope: Scope) -> Mapping[str, Any]:
    data = quality(source, scope)
    return {
        "verdicts": quality_page.said_verdicts(data),
        "quality_charts": [quality_page.charts_of(data, row, number) for number, row in enumerate(data["metrics"])],
    }


def _failed(source: Source, scope: Scope) -> Markup:
    failed = replace(scope, filters=replace(scope.filters, outcome="error"))
    found = requests(source, failed, Paging(size=_MOST_FAILED))
    shown = len(found["rows"])
    title = "The latest" if found["total"] == shown else f"The latest {shown} of {found['total']:,}"
    return table(title, _FAILED, found["rows"], None, empty="No request failed in this time.")
