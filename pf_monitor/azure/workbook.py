"""The workbook: the pages of the dashboard, made of the same queries, for Azure's portal.

A page is a list of `Part`s. Time range and filters are workbook parameters, which the `let` lines and conditions in
front of a query take their values from.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pf_monitor import queries
from pf_monitor.azure.arm import LOCATION, Json, Place, resource_id_parameter, template
from pf_monitor.queries import Choice, Expression, Filters, Parameter

_API: Final = "2023-06-01"
_RESOURCE: Final = "{pf-monitor: resource id}"
"""What stands in the content for the resource's id, until it is deployed."""

EVERYTHING: Final = "*"
"""What a filter is when it does not filter."""


def _picked(name: str) -> str:
    return f'"{{{name}:escapejson}}"'


_SINCE: Final = Expression("datetime({TimeRange:startISO})")
_UNTIL: Final = Expression("datetime({TimeRange:endISO})")
_FILTERS: Final = Filters(
    flow=Choice(_picked("Flow")),
    deployment=Choice(_picked("Deployment")),
    model=Choice(_picked("Model")),
    node=Choice(_picked("Node")),
    outcome=Choice(_picked("Outcome")),
    dimensions=((Expression(_picked("DimensionKey")), Choice(_picked("DimensionValue"))),),
)
_VALUES: Final[dict[str, Parameter]] = {
    "since": _SINCE,
    "until": _UNTIL,
    "step": Expression("{TimeRange:grain}"),
    "operation": Expression(_picked("Operation")),
    "words": Expression(_picked("Words")),
    "sorted_by": Expression(_picked("SortedBy")),
    "descending": True,
    "upto": 200,
    "size": 200,
}


@dataclass(frozen=True)
class Part:
    """One query of a page, and how it is shown."""

    title: str
    query: str
    """The file in `pf_monitor.queries`, without `.kql`."""
    visualization: str = "table"
    x: str | None = None
    y: Sequence[str] = ()
    group: str | None = None
    width: int = 100
    """The share of the page's width, in percent."""
    opens_request: bool = False
    """Whether choosing a row shows its request below."""
    sorted_by: str | None = None
    """The column that is sorted by, greatest first."""
    more: Json = field(default_factory=dict)


def _over_time(title: str, query: str, *columns: str, group: str | None = None, width: int = 50) -> Part:
    return Part(title, query, "timechart", "t", columns, group, width)


PAGES: Final[dict[str, Sequence[Part]]] = {
    "Overview": (
        Part("The whole application", "summary"),
        _over_time("Requests", "series", "requests", "failed"),
        _over_time("Latency (ms)", "series", "p50_ms", "p95_ms", "p99_ms"),
        _over_time("Tokens", "series", "prompt_tokens", "completion_tokens"),
        _over_time("Cost (US dollars)", "series", "cost_usd"),
        Part("Quality pass rates", "quality_summary"),
    ),
    "Token usage": (
        _over_time("Tokens", "series", "prompt_tokens", "completion_tokens"),
        _over_time("Cost (US dollars)", "series", "cost_usd"),
        Part("By model", "by_model"),
        Part("By node", "by_node"),
        Part("By deployment", "by_deployment", width=50),
        Part("Requests by tokens spent", "token_histogram", "barchart", "tokens", ("requests",), width=50),
        Part("Most expensive questions", "expensive_questions", opens_request=True),
        Part("Most expensive sessions", "expensive_sessions"),
    ),
    "Generation quality": (
        Part("What monitors say", "quality_verdicts"),
        Part("By metric", "quality_summary"),
        _over_time("Pass rate", "quality_series", "pass_rate", group="metric"),
        _over_time("Average score", "quality_series", "average", group="metric"),
        Part("Scores", "score_histogram", "barchart", "bucket", ("scores",), "metric", 50),
        Part("Judged flow runs", "coverage", width=50),
        Part("The worst answers", "worst_answers", opens_request=True),
    ),
    "Operational": (
        _over_time("Requests", "series", "requests", "failed"),
        _over_time("Latency (ms)", "series", "p50_ms", "p95_ms", "p99_ms"),
        Part("Errors by type", "errors_by_type", opens_request=True),
        Part("Nodes", "by_node"),
        Part("Model calls", "call_health"),
        _over_time("Throttled model calls", "call_series", "throttled"),
        _over_time("Time to first token (s)", "call_series", "first_chunk_p50_s", "first_chunk_p95_s"),
        _over_time("CPU (percent of a core)", "processes", "cpu_percent", "cpu_percent_max"),
        _over_time("Memory (bytes)", "processes", "memory_bytes", "memory_bytes_max"),
    ),
    "Requests": (
        Part("Requests: choose one to see it whole", "requests_page", opens_request=True, sorted_by="timestamp"),
    ),
}
"""What each page shows, in its order."""

