"""The demo, really run: one process tree from the question to the JSON on standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pf_monitor import queries
from pf_monitor.demo.checks import check_contract
from pf_monitor.demo.flow_server import FlowServerError, serve_flow
from pf_monitor.demo.sample_flows import sample_flow
from pf_monitor.demo.stage import real_model_is_configured
from pf_monitor.demo.traffic import Answer, questions
from pf_monitor.insights.server import running
from pf_monitor.local import INSTRUMENTATION_KEY
from pf_monitor.local_server import ServerSource

pytestmark = pytest.mark.serving

REQUESTS = 12
COMMAND = [sys.executable, "-c", "from pf_monitor.cli import main; main()", "demo"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    temporary = tmp_path_factory.mktemp("demo")
    # What the user has set up for flows of their own must not leak into the demo.
    hostile = {
        "TMPDIR": str(temporary),
        "PF_MONITOR_ENABLED": "false",
        "PF_MONITOR_CAPTURE_CONTENT": "false",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=nobody",
        "OTEL_SERVICE_NAME": "somebody-else",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_"))}
    command = [*COMMAND, "--requests", str(REQUESTS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment | hostile, check=False)
    assert list(temporary.iterdir()) == [], "the demo leaves something behind"
    return done


@pytest.fixture(scope="session")
def found(demo: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(demo.stdout)


def test_succeeds_and_talks_on_standard_error_only(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stderr
    assert "Asking questions" in demo.stderr


def test_every_request_is_one_flow_run_and_the_planned_ones_fail(found: dict[str, Any]) -> None:
    assert found["requests"] == {"sent": REQUESTS, "failed": 2}
    assert (found["report"]["summary"]["requests"], found["report"]["summary"]["failed"]) == (REQUESTS, 2)


def test_tokens_by_model_are_those_that_the_stand_in_billed(found: dict[str, Any]) -> None:
    sides = ("prompt_tokens", "completion_tokens")
    billed = {model: [bill[side] for side in sides] for model, bill in found["billed"].items()}
    reported = {row["model"]: [row[side] for side in sides] for row in found["report"]["by_model"]}
    assert reported == billed
    assert all(tokens > 0 for bill in billed.values() for tokens in bill)


def test_a_failed_model_call_is_one_call_however_often_the_client_tries(found: dict[str, Any]) -> None:
    (model,) = found["report"]["by_model"]
    assert (model["calls"], model["failed"]) == (REQUESTS, 2)
    assert found["billed"]["stand-in"]["failed"] == 2 * 3  # the client tries three times


def test_reports_both_nodes_of_the_flow(found: dict[str, Any]) -> None:
    nodes = {row["node"]: (row["flow"], row["item_kind"], row["runs"]) for row in found["report"]["by_node"]}
    assert nodes == {"retrieve": ("rag-chat", "retrieval", REQUESTS), "ask_model": ("rag-chat", "node", REQUESTS)}


def test_checks_what_it_promises(found: dict[str, Any]) -> None:
    assert {check["name"]: (check["expected"], check["found"]) for check in found["checks"]}.items() >= {
        "failed requests, as planned": (2, 2),
        "flow runs, one a request": (REQUESTS, REQUESTS),
        "flow runs under the caller's trace, request id, session and user": (REQUESTS, REQUESTS),
        "failed requests with an exceptions row": (2, 2),
        "items that the telemetry contract does not name": (0, 0),
    }.items()
    assert all(check["passed"] for check in found["checks"])


def test_an_item_beyond_the_contract_is_noticed(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    item = {
        "name": "Microsoft.ApplicationInsights.Message",
        "time": began.isoformat(),
        "iKey": INSTRUMENTATION_KEY,
        "data": {"baseType": "MessageData", "baseData": {"ver": 2, "message": "noise of a server"}},
    }
    with running(tmp_path) as port, ServerSource.connect(f"http://127.0.0.1:{port}") as source:
        httpx.post(f"http://127.0.0.1:{port}/v2.1/track", json=[item], trust_env=False).raise_for_status()
        until = began + timedelta(seconds=1)
        beyond = source.query(queries.load("beyond_contract", since=began, until=until)).records()
    assert beyond == [{"itemType": "trace", "name": None, "items": 1}]
    assert not check_contract(beyond).passed


def test_a_flow_that_cannot_be_served_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    source, workspace = tmp_path / "flow", tmp_path / "workspace"
    source.mkdir()
    workspace.mkdir()
    source.joinpath("flow.flex.yaml").write_text("entry: missing:chat\n")
    with (
        serve_flow(source, workspace, os.environ, {"PF_MONITOR_ENABLED": "false"}) as server,
        pytest.raises(FlowServerError, match=r"exit code 1[\s\S]*No module named 'missing'"),
    ):
        server.wait_until_up()


def test_questions_begin_again_when_the_data_is_used_up_and_callers_differ() -> None:
    asked = list(questions(sample_flow("rag-chat") / "data.jsonl", 100, scripted=True))
    assert len(asked) == 100
    assert len({question.trace_id for question in asked}) == 100
    assert sum(question.fails for question in asked) == 13


def test_without_a_script_the_flow_itself_fails_on_a_broken_history() -> None:
    asked = questions(sample_flow("rag-chat") / "data.jsonl", 8, scripted=False)
    (failing,) = (question for question in asked if question.fails)
    assert failing.body["chat_history"] == [{"inputs": {}, "outputs": {}}]


def test_a_broken_connection_counts_as_failed() -> None:
    question = next(iter(questions(sample_flow("rag-chat") / "data.jsonl", 1, scripted=True)))
    assert Answer(question, None).failed


@pytest.mark.parametrize(
    ("environment", "configured"),
    [
        ({}, False),
        ({"OPENAI_API_KEY": ""}, False),
        ({"OPENAI_API_KEY": "k"}, True),
        ({"AZURE_OPENAI_ENDPOINT": "e"}, True),
    ],
)
def test_a_real_model_is_used_where_one_is_configured(environment: dict[str, str], configured: bool) -> None:
    assert real_model_is_configured(environment) is configured


def test_with_quality_it_ends_with_scores_and_a_verdict_of_the_stand_in() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_"))}
    environment |= {"HTTP_PROXY": "http://127.0.0.1:9"}
    command = [*COMMAND, "--requests", str(REQUESTS), "--json", "--quality"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    quality = json.loads(done.stdout)["quality"]
    assert quality["verdict"] in {"pass", "inconclusive"}
    assert [one["metric"] for one in quality["metrics"]] == ["groundedness", "relevance", "coherence", "fluency"]
    # Two of the requests fail, and have no answer to judge.
    assert {(one["sampled"], one["judged"], one["unscorable"]) for one in quality["metrics"]} == {
        (REQUESTS, REQUESTS - 2, 2)
    }
    assert all(one["evaluator"].startswith("stand-in (no model)") for one in quality["metrics"])
    assert quality["judge"] == "stand-in (no model)"
