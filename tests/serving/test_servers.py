"""The same requests under every server, with the settings in either place: the same rows, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

pytestmark = pytest.mark.serving

REQUESTS = 40
FAILING = 4
QUESTION = "What is the return policy for the Larkspur 2 tent?"
DOOMED = "Does the Larkspur 2 tent come with a broken model?"


def ask(url: str, number: int) -> httpx.Response:
    headers = {
        "traceparent": f"00-{number + 1:032x}-{number + 1:016x}-01",
        "x-request-id": f"request-{number}",
        "baggage": f"session.id=session-{number % 3},user.id=user-{number % 5}",
    }
    question = DOOMED if number < FAILING else QUESTION
    body = {"question": question, "chat_history": []}
    return httpx.post(url + "/score", json=body, headers=headers, timeout=60)


@pytest.mark.parametrize("tracing", ["off", "on"])
@pytest.mark.parametrize("place", ["flow file", "environment"])
@pytest.mark.parametrize("server", ["flask", "fastapi", "gunicorn"])
def test_forty_requests(lab, server, place, tracing):
    in_file = place == "flow file"
    folder = lab.flow("rag-chat", with_connection_string=in_file)
    more = {} if in_file else {"APPLICATIONINSIGHTS_CONNECTION_STRING": lab.connection_string}
    if tracing == "on":
        more["PF_DISABLE_TRACING"] = "false"
    environment = lab.environment(**more)
    lab.stand_in.script({"when_prompt_contains": "broken model", "then": {"fail": 400}})
    serve = lab.gunicorn(folder, environment) if server == "gunicorn" else lab.promptflow(folder, server, environment)
    with serve as url, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: ask(url, number), range(REQUESTS)))
    failed = [answer for answer in answers if answer.status_code != 200]
    assert len(failed) == FAILING

    assert lab.kinds() == {"flow": REQUESTS, "retrieval": REQUESTS, "node": REQUESTS, "llm": REQUESTS}
    assert lab.tokens() == lab.billed()
    lab.assert_nothing_else()

    flows = lab.rows("requests")
    assert len(flows) == REQUESTS
    assert sum(row["success"] == "False" for row in flows) == FAILING
    assert {row["operation_Id"] for row in flows} == {f"{number + 1:032x}" for number in range(REQUESTS)}
    for row in flows:
        number = int(row["operation_Id"], 16) - 1
        assert row["operation_ParentId"] == f"{number + 1:016x}"
        assert row["user_Id"] == f"user-{number % 5}"
        assert row["cloud_RoleName"] == "rag-chat"
        assert row["customDimensions"]["session.id"] == f"session-{number % 3}"
        assert row["customDimensions"]["pf_monitor.request_id"] == f"request-{number}"

    exceptions = lab.rows("exceptions")
    assert {row["operation_Id"] for row in exceptions} == {f"{number + 1:032x}" for number in range(FAILING)}
    assert len(exceptions) == FAILING

    assert len(lab.wire.items) <= 8 * REQUESTS
    assert sum(map(len, lab.wire.bodies)) <= 8 * 1024 * REQUESTS


def test_one_operation_id_selects_everything(lab):
    folder = lab.flow("rag-chat")
    with lab.promptflow(folder, "flask", lab.environment()) as url:
        assert ask(url, 20).status_code == 200
    operation = f"{21:032x}"
    rows = lab.rows(f"union requests, dependencies | where operation_Id == '{operation}' | order by timestamp asc")
    assert [row["name"] for row in rows] == ["rag-chat", "retrieve", "ask_model", "chat stand-in"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["chat stand-in"]["operation_ParentId"] == by_name["ask_model"]["id"]
    assert by_name["retrieve"]["operation_ParentId"] == by_name["rag-chat"]["id"]
    columns = by_name["rag-chat"]["customDimensions"]
    assert columns["question"] == QUESTION
    assert "60 days" in columns["answer"]
    assert "Larkspur 2 (tent)" in columns["context"]
    [received] = lab.stand_in.ledger()["requests"]
    assert received["traceparent"] == f"00-{operation}-{by_name['chat stand-in']['id']}-01"
    assert received["x_client_request_id"] == "request-20"


@pytest.mark.parametrize("server", ["flask", "fastapi"])
def test_feedback_arrives_beside_the_flow_run_that_it_judges(lab, server):
    folder = lab.flow("rag-chat")
    with lab.promptflow(folder, server, lab.environment()) as url:
        assert ask(url, 20).status_code == 200
        headers = {"traceparent": f"00-{21:032x}-{21:016x}-01"}
        body = {"score": 4, "comment": "helpful"}
        assert httpx.post(url + "/feedback", json=body, headers=headers, timeout=30).status_code == 200
    [event] = lab.rows("customEvents")
    assert (event["name"], event["operation_Id"]) == ("gen_ai.evaluation.result", f"{21:032x}")
    assert event["customDimensions"] == {
        "gen_ai.evaluation.name": "user_feedback",
        "gen_ai.evaluation.score.value": "4.0",
        "gen_ai.evaluation.explanation": "helpful",
        "pf_monitor.evaluator": "user",
    }
    lab.assert_nothing_else(events=1)
