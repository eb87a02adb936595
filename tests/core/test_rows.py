"""A flow's rows, whole, as they arrive in the tables."""

from __future__ import annotations

import pf_monitor

COMMON = {
    "client_Type": "Other",
    "cloud_RoleName": "chat",
    "itemCount": 1,
    "operation_Id": f"{1:032x}",
    "user_Id": "u-42",
}
CORRELATION = {"pf_monitor.request_id": f"{2:032x}", "session.id": "s-1", "tenant": "contoso"}


@pf_monitor.retrieval
def retrieve(question):
    return [{"id": 1, "text": "It weighs 2 kg."}]


@pf_monitor.node
def ask(question, documents):
    pf_monitor.record_usage("gpt-4o-mini", input_tokens=1000, output_tokens=50, provider="openai")
    return "2 kg"


@pf_monitor.flow(question="inputs.question", answer="outputs.answer", context="retrieve.output")
def chat(question, chat_history=()):
    pf_monitor.set_correlation(session="s-1", user="u-42", tenant="contoso")
    return {"answer": ask(question, retrieve(question)), "confidence": 0.9}


def told(row):
    """Leave out what differs from machine to machine, and what is empty."""
    changing = {
        "user_AuthenticatedId",
        "client_Model",
        "cloud_RoleInstance",
        "sdkVersion",
        "itemId",
        "iKey",
        "appId",
        "client_OS",
        "appName",
    }
    return {name: value for name, value in row.items() if name not in changing and value not in (None, "", "{}")}


def test_a_flow_run_is_a_request_with_its_columns_and_sums(monitor):
    assert chat("How heavy is it?") == {"answer": "2 kg", "confidence": 0.9}
    [row] = monitor.rows("requests")
    assert told(row) == {
        **COMMON,
        "timestamp": "2026-01-01T00:00:00Z",
        "id": f"{1:016x}",
        "itemType": "request",
        "name": "chat",
        "operation_Name": "chat",
        "success": "True",
        "resultCode": "0",
        "duration": 7.0,
        "performanceBucket": "<250ms",
        "customDimensions": {
            **CORRELATION,
            "pf_monitor.kind": "flow",
            "pf_monitor.flow": "chat",
            "pf_monitor.outcome": "ok",
            "pf_monitor.usage.input_tokens": "1000",
            "pf_monitor.usage.output_tokens": "50",
            "pf_monitor.usage.total_tokens": "1050",
            "pf_monitor.usage.llm_calls": "1",
            "pf_monitor.usage.cost_usd": "0.00018",
            "gen_ai.operation.name": "invoke_workflow",
            "question": "How heavy is it?",
            "answer": "2 kg",
            "context": '[{"id":1,"text":"It weighs 2 kg."}]',
            "inputs": '{"chat_history":[]}',
            "output": '{"confidence":0.9}',
        },
    }


def test_its_steps_are_dependencies_beneath_it(monitor):
    chat("How heavy is it?")
    retrieval, call, node = monitor.rows("dependencies | order by duration asc, id asc")[:3]
    rows = {row["name"]: told(row) for row in (retrieval, call, node)}
    assert rows["retrieve"] == {
        **COMMON,
        "timestamp": "2026-01-01T00:00:00.001Z",
        "id": f"{2:016x}",
        "operation_ParentId": f"{1:016x}",
        "itemType": "dependency",
        "type": "InProc",
        "name": "retrieve",
        "operation_Name": "retrieve",
        "success": "True",
        "resultCode": "0",
        "duration": 1.0,
        "performanceBucket": "<250ms",
        "customDimensions": {
            **CORRELATION,
            "pf_monitor.kind": "retrieval",
            "pf_monitor.flow": "chat",
            "pf_monitor.node": "retrieve",
            "pf_monitor.outcome": "ok",
            "pf_monitor.usage.input_tokens": "0",
            "pf_monitor.usage.output_tokens": "0",
            "pf_monitor.usage.total_tokens": "0",
            "pf_monitor.usage.llm_calls": "0",
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query.text": "How heavy is it?",
            "inputs": '{"question":"How heavy is it?"}',
            "output": '[{"id":1,"text":"It weighs 2 kg."}]',
        },
    }
    assert rows["chat gpt-4o-mini"]["type"] == "GenAI | openai"
    assert rows["chat gpt-4o-mini"]["operation_ParentId"] == f"{3:016x}"
    assert rows["chat gpt-4o-mini"]["customDimensions"] == {
        **CORRELATION,
        "pf_monitor.kind": "llm",
        "pf_monitor.flow": "chat",
        "pf_monitor.node": "ask",
        "pf_monitor.outcome": "ok",
        "pf_monitor.usage.source": "reported",
        "pf_monitor.usage.cost_usd": "0.00018",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": "1000",
        "gen_ai.usage.output_tokens": "50",
    }
    assert rows["ask"]["operation_ParentId"] == f"{1:016x}"
    assert rows["ask"]["customDimensions"]["pf_monitor.usage.total_tokens"] == "1050"
    assert rows["ask"]["customDimensions"]["output"] == '"2 kg"'


