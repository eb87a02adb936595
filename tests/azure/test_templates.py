"""What is exported deploys as far as Azure's own models can tell, and holds only queries that run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from arm_expressions import deployed, expressions, names
from azure.mgmt.applicationinsights.v2023_06_01.models import Workbook
from azure.mgmt.monitor.models import ActionGroupResource, ScheduledQueryRuleResource
from kusto import CLASSIC, findings
from workspace_schema import WORKSPACE

from pf_monitor import queries
from pf_monitor.alerts.rules import DEFAULTS
from pf_monitor.azure import workspace
from pf_monitor.azure.arm import Place
from pf_monitor.azure.export import contents
from pf_monitor.azure.workbook import PAGES
from pf_monitor.insights import Store
from pf_monitor.insights.schema import TABLES

COMPONENT = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Insights/components/shop"
PLACES = {
    "resource": Place(COMPONENT),
    "workspace": Place(
        "/subscriptions/0/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs", is_workspace=True
    ),
}
MODELS = {
    "Microsoft.Insights/workbooks": Workbook,
    "Microsoft.Insights/scheduledQueryRules": ScheduledQueryRuleResource,
    "Microsoft.Insights/actionGroups": ActionGroupResource,
}
PARAMETERS = {
    "workbook.json": {},
    "alerts.json": {"emails": ["a@example.com", "b@example.com"], "webhookUri": "https://example.com/hook"},
    "queries.json": {},
}
PICKED = {
    "TimeRange:startISO": "2024-05-01T00:00:00.000Z",
    "TimeRange:endISO": "2024-05-02T00:00:00.000Z",
    "TimeRange:grain": "30m",
    "SortedBy:escapejson": "time",
    "Words:escapejson": "",
    "Operation:escapejson": "0af7651916cd43dd8448eb211c80319c",
}


@pytest.fixture(params=PLACES, scope="module")
def place(request) -> Place:
    return PLACES[request.param]


@pytest.fixture(scope="module")
def templates(place) -> dict[str, Any]:
    files = contents(DEFAULTS.values(), place)
    return {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}


def resources(templates: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for name, template in templates.items() for one in deployed(template, PARAMETERS[name])]


def workbook_items(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield item
        yield from workbook_items(item["content"].get("items", []))
        yield from ({"content": one} for one in item["content"].get("parameters", []))


def workbook(templates: dict[str, Any]) -> dict[str, Any]:
    [resource] = deployed(templates["workbook.json"], {})
    return json.loads(resource["properties"]["serializedData"])


def every_query(templates: dict[str, Any]) -> dict[str, str]:
    """Every query in the templates, by where it stands, with what a reader of the workbook picks."""
    found: dict[str, str] = {}
    for resource in resources(templates):
        properties = resource["properties"]
        if "body" in properties:
            found[f"saved {properties['displayName']}"] = properties["body"]
        for condition in properties.get("criteria", {}).get("allOf", []):
            found[f"alert {properties['displayName']}"] = condition["query"]
    for number, item in enumerate(workbook_items(workbook(templates)["items"])):
        if "query" in item["content"]:
            found[f"workbook {number} {item['content'].get('title')}"] = picked(item["content"]["query"])
    return found


def picked(kql: str) -> str:
    return re.sub(r"\{(\w+:\w+)\}", lambda match: PICKED.get(match[1], "*"), kql)


def test_every_parameter_and_variable_is_declared_and_used(templates):
    for name, template in templates.items():
        assert names(template, "parameters") == template["parameters"].keys(), name
        assert names(template, "variables") == template["variables"].keys(), name
        assert expressions(template), name


def test_azures_models_take_every_resource_whole(templates):
    kinds = set()
    for resource in resources(templates):
        kinds.add(resource["type"])
        if model := MODELS.get(resource["type"]):
            read = model.deserialize(resource)
            assert read.validate() == [] if hasattr(read, "validate") else True
            written = read.serialize(keep_readonly=True)
            left_out = {"apiVersion", "dependsOn"}
            assert compared(written) == compared({key: one for key, one in resource.items() if key not in left_out})
    assert kinds == MODELS.keys() | {
        "Microsoft.OperationalInsights/queryPacks",
        "Microsoft.OperationalInsights/queryPacks/queries",
    }


def compared(node: Any) -> Any:
    """A resource without empty lists, which the models leave out or not as they like."""
    if isinstance(node, dict):
        return {key: compared(value) for key, value in node.items() if value not in ([], None)}
    if isinstance(node, list):
        return [compared(value) for value in node]
    return float(node) if isinstance(node, int) and not isinstance(node, bool) else node


def test_the_action_group_tells_whom_the_deployment_names(templates):
    def group(parameters):
        return next(
            one["properties"]
            for one in deployed(templates["alerts.json"], parameters)
            if "groupShortName" in one["properties"]
        )

    told = group(PARAMETERS["alerts.json"])
    assert [one["emailAddress"] for one in told["emailReceivers"]] == ["a@example.com", "b@example.com"]
    assert [one["serviceUri"] for one in told["webhookReceivers"]] == ["https://example.com/hook"]
    nobody = group({})
    assert (nobody["emailReceivers"], nobody["webhookReceivers"]) == ([], [])


def test_alert_rules_are_those_of_the_laptop(templates):
    rules = {
        one["properties"]["displayName"]: one["properties"]
        for one in deployed(templates["alerts.json"], {})
        if one["type"].endswith("scheduledQueryRules")
    }
    assert rules.keys() == {f"pf-monitor: {name}" for name in DEFAULTS}
    rate = rules["pf-monitor: error-rate"]
    [condition] = rate["criteria"]["allOf"]
    assert (rate["windowSize"], rate["evaluationFrequency"], rate["severity"]) == ("PT15M", "PT5M", 1)
    assert (condition["operator"], condition["threshold"], condition["timeAggregation"]) == (
        "GreaterThan",
        0.05,
        "Maximum",
    )
    assert condition["failingPeriods"] == {"numberOfEvaluationPeriods": 3, "minFailingPeriodsToAlert": 2}
    quality = rules["pf-monitor: quality-pass-rate"]
    assert (quality["windowSize"], quality["evaluationFrequency"]) == ("P1D", "PT1H")
    assert quality["criteria"]["allOf"][0]["timeAggregation"] == "Minimum"
    assert rules["pf-monitor: no-data"]["criteria"]["allOf"][0]["threshold"] == 1


def test_microsofts_checker_finds_nothing_wrong_with_any_query(templates, place):
    asked = every_query(templates)
    assert len(asked) > 50
    found = findings(asked, WORKSPACE if place.is_workspace else CLASSIC)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_every_query_runs_locally(tmp_path, templates, place):
    """On a workspace the mapping stands in front; behind it is the same query."""
    with Store.open(tmp_path) as store:
        for name, kql in every_query(templates).items():
            plain = kql.removeprefix(workspace.prelude(kql)) if place.is_workspace else kql
            for one in windows(plain):
                assert store.query(one).columns, name


def windows(kql: str) -> list[str]:
    """The query of each window of an alert rule that looks at several, since functions do not run locally."""
    match = re.fullmatch(r"let measured = \(.*?\) \{\n(.*)\n\};\nunion\n(.*)", kql, re.S)
    if match is None:
        return [kql]
    calls = re.findall(r"measured\((\S+), (\S+)\) \| extend timestamp = (\S+)\)", match[2])
    assert len(calls) == 3
    return [f"let since = {since};\nlet until = {until};\n{match[1]}\n| extend at = {at}" for since, until, at in calls]


def test_a_saved_query_for_each_of_ours(templates):
    saved = [one for one in resources(templates) if "body" in one["properties"]]
    assert {one["properties"]["displayName"] for one in saved} == {
        f"pf-monitor: {name.replace('_', ' ')}" for name in queries.names()
    }
    assert all(one["properties"]["description"] for one in saved)


def test_the_workbook_has_every_page_and_opens_requests(templates):
    items = list(workbook_items(workbook(templates)["items"]))
    tabs = next(item["content"]["links"] for item in items if "links" in item["content"])
    assert [tab["subTarget"] for tab in tabs] == list(PAGES)
    shown = {
        item["conditionalVisibility"]["value"]
        for item in items
        if item.get("conditionalVisibility", {}).get("parameterName") == "Page"
    }
    assert shown == set(PAGES)
    exporting = [item for item in items if item["content"].get("exportParameterName") == "Operation"]
    assert {item["name"].partition(":")[0] for item in exporting} >= {
        "requests_page",
        "worst_answers",
        "errors_by_type",
    }
    [request] = [item for item in items if item.get("name", "").startswith("request: ")]
    assert '"{Operation:escapejson}"' in request["content"]["query"]


def test_what_is_picked_in_the_workbook_is_a_parameter_of_it(templates):
    items = list(workbook_items(workbook(templates)["items"]))
    defined = {item["content"]["name"] for item in items if "name" in item["content"]}
    exported = {item["content"]["exportParameterName"] for item in items if "exportParameterName" in item["content"]}
    used = {name for item in items for name in re.findall(r"\{(\w+):\w+\}", item["content"].get("query", ""))}
    assert used <= defined | exported
    assert {"TimeRange", "Flow", "Deployment", "Model", "Node", "Outcome", "DimensionKey", "DimensionValue"} <= used


def test_the_columns_that_charts_name_are_in_their_queries():
    for parts in PAGES.values():
        for part in parts:
            text = queries.own_text(part.query)
            for column in (*part.y, part.x, part.group, part.sorted_by, "operation_Id" if part.opens_request else None):
                assert column is None or re.search(rf"\b{column}\b", text), f"{part.query} has no {column}"


def test_the_mapping_gives_every_classic_column_of_the_local_tables():
    assert workspace.workspace_tables().keys() == TABLES.keys()
    for table, columns in TABLES.items():
        assert workspace.columns(table).keys() == {column.name for column in columns}, table


def test_the_mapping_gives_every_column_its_classic_type():
    asked = {
        table: workspace.on_workspace(
            f"{table}\n| project {', '.join(f'{one.name} = {typed(one)}' for one in columns)}"
        )
        for table, columns in TABLES.items()
    }
    assert {name: wrong for name, wrong in findings(asked, WORKSPACE).items() if wrong} == {}


def typed(column: Any) -> str:
    """An expression that is right for one type alone."""
    return {"string": f"strlen({column.name})", "datetime": f"datetime_part('year', {column.name})"}.get(
        column.type, column.name
    )


def test_an_export_is_the_same_every_time():
    assert contents(DEFAULTS.values(), Place()) == contents(DEFAULTS.values(), Place())
