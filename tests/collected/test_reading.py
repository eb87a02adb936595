"""Collected data becomes the rows that a monitor judges, whoever collected it, and whatever state its files are in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from recorded import ALWAYS, record, recorded, span, write

from pf_monitor.collected.places import Folder, PlaceError, place, within
from pf_monitor.collected.records import objects
from pf_monitor.quality.collected import CollectedReader
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.monitor import Column, Columns, Target
from pf_monitor.quality.reading import FlowRun, SourceLostError, Window

ANY, USUAL = Target(), Columns()
P, C, X, G = Column.PROMPT, Column.COMPLETION, Column.CONTEXT, Column.GROUND_TRUTH


def read(
    *folders: Path, target: Target = ANY, columns: Columns = USUAL, window: Window = ALWAYS
) -> tuple[list[FlowRun], list[Row], list[str]]:
    with CollectedReader([Folder(folder) for folder in folders], target, columns) as reader:
        runs = reader.runs(window)
        return runs, reader.rows(window, runs, [1.0] * len(runs), columns), reader.notes()


def texts(*folders: Path, **others: Any) -> list[dict[str, str]]:
    return [{str(column): text for column, text in row.texts.items()} for row in read(*folders, **others)[1]]


# What was really collected.


def test_the_eleven_recorded_spans_are_one_run_with_question_answer_and_context():
    runs, rows, notes = read(recorded() / "app_traces.jsonl")
    assert [(run.trace_id, run.span_id, run.flow, run.role, run.outcome) for run in runs] == [
        ("7923fa7843cb4ac68c750a4191e941cb", "2e376194dd9ab9bb", "model", "clone-vivi-log-test", "ok")
    ]
    [row] = rows
    assert row.texts[P] == "do you know about aml"
    assert row.texts[C].startswith("Yes, AML stands for Azure Machine Learning, a cloud-based service")
    assert row.texts[C].endswith("how-to-automl-forecasting-faq.md).")
    titles = dict.fromkeys(line for line in row.texts[X].splitlines() if line.startswith("# "))
    assert list(titles) == [
        "# Monitoring Azure Machine Learning data reference",
        "# Tutorial: Create resources you need to get started",
        "# Frequently asked questions about forecasting in AutoML",
    ]
    assert runs[0].numbers == {
        "prompt_tokens": 2958,
        "completion_tokens": 137,
        "total_tokens": 3095,
        "latency_ms": pytest.approx(18541.925),
        "question_length": 21,
        "answer_length": 698,
    }
    assert notes == []


def test_the_recorded_model_calls_count_tokens_by_node_and_model():
    with CollectedReader([Folder(recorded() / "app_traces.jsonl")], Target(), Columns()) as reader:
        calls = sorted(
            (call["node"], call["model"], call["prompt_tokens"], call["completion_tokens"])
            for call in reader.calls(ALWAYS)
        )
    assert calls == [
        ("answer_the_question_with_context", "gpt-4-32k", 2867, 129),
        ("lookup", "ada", 1, 0),
        ("lookup", "ada", 8, 0),
        ("modify_query_with_history", "gpt-4-32k", 90, 8),
    ]


def test_the_recorded_inputs_are_rows_with_a_question_and_no_answer():
    assert texts(recorded() / "model_inputs.jsonl") == [
        {"prompt": "What color does TrailBlaze Hiking Pants come in"},
        {"prompt": "What is the material for TrailBlaze Hiking Pants"},
        {"prompt": "How do I carry the TrailMaster tent around?"},
        {"prompt": "What brand is for TrailMaster tent? "},
    ]


def test_the_recorded_spans_on_one_line_are_the_same(tmp_path):
    lines = (recorded() / "app_traces.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "one_line.jsonl").write_text("".join(lines), encoding="utf-8")
    assert read(tmp_path)[:2] == read(recorded() / "app_traces.jsonl")[:2]


# Inputs, outputs and traces.


def test_inputs_and_outputs_with_one_correlation_id_are_one_row(tmp_path):
    write(tmp_path / "in" / "a.jsonl", record("model_inputs", [{"question": "Why?", "ground_truth": "So."}], "c1"))
    write(tmp_path / "out" / "b.jsonl", record("model_outputs", [{"answer": "Because.", "context": ["x", "y"]}], "c1"))
    runs, rows, _ = read(tmp_path / "in", tmp_path / "out")
    assert [(row.trace_id, row.flow, row.role) for row in rows] == [("c1", "shop", "shop")]
    assert rows[0].texts == {P: "Why?", C: "Because.", X: '["x", "y"]', G: "So."}
    assert runs[0].numbers == {"question_length": 4, "answer_length": 8}


def test_the_columns_are_called_what_the_monitor_says(tmp_path):
    write(
        tmp_path / "a.jsonl",
        record("model_inputs", [{"query": "Why?", "question": "no"}], "c1"),
        record("model_outputs", [{"reply": {"text": "ü"}, "docs": "d"}], "c1"),
    )
    columns = Columns(prompt="query", completion="reply", context="docs", ground_truth=None)
    assert texts(tmp_path, columns=columns) == [{"prompt": "Why?", "completion": '{"text": "ü"}', "context": "d"}]


def test_an_output_without_names_is_the_answer(tmp_path):
    write(
        tmp_path / "a.jsonl",
        record("model_inputs", [{"question": "Why?"}], "c1"),
        record("model_outputs", ["So."], "c1"),
    )
    assert texts(tmp_path) == [{"prompt": "Why?", "completion": "So."}]


def test_rows_that_were_sent_together_stay_apart(tmp_path):
    write(
        tmp_path / "a.jsonl",
        record("model_inputs", [{"question": "1?"}, {"question": "2?"}], "c1"),
        record("model_outputs", [{"answer": "1."}, {"answer": "2."}], "c1"),
    )
    assert texts(tmp_path) == [{"prompt": "1?", "completion": "1."}, {"prompt": "2?", "completion": "2."}]


def test_promptflow_s_traces_join_its_inputs_by_the_request_although_their_correlation_ids_are_random(tmp_path):
    flow = span("rag", 1, 9, "Flow", request_id="r1", inputs='{"question": "cut"}', output='"cut"')
    found = span("search", 2, 1, "Retrieval", **{"retrieval.documents": '[{"document.content": "the source"}]'})
    write(
        tmp_path / "a.jsonl",
        record("app_traces", [flow], "random-1"),
        record("app_traces", [found], "random-2"),
        record("model_inputs", [{"question": "Why?"}], "c1", "r1"),
        record("model_outputs", [{"answer": "Because."}], "c1", "r1"),
    )
    runs, rows, _ = read(tmp_path)
    assert [(row.trace_id, row.span_id, row.flow) for row in rows] == [("ab" * 16, f"{1:016x}", "rag")]
    assert rows[0].texts == {P: "Why?", C: "Because.", X: "the source"}
    assert runs[0].numbers["latency_ms"] == 1500


def test_two_requests_of_one_trace_are_two_runs_each_with_what_it_retrieved(tmp_path):
    documents = {"retrieval.documents": '["for the first"]'}
    write(
        tmp_path / "a.jsonl",
        record("app_traces", [span("first", 1, 9, "Flow", inputs='{"question": "1?"}', output='{"answer": "1"}')], "a"),
        record(
            "app_traces", [span("second", 2, 9, "Flow", inputs='{"question": "2?"}', output='{"answer": "2"}')], "b"
        ),
        record("app_traces", [span("node", 3, 1, "Function")], "c"),
        record("app_traces", [span("search", 4, 3, "Retrieval", **documents)], "d"),
        record("app_traces", [span("inner", 5, 3, "Flow", inputs='{"question": "inner?"}', output='"inner"')], "e"),
    )
    assert texts(tmp_path) == [
        {"prompt": "1?", "completion": "1", "context": "for the first"},
        {"prompt": "2?", "completion": "2"},
    ]


def test_a_record_that_is_delivered_twice_counts_once(tmp_path):
    twice = record("model_inputs", [{"question": "Why?"}], "c1")
    trace = record("app_traces", [span("rag", 1, 0, "Flow", inputs='{"question": "W?"}')], "t")
    write(tmp_path / "a.jsonl", twice, trace)
    write(tmp_path / "b.jsonl", trace, twice)
    assert sorted(row["prompt"] for row in texts(tmp_path)) == ["W?", "Why?"]


# Whose, and when.


@pytest.mark.parametrize(
    ("target", "count"),
    [
        (Target(endpoint="shop", deployment="blue"), 1),
        (Target(deployment="green"), 0),
        (Target(endpoint="desk"), 0),
        (Target(flow="rag"), 1),
        (Target(flow="other"), 0),
    ],
)
def test_only_what_the_monitor_aims_at_is_read(tmp_path, target, count):
    write(tmp_path / "a.jsonl", record("app_traces", [span("rag", 1, 0, "Flow", inputs='{"question": "?"}')], "t"))
    assert len(read(tmp_path, target=target)[0]) == count


def test_only_what_happened_in_the_window_is_read(tmp_path):
    hours = {9: "2026-01-05T09:59:59Z", 10: "2026-01-05T10:00:00Z", 11: "2026-01-05T11:00:00Z"}
    for hour, moment in hours.items():
        rows = [{"question": f"{hour}?"}]
        file = tmp_path / f"shop/blue/model_inputs/2026/01/05/{hour:02}/i.jsonl"
        write(file, record("model_inputs", rows, f"c{hour}", time=moment))
    window = (datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 1, 5, 11, tzinfo=UTC))
    assert texts(tmp_path, window=window) == [{"prompt": "10?"}]


def test_files_of_other_hours_are_not_even_opened():
    window = (datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 1, 5, 11, tzinfo=UTC))
    hours = [f"shop/blue/app_traces/2026/01/05/{hour:02}/i.jsonl" for hour in range(24)]
    # An hour before and after: a record is filed under the hour in which it was written.
    assert within([*hours, "plain.jsonl", "x/2026/13/41/99/odd.jsonl"], window) == [*hours[9:12], "plain.jsonl"]


# Files as they are found.


def write_text(folder: Path, text: str) -> Path:
    (folder / "a.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder


GOOD = json.dumps(record("model_inputs", [{"question": "Why?"}], "c1"))
OTHER = json.dumps(record("model_inputs", [{"question": "How?"}], "c2"))


@pytest.mark.parametrize(
    ("content", "questions", "damaged"),
    [
        (GOOD + OTHER, ["Why?", "How?"], 0),
        (f"{GOOD} , {OTHER}\r\n\n", ["Why?", "How?"], 0),
        (json.dumps(json.loads(GOOD), indent=2) + "\n" + OTHER, ["Why?", "How?"], 0),
        (f"\ufeff{GOOD}\0\n", ["Why?"], 0),
        (GOOD[:200] + "\n" + OTHER, ["How?"], 1),
        (GOOD + "\n" + OTHER[:-40], ["Why?"], 1),
        (GOOD + "\n<html>503</html>\n" + OTHER, ["Why?", "How?"], 1),
        ("[" * 100_000 + "\n" + GOOD, ["Why?"], 1),
        ('42\n"text"\n' + GOOD, ["Why?"], 2),
        ('{"type": "azureml.inference.app_traces", "data": [1, {"context": {}}]}' + GOOD, ["Why?"], 2),
        ('{"type": "azureml.inference.model_inputs", "data": "no list"}' + GOOD, ["Why?"], 1),
        ("", [], 0),
    ],
)
def test_what_can_be_read_of_a_file_is_read_and_the_rest_counted(tmp_path, content, questions, damaged):
    _, rows, notes = read(write_text(tmp_path, content))
    assert [row.texts[P] for row in rows] == questions
    assert notes == ([f"{damaged} pieces of the collected data are damaged and were left out."] if damaged else [])


def test_a_file_in_pieces_of_any_size_gives_the_same_objects():
    text = (GOOD + OTHER + "\n" + GOOD[:77] + "\n" + OTHER.replace("How?", "Wie? ü€😀")).encode()
    whole = list(objects([text]))
    assert [one and one["data"][0]["question"] for one in whole] == ["Why?", "How?", None, "Wie? ü€😀"]
    for size in (1, 2, 3, 7, 64, 1000):
        assert list(objects(text[at : at + size] for at in range(0, len(text), size))) == whole


def test_text_that_no_encoding_can_carry_does_no_harm(tmp_path):
    odd = record("model_inputs", [{"question": "half \ud83d a pair"}], "c\ud800")
    trace = record("app_traces", [span("f\ud800", 1, 0, "Flow", inputs='{"question": "\\ud83d?"}')], "t")
    write_text(tmp_path, json.dumps(odd) + json.dumps(trace))
    runs, rows, _ = read(tmp_path)
    assert sorted(row.texts[P] for row in rows) == ["half \ufffd a pair", "\ufffd?"]
    json.dumps([run.trace_id for run in runs]).encode()


def test_spans_whose_numbers_are_odd_are_runs_all_the_same(tmp_path):
    counts = {
        f"__computed__.cumulative_token_count.{name}": value
        for name, value in {"prompt": 10**400, "completion": "many", "total": -1}.items()
    }
    odd = span("rag", 1, 1, "Flow", inputs="{cut", output=None, **counts) | {"start_time": "yesterday", "status": None}
    late = span("rag", 2, 0, "Flow", inputs='{"question": "?"}', **counts)
    write(tmp_path / "a.jsonl", record("app_traces", [odd], "t"), record("app_traces", [late], "u"))
    runs, _, notes = read(tmp_path)
    assert [(run.span_id, run.numbers) for run in runs] == [
        (f"{2:016x}", {"latency_ms": 1500, "question_length": 1, "answer_length": 0})
    ]
    assert notes == ["1 pieces of the collected data are damaged and were left out."], "when the other was is not known"


def test_data_that_lies_elsewhere_is_said(tmp_path):
    too_large = record("model_inputs", [], "c1", dataref="https://example.invalid/x") | {"data": None}
    write(tmp_path / "a.jsonl", too_large)
    runs, _, notes = read(tmp_path)
    assert runs == []
    assert notes == ["1 records are too large for their file; their data lies elsewhere and was left out."]


def test_a_folder_that_is_not_there_ends_the_run_with_a_word(tmp_path):
    with pytest.raises(SourceLostError, match=r"There is no folder .*nowhere. Name the folder"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("address", ["ftp://host/x", "https://account.blob.core.windows.net/", "s3://bucket/x"])
def test_an_address_that_says_nothing_is_refused(address):
    with pytest.raises(PlaceError, match=r"write a folder|names no container"):
        place(address)


def test_paths_start_from_the_folder_of_the_monitor_s_file(tmp_path):
    write(tmp_path / "data" / "a.jsonl", record("model_inputs", [{"question": "?"}], "c1"))
    for address in ("data", str(tmp_path / "data"), f"file://{tmp_path}/data"):
        assert list(place(address, tmp_path).files()) == ["a.jsonl"]
