"""Each kind of flow under each of promptflow's commands: every flow run, node and model call exactly once."""

from __future__ import annotations

import json

import httpx
import pytest

pytestmark = pytest.mark.serving

QUESTION = "What is the return policy for the Larkspur 2 tent?"


def with_monitor(lab, place, tracing):
    """Return the environment for a flow whose settings stand in either place."""
    more = {"PF_HOME_DIRECTORY": str(lab.folder / "promptflow")}
    if place == "environment":
        more["APPLICATIONINSIGHTS_CONNECTION_STRING"] = lab.connection_string
        # promptflow's own reports about its use must not go where ours go.
        more["PF_TELEMETRY_ENABLED"] = "true"
    if tracing == "on":
        more["PF_DISABLE_TRACING"] = "false"
    return lab.environment(**more)


def triage(lab, environment, **options):
    folder = lab.flow("triage-dag", **options)
    connection = str(folder / "connection.yaml")
    lab.pf(
        "connection", "create", "-f", connection, "--set", f"base_url={lab.stand_in.base_url}", environment=environment
    )
    return folder


@pytest.mark.parametrize(("place", "tracing"), [("flow file", "off"), ("environment", "on")])
def test_flow_test_and_run_create_of_a_function(lab, place, tracing):
    folder = lab.flow("rag-chat", with_connection_string=place == "flow file")
    environment = with_monitor(lab, place, tracing)
    lab.pf("flow", "test", "--flow", str(folder), "--inputs", f"question={QUESTION}", environment=environment)
    assert lab.kinds() == {"flow": 1, "retrieval": 1, "node": 1, "llm": 1}

    data = lab.folder / "data.jsonl"
    data.write_text("".join(json.dumps({"question": QUESTION, "chat_history": []}) + "\n" for _ in range(6)))
    columns = ["question=${data.question}", "chat_history=${data.chat_history}"]
    run = ["run", "create", "--flow", str(folder), "--data", str(data), "--column-mapping", *columns]
    lab.pf(*run, environment=environment)
    assert lab.kinds() == {"flow": 7, "retrieval": 7, "node": 7, "llm": 7}
    assert lab.tokens() == lab.billed()
    assert {row["cloud_RoleName"] for row in lab.rows("requests")} == {"rag-chat"}
    lab.assert_nothing_else()


@pytest.mark.parametrize(("place", "tracing"), [("flow file", "on"), ("environment", "off")])
def test_a_dag_flow(lab, place, tracing):
    environment = with_monitor(lab, place, tracing)
    folder = triage(lab, environment, with_connection_string=place == "flow file")
    lab.pf("flow", "test", "--flow", str(folder), "--inputs", "ticket=How do I cancel?", environment=environment)
    names = {row["name"] for row in lab.rows("dependencies")}
    assert names == {"classify", "policy", "draft", "reply", "chat stand-in"}
    [flow] = lab.rows("requests")
    assert flow["name"] == "triage-dag"
    columns = flow["customDimensions"]
    assert columns["question"] == "How do I cancel?"
    assert columns["answer"]
    assert columns["output"] == '{"category":"question"}'
    [call] = lab.rows("dependencies | where name == 'chat stand-in'")
    [draft] = lab.rows("dependencies | where name == 'draft'")
    assert call["operation_ParentId"] == draft["id"]
    assert draft["operation_ParentId"] == flow["id"]
    assert lab.tokens() == lab.billed()

    data = lab.folder / "data.jsonl"
    data.write_text('{"ticket": "How do I cancel?"}\n{"ticket": "My account was hacked"}\n')
    run = ["run", "create", "--flow", str(folder), "--data", str(data), "--column-mapping", "ticket=${data.ticket}"]
    lab.pf(*run, environment=environment)
    assert lab.kinds() == {"flow": 3, "node": 4 + 4 + 4, "llm": 2}
    assert lab.tokens() == lab.billed()
    lab.assert_nothing_else()


@pytest.mark.parametrize("server", ["flask", "fastapi", "gunicorn"])
def test_a_served_dag_flow(lab, server):
    environment = with_monitor(lab, "flow file", "off")
    folder = triage(lab, environment)
    serve = lab.gunicorn(folder, environment) if server == "gunicorn" else lab.promptflow(folder, server, environment)
    with serve as url:
        for ticket in ("How do I cancel?", "My account was hacked"):
            assert httpx.post(url + "/score", json={"ticket": ticket}, timeout=60).status_code == 200
    assert lab.kinds() == {"flow": 2, "node": 8, "llm": 1}
    assert lab.tokens() == lab.billed()
    lab.assert_nothing_else()