def test_an_error_is_told_once_where_it_came_from(monitor):
    @pf_monitor.node
    def search(query):
        raise LookupError(f"no index for {query}")

    @pf_monitor.flow(name="broken")
    def flow(question):
        try:
            return search(question)
        except LookupError as error:
            raise RuntimeError("cannot answer") from error

    try:
        flow("tents")
    except RuntimeError as error:
        assert str(error) == "cannot answer"
    [row] = monitor.rows("exceptions")
    assert (row["type"], row["outerMessage"]) == ("LookupError", "no index for tents")
    assert row["operation_ParentId"] == f"{2:016x}"
    assert row["customDimensions"]["pf_monitor.node"] == "search"
    assert "in search" in str(row["details"])
    assert "drivers.py" not in str(row["details"])
    [request] = monitor.rows("requests")
    assert request["success"] == "False"
    assert request["customDimensions"]["pf_monitor.outcome"] == "error"
    assert request["customDimensions"]["pf_monitor.error.type"] == "RuntimeError"
    [dependency] = monitor.rows("dependencies")
    assert (dependency["success"], dependency["customDimensions"]["pf_monitor.error.type"]) == ("False", "LookupError")


def test_the_metrics_of_a_flow_have_prompt_flows_names_and_dimensions(monitor):
    chat("How heavy is it?")
    rows = monitor.rows("customMetrics | project name, value, customDimensions")
    metrics = {(row["name"], row["customDimensions"].get("token_type", "")): row for row in rows}
    assert {name for name, _ in metrics} == {
        "token_consumption",
        "flow_latency",
        "flow_request",
        "node_latency",
        "node_request",
        "rpc_latency",
        "rpc_request",
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
    }
    assert metrics["token_consumption", "prompt_tokens"] == {
        "name": "token_consumption",
        "value": 1000.0,
        "customDimensions": {
            "flow": "chat",
            "node": "ask",
            "llm_engine": "gpt-4o-mini",
            "token_type": "prompt_tokens",
        },
    }
    assert metrics["flow_latency", ""]["value"] == 7.0
    assert metrics["flow_request", ""]["customDimensions"] == {
        "flow": "chat",
        "response_code": "200",
        "exception": "",
        "streaming": "False",
    }
    counters = {row["name"] for row in monitor.rows("performanceCounters")}
    assert counters == {"% Processor Time", "% Processor Time Normalized", "Private Bytes"}


def test_feedback_is_an_event_beside_the_flow_run(monitor):
    @pf_monitor.flow
    def answer(question):
        pf_monitor.record_feedback(False, comment="wrong tent")
        return "42"

    answer("which tent?")
    pf_monitor.record_feedback(4, traceparent=f"00-{1:032x}-{1:016x}-01")
    first, second = monitor.rows("customEvents | order by timestamp asc")
    assert {first["name"], second["name"]} == {"gen_ai.evaluation.result"}
    assert (first["operation_Id"], first["operation_ParentId"]) == (f"{1:032x}", f"{1:016x}")
    assert first["customDimensions"] == {
        "gen_ai.evaluation.name": "user_feedback",
        "gen_ai.evaluation.score.value": "0.0",
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "wrong tent",
        "pf_monitor.evaluator": "user",
        "pf_monitor.flow": "answer",
        "pf_monitor.request_id": f"{2:032x}",
    }
    assert (second["operation_Id"], second["operation_ParentId"]) == (f"{1:032x}", f"{1:016x}")
    assert second["customDimensions"]["gen_ai.evaluation.score.value"] == "4.0"


def test_content_can_be_switched_off(monitor):
    monitor.recorder.capture_content = False
    chat("How heavy is it?")
    told_content = {"question", "answer", "context", "inputs", "output", "gen_ai.retrieval.query.text"}
    for dimensions in monitor.spans().values():
        assert not told_content & dimensions.keys()