_REQUEST: Final = Part("Request {Operation}", "request")


def workbook_template(place: Place) -> Json:
    """Return the template of the workbook.

    Args:
        place: What it looks at.
    """
    resource = {
        "type": "Microsoft.Insights/workbooks",
        "apiVersion": _API,
        "name": "[guid(parameters('resourceId'), 'pf-monitor', 'workbook')]",
        "location": "[parameters('location')]",
        "kind": "shared",
        "properties": {
            "displayName": "[parameters('displayName')]",
            "category": "workbook",
            "version": "Notebook/1.0",
            "sourceId": "[toLower(parameters('resourceId'))]",
            "serializedData": f"[replace(variables('content'), '{_RESOURCE}', parameters('resourceId'))]",
        },
    }
    parameters = {
        "resourceId": resource_id_parameter(place),
        "location": LOCATION,
        "displayName": {
            "type": "string",
            "defaultValue": "pf-monitor",
            "metadata": {"description": "The workbook's name in the portal."},
        },
    }
    content = json.dumps(_content(place), ensure_ascii=False, separators=(",", ":"))
    return template(parameters, [resource], {"content": content})


def _content(place: Place) -> Json:
    pages = list(PAGES)
    return {
        "version": "Notebook/1.0",
        "items": [
            _parameters(place),
            _tabs(pages),
            *(_page(title, PAGES[title], place) for title in pages),
            _group("request", [_query(_REQUEST, place)], "Operation", None),
        ],
        "fallbackResourceIds": [_RESOURCE],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }


def _page(title: str, parts: Iterable[Part], place: Place) -> Json:
    items = [_query(part, place) for part in parts]
    return _group(title, [_search(place), *items] if title == "Requests" else items, "Page", title)


def _group(name: str, items: Sequence[Json], parameter: str, value: str | None) -> Json:
    """Items that are shown while a parameter has a value; None means any."""
    shown = {"comparison": "isEqualTo", "value": value} if value is not None else {"comparison": "isNotEqualTo"}
    return {
        "type": 12,
        "content": {"version": "NotebookGroup/1.0", "groupType": "editable", "items": list(items)},
        "conditionalVisibility": {"parameterName": parameter, **shown},
        "name": name,
    }


def _query(part: Part, place: Place) -> Json:
    asked = {name: _VALUES[name] for name in queries.parameters(part.query)}
    content: Json = {
        "version": "KqlItem/1.0",
        "query": place.query(queries.load(part.query, _FILTERS, **asked)),
        "size": 0,
        "title": part.title,
        "noDataMessage": "Nothing in this time range and with these filters.",
        "timeContextFromParameter": "TimeRange",
        "queryType": 0,
        "resourceType": place.resource_type,
        "visualization": part.visualization,
        **_chart(part),
    }
    if part.visualization == "table":
        content["gridSettings"] = {"filter": True, "rowLimit": 1000}
    if part.sorted_by is not None:
        order = [{"itemKey": part.sorted_by, "sortOrder": 2}]
        content |= {"sortBy": order, "gridSettings": content["gridSettings"] | {"sortBy": order}}
    if part.opens_request:
        content |= {"exportFieldName": "operation_Id", "exportParameterName": "Operation", "exportDefaultValue": ""}
    item: Json = {"type": 3, "content": content, "name": f"{part.query}: {part.title}"}
    return item if part.width == 100 else item | {"customWidth": str(part.width)}