def test_a_streamed_dag_flow(lab):
    """An LLM node that feeds an output streams; its tokens are the provider's where the provider gives them."""
    environment = with_monitor(lab, "flow file", "off")
    folder = triage(lab, environment)
    text = (
        (folder / "flow.dag.yaml")
        .read_text()
        .partition("- name: reply")[0]
        .replace("${reply.output}", "${draft.output}")
    )
    (folder / "flow.dag.yaml").write_text(text)
    with lab.promptflow(folder, "fastapi", environment) as url:
        headers = {"accept": "text/event-stream"}
        answer = httpx.post(url + "/score", json={"ticket": "How do I cancel?"}, headers=headers, timeout=60)
        assert answer.headers["content-type"].startswith("text/event-stream")
    pieces = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    streamed = "".join(piece.get("answer", "") for piece in pieces)
    [flow] = lab.rows("requests")
    assert flow["customDimensions"]["answer"] == streamed
    assert flow["customDimensions"]["pf_monitor.outcome"] == "ok"
    [draft] = lab.rows("dependencies | where name == 'draft'")
    assert json.loads(draft["customDimensions"]["output"]) == streamed
    lab.assert_nothing_else()


def test_a_prompty(lab):
    environment = with_monitor(lab, "environment", "off")
    folder = lab.flow("summary-prompty", with_connection_string=False)
    lab.pf("flow", "test", "--flow", str(folder / "summary.prompty"), environment=environment)
    data = lab.folder / "data.jsonl"
    data.write_text('{"review": "The tent is light. It rained in."}\n' * 3)
    mapping = ["--column-mapping", "review=${data.review}"]
    lab.pf(
        "run",
        "create",
        "--flow",
        str(folder / "summary.prompty"),
        "--data",
        str(data),
        *mapping,
        environment=environment,
    )
    with lab.promptflow(folder, "flask", environment) as url:
        assert httpx.post(url + "/score", json={"review": "Light. It rained in."}, timeout=60).status_code == 200
    assert lab.kinds() == {"flow": 5, "llm": 5}
    flows = lab.rows("requests")
    assert {row["name"] for row in flows} == {"summary-prompty"}
    assert all(row["customDimensions"]["answer"] for row in flows)
    assert lab.tokens() == lab.billed()
    lab.assert_nothing_else()


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_a_streaming_class(lab, accept):
    environment = with_monitor(lab, "flow file", "off")
    folder = lab.flow("streaming-chat")
    with lab.promptflow(folder, "fastapi", environment) as url:
        body = {"question": "Why do stars twinkle?", "conversation_id": "c-1"}
        answer = httpx.post(url + "/score", json=body, headers={"accept": accept}, timeout=60)
        assert answer.status_code == 200
    [flow] = lab.rows("requests")
    dimensions = flow["customDimensions"]
    assert flow["name"] == "streaming-chat"
    assert dimensions["gen_ai.conversation.id"] == "c-1"
    assert dimensions["question"] == "Why do stars twinkle?"
    if accept == "application/json":
        assert dimensions["answer"] == answer.json()
    else:
        lines = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert dimensions["answer"] == "".join(line["output"] for line in lines)
    assert lab.tokens() == lab.billed()
    lab.assert_nothing_else()


def test_switched_on_as_in_a_deployment(lab):
    """`app_insights_enabled: true` in a built flow's file, served by promptflow-core."""
    folder = lab.flow("rag-chat", with_connection_string=False)
    file = folder / "flow.flex.yaml"
    text = file.read_text()
    assert "  PF_MONITOR_ENABLED: true\n" in text
    address = f"  APPLICATIONINSIGHTS_CONNECTION_STRING: {lab.connection_string}\n"
    file.write_text(text.replace("  PF_MONITOR_ENABLED: true\n", address) + "app_insights_enabled: true\n")
    with lab.gunicorn(folder, lab.environment()) as url:
        body = {"question": QUESTION, "chat_history": []}
        assert httpx.post(url + "/score", json=body, timeout=60).status_code == 200
    assert lab.kinds() == {"flow": 1, "retrieval": 1, "node": 1, "llm": 1}


def test_not_enabled_nothing_is_sent(lab):
    folder = lab.flow("rag-chat", with_connection_string=False)
    file = folder / "flow.flex.yaml"
    file.write_text(file.read_text().replace("PF_MONITOR_ENABLED: true", "PF_MONITOR_ENABLED: false"))
    with lab.promptflow(folder, "flask", lab.environment()) as url:
        body = {"question": QUESTION, "chat_history": []}
        assert httpx.post(url + "/score", json=body, timeout=60).status_code == 200
    assert lab.wire.bodies == []
