"""A monitor over collected data, from its file to its report and to scores beside the runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from counting import Counting
from recorded import recorded
from shop import shop
from typer.testing import CliRunner

from pf_monitor import runtime
from pf_monitor.cli import app
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.local_server import ServerSource
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.quality import run_monitor
from pf_monitor.settings import Settings

MONITOR = """\
name: answers
trigger: {{type: cron, expression: "0 3 * * *"}}
properties:
  pf_monitor.judge: "stand-in"
  pf_monitor.baseline: "none"
create_monitor:
  compute: {{instance_type: standard_e4s_v3, runtime_version: "3.5"}}
  monitoring_target: {{ml_task: QuestionAnswering}}
  monitoring_signals:
    quality:
      type: generation_safety_quality
      connection_id: /subscriptions/0/connections/aoai
      production_data:
        - data_column_names: {{prompt_column: question, completion_column: answer, context_column: context}}
          input_data: {{type: uri_folder, path: "{path}"}}
          data_window: {{lookback_window_size: {days}}}
      metric_thresholds:
        groundedness: {{aggregated_groundedness_pass_rate: 0.7}}
        fluency: {{aggregated_fluency_pass_rate: 0.7}}
      sampling_rate: 1.0
    tokens:
      type: generation_token_statistics
      production_data:
        input_data: {{type: uri_folder, path: "{path}"}}
        data_window: {{lookback_window_size: {days}}}
      metric_thresholds: {{totaltoken: {{total_token_count: 0, total_token_count_per_group: 0}}}}
      sampling_rate: 1.0
"""


def monitor_file(folder: Path, path: str = "data", days: str = "P1D") -> Path:
    file = folder / "monitor.yaml"
    file.write_text(MONITOR.format(path=path, days=days))
    return file


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PF_MONITOR_DATA", str(tmp_path / "kept"))
    monkeypatch.delenv("APPLICATIONINSIGHTS_CONNECTION_STRING", raising=False)


def collect(folder: Path, count: int) -> None:
    """Let a flow collect, as it does where it is served."""
    runtime.use(PipelineRecorder(Settings(enabled=True, collect_to=str(folder)), Counting()))
    for number in range(count):
        shop(f"How heavy is number {number}?", [])
    runtime.stop(30)


def test_a_monitor_judges_what_the_recorded_collector_left(tmp_path):
    file = monitor_file(tmp_path, str(recorded()), "P3650D")
    ran = CliRunner().invoke(app, ["monitor", "run", str(file), "--url", "http://127.0.0.1:9", "--json"])
    report = json.loads(ran.stdout)
    assert report["source"] == str(recorded())
    counts = {one["metric"]: (one["rows"], one["judged"], one["unscorable"]) for one in report["metrics"]}
    assert counts == {"groundedness": (5, 1, 4), "fluency": (5, 1, 4)}
    [worst] = report["metrics"][0]["worst"]
    assert worst["operation_id"] == "7923fa7843cb4ac68c750a4191e941cb"
    assert worst["question"] == "do you know about aml"
    [tokens] = report["tokens"]
    assert (tokens["runs"], tokens["prompt_tokens"], tokens["completion_tokens"]) == (5, 2966, 137)
    assert tokens["groups"]["answer_the_question_with_context · gpt-4-32k"] == 2996


def test_paths_of_the_file_start_from_its_folder_and_an_overlapping_run_is_free(tmp_path):
    collect(tmp_path / "data", 3)
    first = run_monitor(monitor_file(tmp_path), url="http://127.0.0.1:9")
    second = run_monitor(monitor_file(tmp_path), url="http://127.0.0.1:9")
    assert [(one.metric, one.rows, one.judged) for one in first.metrics] == [
        ("groundedness", 3, 3),
        ("fluency", 3, 3),
    ]
    assert first.tokens[0].groups == {"ask · gpt-4o": 135}
    assert (first.bill.calls, second.bill.calls) == (6, 0)
    assert first.metrics == second.metrics


def test_the_command_reads_another_place_than_the_file_names(tmp_path):
    collect(tmp_path / "elsewhere", 2)
    file = monitor_file(tmp_path, "azureml:shop-blue-app_traces:1")
    options = ["--collected", str(tmp_path / "elsewhere"), "--url", "http://127.0.0.1:9", "--json"]
    report = json.loads(CliRunner().invoke(app, ["monitor", "run", str(file), *options]).stdout)
    assert [one["judged"] for one in report["metrics"]] == [2, 2]


def test_scores_of_collected_runs_arrive_beside_the_runs(tmp_path):
    with running(tmp_path / "insights") as port:
        url = f"http://127.0.0.1:{port}"
        settings = Settings(enabled=True, collect_to=str(tmp_path / "data"))
        runtime.use(PipelineRecorder(settings, ApplicationInsights(connection_string(port))))
        shop("How heavy is it?", [])
        runtime.stop(30)
        report = run_monitor(monitor_file(tmp_path), url=url)
        assert not any("could not be written" in note for note in report.notes)
        with ServerSource.connect(url) as source:
            scored = source.query(
                "customEvents | where name == 'gen_ai.evaluation.result' "
                "| extend metric = tostring(customDimensions['gen_ai.evaluation.name']) "
                "| join kind=inner (requests | project operation_Id, id, flow = name) on operation_Id "
                "| where operation_ParentId == id | project metric, flow | order by metric asc"
            ).records()
    assert scored == [{"metric": "fluency", "flow": "shop"}, {"metric": "groundedness", "flow": "shop"}]


def test_a_place_that_is_not_there_ends_the_run_with_a_report(tmp_path):
    report = run_monitor(monitor_file(tmp_path), url="http://127.0.0.1:9")
    assert report.ending == "failed"
    assert any(note.startswith(f"There is no folder {tmp_path}/data. Name the folder") for note in report.notes)


def test_an_address_that_is_none_is_refused_by_the_command(tmp_path):
    file = monitor_file(tmp_path, "s3://bucket/x")
    ran = CliRunner().invoke(app, ["monitor", "run", str(file)])
    assert ran.exit_code == 2
    assert "s3:// is no place of collected data: write a folder, or a URL with https://" in ran.stderr
