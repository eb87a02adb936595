"""What a flow leaves in collected data, and that a monitor reads it as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from recorded import ALWAYS, recorded
from shop import shop

import pf_monitor
from pf_monitor import runtime
from pf_monitor.collected.places import Folder
from pf_monitor.flowfile.settings import from_flow_files
from pf_monitor.model import names
from pf_monitor.quality.collected import CollectedReader
from pf_monitor.quality.monitor import Column, Columns, Target
from pf_monitor.settings import Settings

_PATH = re.compile(
    r"modelDataCollector/(?P<endpoint>[^/]+)/(?P<deployment>[^/]+)/(?P<collection>\w+)/\d{4}/\d\d/\d\d/\d\d/\w{32}\.jsonl"
)


@pf_monitor.flow
def desk(question: str) -> dict[str, Any]:
    return shop(f"{question} again", [])


@pf_monitor.flow
def broken(question: str) -> str:
    raise ValueError(question)


def collected(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the records by collection, and check where they are."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in Folder(folder).files():
        where = _PATH.fullmatch(path)
        assert where, path
        for line in (folder / path).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            assert record["type"] == f"azureml.inference.{where['collection']}"
            found.setdefault(where["collection"], []).append(record)
    return found


def read(folder: Path, target: Target | None = None) -> Any:
    with CollectedReader([Folder(folder)], target or Target(), Columns()) as reader:
        runs = reader.runs(ALWAYS)
        return runs, reader.rows(ALWAYS, runs, [1.0] * len(runs), Columns()), list(reader.calls(ALWAYS))


def test_inputs_outputs_and_traces_of_a_run_have_one_correlation_id(collecting, tmp_path):
    collecting()
    pf_monitor.set_correlation(request_id="req-7")
    shop("How heavy is it?", [{"inputs": {}, "outputs": {}}])
    assert runtime.flush(20)
    found = collected(tmp_path / "collected")
    [inputs], [outputs], traces = found["model_inputs"], found["model_outputs"], found["app_traces"]
    assert inputs["data"] == [{"question": "How heavy is it?", "chat_history": [{"inputs": {}, "outputs": {}}]}]
    documents = ["The Larkspur 2 weighs 2.1 kg.", "It is about How heavy is it?"]
    assert outputs["data"] == [
        {"answer": "2.1 kg.", "context": json.dumps(documents, separators=(",", ":")), "sources": 2}
    ]
    spans = [record["data"][0] for record in traces]
    assert [(span["name"], span["attributes"]["span_type"]) for span in spans] == [
        ("find", "Retrieval"),
        ("chat gpt-4o", "LLM"),
        ("ask", "Function"),
        ("shop", "Flow"),
    ]
    root = spans[-1]["context"]
    correlation = f"{root['trace_id'][2:]}-{root['span_id'][2:]}"
    records = [inputs, outputs, *traces]
    assert {record["correlationid"] for record in records} == {correlation}
    assert {record["xrequestid"] for record in records} == {"req-7"}
    assert len({record["id"] for record in records}) == len(records)
    assert {record["source"] for record in records} == {"/onlineEndpoints/shop"}


def test_the_records_have_the_fields_of_those_that_azure_ml_writes(collecting, tmp_path):
    theirs = json.loads((recorded() / "app_traces.jsonl").read_text(encoding="utf-8").splitlines()[0])
    collecting()
    shop("How heavy is it?", [])
    assert runtime.flush(20)
    for records in collected(tmp_path / "collected").values():
        for record in records:
            assert record.keys() == theirs.keys()
            assert {type(record[name]) for name in record} == {type(theirs[name]) for name in theirs}
    span = collected(tmp_path / "collected")["app_traces"][-1]["data"][0]
    assert span.keys() == theirs["data"][0].keys()


def test_a_monitor_reads_the_run_as_it_was(collecting, tmp_path):
    collecting(deployment="blue")
    shop("How heavy is it?", [])
    assert runtime.flush(20)
    [run], [row], [call] = read(tmp_path / "collected", Target("shop", "blue", "shop"))
    assert re.fullmatch(r"0{15}1[0-9a-f]{16}", row.trace_id)
    assert re.fullmatch(r"[0-9a-f]{16}", row.span_id)
    assert (row.flow, row.role, run.outcome) == ("shop", "shop", "ok")
    assert row.texts == {
        Column.PROMPT: "How heavy is it?",
        Column.COMPLETION: "2.1 kg.",
        Column.CONTEXT: '["The Larkspur 2 weighs 2.1 kg.","It is about How heavy is it?"]',
    }
    assert {name: run.numbers[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        "prompt_tokens": 40,
        "completion_tokens": 5,
        "total_tokens": 45,
    }
    assert (call["node"], call["model"], call["prompt_tokens"]) == ("ask", "gpt-4o", 40)


def test_a_flow_within_a_flow_is_a_part_of_it(collecting, tmp_path):
    collecting()
    desk("Why?")
    assert runtime.flush(20)
    found = collected(tmp_path / "collected")
    assert [record["data"][0]["question"] for record in found["model_inputs"]] == ["Why?"]
    assert len({record["correlationid"] for records in found.values() for record in records}) == 1
    _, [row], _ = read(tmp_path / "collected")
    assert (row.flow, row.texts[Column.PROMPT], row.texts[Column.COMPLETION]) == ("desk", "Why?", "2.1 kg.")


def test_a_run_that_failed_has_its_question_and_no_answer(collecting, tmp_path):
    collecting()
    with pytest.raises(ValueError, match="Why"):
        broken("Why?")
    assert runtime.flush(20)
    [run], [row], _ = read(tmp_path / "collected")
    assert (run.outcome, row.texts) == ("error", {Column.PROMPT: "Why?"})


def test_a_share_of_the_requests_is_collected_each_whole_or_not_at_all(collecting, tmp_path):
    sink = collecting(collect_ratio=0.25, sampling_ratio=0.0)
    for number in range(400):
        shop(f"{number}?", [])
    assert runtime.flush(20)
    found = collected(tmp_path / "collected")
    by_request: dict[str, list[str]] = {}
    for collection, records in found.items():
        for record in records:
            by_request.setdefault(record["correlationid"], []).append(collection)
    assert 97 <= len(by_request) <= 103
    whole = ["app_traces"] * 4 + ["model_inputs", "model_outputs"]
    assert all(sorted(collections) == whole for collections in by_request.values())
    assert sink.sent == [], "what is sent has a share of its own"


def test_what_is_redacted_is_redacted_in_all_three(collecting, tmp_path):
    collecting()
    shop("Is password=hunter2-hunter2 a good one?", [])
    assert runtime.flush(20)
    texts = [path.read_text() for path in (tmp_path / "collected").rglob("*.jsonl")]
    assert len(texts) == 3
    assert all("Is password=[redacted" in text and "hunter2" not in text for text in texts)


def test_where_content_is_switched_off_nothing_is_collected_and_that_is_said(collecting, tmp_path, caplog):
    collecting(capture_content=False)
    shop("How heavy is it?", [])
    assert runtime.flush(20)
    assert not (tmp_path / "collected").exists()
    assert "collects no inference data: content is switched off" in caplog.text


def test_an_azure_ml_deployment_is_named_as_azure_names_it(collecting, tmp_path):
    resource = "/subscriptions/0/onlineEndpoints/my-shop/deployments/green"
    environment = {"AML_DEPLOYMENT_RESOURCE_ID": resource, "PF_MONITOR_COLLECT_RATIO": "1"}
    told = Settings().with_environment(environment)
    collecting(azure_ml_deployment=told.azure_ml_deployment, deployment=told.deployment)
    shop("How heavy is it?", [])
    assert runtime.flush(20)
    [path, *_] = Folder(tmp_path / "collected").files()
    assert path.startswith("modelDataCollector/my-shop/green/app_traces/")
    assert len(read(tmp_path / "collected", Target("my-shop", "green"))[1]) == 1


def test_it_is_switched_on_in_the_flow_file(tmp_path):
    (tmp_path / "flow.flex.yaml").write_text(
        "entry: a:b\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n"
        "  PF_MONITOR_COLLECT: /data/collected\n  PF_MONITOR_COLLECT_RATIO: 0.2\n"
    )
    told = from_flow_files([tmp_path])
    assert (told.collect_to, told.collect_ratio) == ("/data/collected", 0.2)
    assert Settings().collect_to is None


def test_names_of_flows_make_no_paths(collecting, tmp_path):
    collecting(service_name="../../up/ünd ;ab")
    shop("How heavy is it?", [])
    assert runtime.flush(20)
    assert {path.split("/")[1] for path in Folder(tmp_path / "collected").files()} == {"up-ünd-ab"}


def test_content_that_is_no_json_any_more_is_kept_as_text(collecting, tmp_path):
    collecting()
    shop("How heavy is it?", ["x" * 70_000])
    assert runtime.flush(20)
    [record] = collected(tmp_path / "collected")["model_inputs"]
    assert record["data"][0]["question"] == "How heavy is it?"
    [_], [row], _ = read(tmp_path / "collected")
    assert row.texts[Column.PROMPT] == "How heavy is it?"
    assert names.QUESTION in record["data"][0]
