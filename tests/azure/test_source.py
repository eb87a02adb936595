"""Queries against Azure: over https, with a token of `az login`, from a stand-in that answers from a local store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standin_azure import TOKEN, Azure, install_az, serving, tables

from pf_monitor import queries
from pf_monitor.azure import workspace
from pf_monitor.insights import Store
from pf_monitor.insights.ingestion import ingest
from pf_monitor.table import Column, Table

PROGRAM = [sys.executable, "-c", "from pf_monitor.cli import main; main()"]
RESOURCE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/components/shop"
WORKSPACE = "0f8fad5b-d9cb-469f-a165-70867728950e"

Run = Callable[..., subprocess.CompletedProcess[str]]


def item(kind: str, **properties: str) -> dict[str, Any]:
    base = {
        "name": kind,
        "duration": "00:00:02",
        "success": True,
        "properties": {"pf_monitor.kind": kind, **properties},
    }
    kinds = {"flow": "RequestData"}
    data = {"baseType": kinds.get(kind, "RemoteDependencyData"), "baseData": base}
    return {"time": datetime.now(UTC).isoformat(), "iKey": "k", "data": data}


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Azure]:
    usage = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": "1200"}
    with Store.open(tmp_path / "store") as store:
        ingest(store, json.dumps([item("flow"), item("flow"), item("llm", **usage)]).encode())
        with serving(store, tmp_path) as served:
            yield served


@pytest.fixture
def run(tmp_path: Path, azure: Azure) -> Run:
    log = install_az(tmp_path / "bin")
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{log.parent}{os.pathsep}{os.environ['PATH']}",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
        "PF_MONITOR_AZURE_ENDPOINT": azure.url,
        "REQUESTS_CA_BUNDLE": str(azure.certificate),
        "COLUMNS": "120",
    }

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command, known = [*PROGRAM, *arguments], environment | variables
        return subprocess.run(command, capture_output=True, text=True, env=known, check=False, timeout=60)

    return run


def test_a_query_is_asked_of_a_resource_as_whoever_is_signed_in(run, azure):
    done = run("query", "--resource-id", RESOURCE, "--json", "--since", "1d", "requests | summarize runs = count()")
    assert json.loads(done.stdout) == [{"runs": 2}]
    assert done.stderr == ""
    [(path, body)] = azure.asked
    assert path == f"/v1{RESOURCE}/query"
    assert body == {"query": "requests | summarize runs = count()", "timespan": "PT86400.0S", "workspaces": None}
    assert azure.authorization == [f"Bearer {TOKEN}"]


def test_every_type_arrives_as_from_the_local_one(run, azure):
    columns = [
        *(("a", "datetime"), ("b", "real"), ("c", "long"), ("d", "dynamic")),
        *(("e", "bool"), ("f", "string"), ("g", "timespan"), ("h", "guid")),
    ]
    row = ["2024-05-01T12:00:00.1234567Z", 1.5, 3, '{"x": 1}', True, "ä", "01:00:00", WORKSPACE]
    answer = tables(Table(tuple(Column(*one) for one in columns), [row, [None] * 8]))
    azure.answers = [(200, answer)]
    first, second = json.loads(run("query", "--resource-id", RESOURCE, "--json", "requests").stdout)
    assert first == dict(zip("abcdefgh", ["2024-05-01T12:00:00.123456Z", *row[1:]], strict=True))
    assert set(second.values()) == {None}


@pytest.mark.parametrize(
    "workspace_id", [WORKSPACE, RESOURCE.replace("Insights/components", "OperationalInsights/workspaces")]
)
def test_a_workspace_gets_the_same_query_behind_the_mapping(run, azure, workspace_id):
    kql = "requests\n| where timestamp > ago(1d)\n| count"
    azure.answers = [(200, tables(Table((Column("Count", "long"),), [[7]])))]
    done = run("query", "--workspace", workspace_id, "--csv", kql)
    assert done.stdout.split() == ["Count", "7"]
    [(path, body)] = azure.asked
    assert path == (
        f"/v1{workspace_id}/query" if workspace_id.startswith("/") else f"/v1/workspaces/{workspace_id}/query"
    )
    assert body["query"] == workspace.on_workspace(kql)
    assert body["query"].startswith("let requests = AppRequests | project timestamp = TimeGenerated, ")


def test_an_error_is_pointed_out_in_the_query_as_it_was_typed(run, azure):
    error = {"code": "SEM0100", "message": "'nam' is not a column", "line": 3, "pos": 8}  # two lines of mapping above
    azure.answers = [(400, {"error": {"code": "BadArgumentError", "message": "Invalid", "innererror": error}})]
    done = run("query", "--workspace", WORKSPACE, "requests | join dependencies on nam")
    assert done.returncode == 1
    assert done.stderr == "requests | join dependencies on nam\n        ^\n'nam' is not a column (line 1, column 9)\n"


def test_the_report_is_the_same_from_azure_as_from_the_store(run, azure, tmp_path):
    done = run("report", "--resource-id", RESOURCE, "--json")
    assert done.returncode == 0, done.stderr
    now = json.loads(done.stdout)["now"]
    assert (now["requests"], now["model_calls"], now["prompt_tokens"]) == (2, 1, 1200)
    assert len(azure.asked) >= 2
    assert all(body["query"].startswith("let since = datetime(") for _, body in azure.asked)
    # A view asks several questions at a time: which arrives first is not said.
    assert [body for _, body in azure.asked if queries.own_text("summary") in body["query"]]


def test_a_partial_answer_is_an_error_and_not_a_number(run, azure):
    answer = tables(Table((Column("Count", "long"),), [[7]]))
    partial = {
        "code": "PartialError",
        "message": "There were some errors",
        "innererror": {"code": "x", "message": "Too big"},
    }
    azure.answers = [(200, answer | {"error": partial})]
    done = run("query", "--resource-id", RESOURCE, "requests | count")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Azure answered in part only: Too big. Narrow the time range\n"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "Azure refuses access to /subscriptions/s/"),
        (404, "Azure knows no /subscriptions/s/"),
    ],
)
def test_a_refusal_says_what_to_do(run, azure, status, said):
    azure.answers = [(status, {"error": {"code": "InsufficientAccessError", "message": "No way"}})]
    done = run("query", "--resource-id", RESOURCE, "requests")
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "No way" in done.stderr


def test_what_is_busy_is_asked_again(run, azure):
    azure.answers = [(503, {"error": {"code": "Busy", "message": "Busy"}})]
    done = run("query", "--resource-id", RESOURCE, "--json", "requests | count")
    assert json.loads(done.stdout) == [{"Count": 2}]
    assert len(azure.asked) == 2


def test_nobody_is_signed_in(run):
    done = run("report", "--resource-id", RESOURCE, PATH=os.defpath)
    assert done.returncode == 1
    assert done.stderr.startswith("No credentials for Azure: ")
    assert "Run `az login`" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_answers(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    done = run("query", "--resource-id", RESOURCE, "requests", PF_MONITOR_AZURE_ENDPOINT=f"https://127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Azure does not answer at https://127.0.0.1:{port}: ")
    assert TOKEN not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resource-id", "shop"], "'shop' is not the id of an Application Insights resource: /subscriptions/"),
        (["--workspace", "logs"], "'logs' is not a workspace: give its workspace id, a UUID, or its resource id"),
        (["--workspace", WORKSPACE, "--resource-id", RESOURCE], "Choose one of --resource-id and --workspace"),
        (["--resource-id", RESOURCE + "'; rm -rf ~"], "is not the id of an Application Insights resource"),
    ],
)
def test_a_wrong_id_is_told_before_anything_is_asked(run, azure, arguments, said):
    done = run("query", "requests", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert azure.asked == []