def _chart(part: Part) -> Json:
    if part.x is None:
        return {}
    settings: Json = {"xAxis": part.x, "yAxis": list(part.y)}
    return {"chartSettings": settings if part.group is None else settings | {"group": part.group}}


def _tabs(pages: Iterable[str]) -> Json:
    links = [
        {
            "id": _id(f"tab {page}"),
            "cellValue": "Page",
            "linkTarget": "parameter",
            "linkLabel": page,
            "subTarget": page,
            "style": "link",
        }
        for page in pages
    ]
    return {"type": 11, "content": {"version": "LinkItem/1.0", "style": "tabs", "links": links}, "name": "pages"}


_DAY_MS: Final = 86_400_000
_RANGES_MS: Final = (900_000, 3_600_000, 14_400_000, 43_200_000, *(days * _DAY_MS for days in (1, 3, 7, 30)))


def _parameters(place: Place) -> Json:
    time_range = _parameter("TimeRange", "Time range", 4, isRequired=True, value={"durationMs": _DAY_MS})
    time_range["typeSettings"] = {"selectableValues": [{"durationMs": one} for one in _RANGES_MS], "allowCustom": True}
    outcomes = [{"value": EVERYTHING, "label": "All", "selected": True}]
    outcomes += [{"value": one, "label": one} for one in ("ok", "error", "cancelled", "abandoned")]
    return _parameter_item(
        "filters",
        place,
        [
            time_range,
            *(_seen(name, place) for name in ("Flow", "Deployment", "Model", "Node")),
            _listed("Outcome", "Outcome", outcomes),
            _parameter("DimensionKey", "Custom dimension", 1, value=EVERYTHING),
            _parameter("DimensionValue", "Its value", 1, value=EVERYTHING),
        ],
    )


def _search(place: Place) -> Json:
    orders = [{"value": "time", "label": "latest", "selected": True}]
    orders += [{"value": one, "label": f"most {one}"} for one in ("duration", "tokens", "cost")]
    return _parameter_item(
        "search",
        place,
        [_parameter("Words", "Words in question or answer", 1, value=""), _listed("SortedBy", "Show the", orders)],
    )


def _parameter_item(name: str, place: Place, parameters: Sequence[Json]) -> Json:
    content = {
        "version": "KqlParameterItem/1.0",
        "parameters": list(parameters),
        "style": "pills",
        "queryType": 0,
        "resourceType": place.resource_type,
    }
    return {"type": 9, "content": content, "name": name}


def _parameter(name: str, label: str, kind: int, **more: Any) -> Json:
    return {
        "id": _id(f"parameter {name}"),
        "version": "KqlParameterItem/1.0",
        "name": name,
        "label": label,
        "type": kind,
        "isRequired": False,
        **more,
    }


def _listed(name: str, label: str, values: Sequence[Json]) -> Json:
    """A drop-down of fixed values."""
    return _parameter(name, label, 2, isRequired=True, jsonData=json.dumps(values), value=values[0]["value"])


def _seen(name: str, place: Place) -> Json:
    """A drop-down of what there is in the time range."""
    column = name.lower()
    kql = queries.load("choices", since=_SINCE, until=_UNTIL).rstrip() + (
        f"\n| where isnotempty({column})"
        f"\n| distinct {column}"
        f"\n| project value = {column}, label = {column}, place = 1"
        f'\n| union (print value = "{EVERYTHING}", label = "All", place = 0)'
        "\n| order by place asc, label asc"
        "\n| project value, label"
    )
    return _parameter(
        name,
        name,
        2,
        isRequired=True,
        query=place.query(kql),
        timeContextFromParameter="TimeRange",
        queryType=0,
        resourceType=place.resource_type,
        typeSettings={"additionalResourceOptions": [], "showDefault": False},
        value=EVERYTHING,
    )


def _id(name: str) -> str:
    """A GUID that is the same at every export."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"pf-monitor/workbook/{name}"))
