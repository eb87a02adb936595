"""The monitors that Microsoft's documentation shows for prompt flow, as YAML and as objects, are read as meant."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import documented_objects
import pytest

from pf_monitor.quality import azure_ml
from pf_monitor.quality.monitor import (
    Alerts,
    Columns,
    CronTrigger,
    Metric,
    Monitor,
    ProductionData,
    QualitySignal,
    Sampling,
    Target,
    TokenSignal,
    Window,
)
from pf_monitor.quality.schedule_file import load, read, read_object

FOLDER = Path(__file__).parent / "documented"
NAMES = ("both_signals", "tokens", "quality")

QUALITY = QualitySignal(
    "gsq-signal",
    metrics=(
        Metric("groundedness", 0.7),
        Metric("relevance", 0.7),
        Metric("coherence", 0.7, average_score=4.0),
        Metric("fluency", 0.7, average_score=4.0),
    ),
    columns=Columns("question", "answer", "context", None),
    sampling=Sampling(1.0),
    window=Window(timedelta(days=7)),
    connection_id=f"{documented_objects.WORKSPACE}/connections/aoai",
    data=(ProductionData("azureml:contoso-chat-contoso-chat-1-app_traces:1", "uri_folder"),),
)
TOKENS = TokenSignal("token-usage-signal", sampling=Sampling(1.0), window=Window(timedelta(days=7)))


def monitor(name, *signals):
    return Monitor(
        name,
        signals,
        CronTrigger("15 10 * * *"),
        Target("contoso-chat", "contoso-chat-1"),
        alerts=Alerts(("test@example.com", "def@example.com")),
    )


EXPECTED = {
    "both_signals": monitor("gen_ai_monitor_both_signals", QUALITY, TOKENS),
    "tokens": monitor("gen_ai_monitor_tokens", TOKENS),
    "quality": monitor("gen_ai_monitor_generation_quality", QUALITY),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_documented_file_is_read_as_it_is_meant(name):
    assert load(FOLDER / f"{name}.yaml") == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_monitor_built_in_python_is_the_same(name):
    assert load(getattr(documented_objects, name)()) == EXPECTED[name]


def test_what_azure_would_do_otherwise_is_said_with_its_line():
    reading = read(FOLDER / "both_signals.yaml")
    signals = "create_monitor.monitoring_signals"
    assert [problem.located("FILE") for problem in reading.problems] == [
        'FILE:10: warning: create_monitor.compute.runtime_version: "3.3" is refused by Azure ML: write "3.4" or "3.5".'
        " A local run needs none, and pf-monitor monitor submit corrects it",
        f"FILE:15: warning: {signals}.gsq-signal: has no alert_enabled: true, and nobody is told when it fails",
        f"FILE:43: warning: {signals}.token-usage-signal: has no sampling_rate: Azure ML would count a tenth of the"
        " runs and call it the total; a local run counts all. Write sampling_rate: 1.0",
        f"FILE:43: warning: {signals}.token-usage-signal: has no alert_enabled: true, and nobody is told when it fails",
    ]


def test_of_an_object_the_same_is_said_without_lines():
    reading = read_object(documented_objects.both_signals())
    in_file = read(FOLDER / "both_signals.yaml")
    assert reading.source == "MonitorSchedule gen_ai_monitor_both_signals"
    assert {(one.key, one.message) for one in reading.problems} == {(one.key, one.message) for one in in_file.problems}
    assert {one.line for one in reading.problems} == {None}


def test_a_monitor_without_signals_gets_azures_default(tmp_path):
    text = (FOLDER / "tokens.yaml").read_text()
    without = text[: text.index("  monitoring_signals")] + text[text.index("  alert_notification") :]
    (tmp_path / "m.yaml").write_text(without)
    assert load(tmp_path / "m.yaml") == EXPECTED["tokens"]


@pytest.mark.parametrize("name", NAMES)
def test_azure_ml_takes_the_file_after_what_is_said_was_corrected(name):
    submission = azure_ml.prepare(FOLDER / f"{name}.yaml")
    runtime = "Spark runtime 3.3 is refused now: 3.4 is sent instead."
    tokens = "token-usage-signal had no sampling_rate and would have counted a tenth: 1.0 is sent."
    assert submission.corrections == ((runtime,) if name == "quality" else (runtime, tokens))
    definition = submission.payload()["properties"]["action"]["monitorDefinition"]
    assert definition["computeConfiguration"]["runtimeVersion"] == "3.4"
    if name != "quality":
        assert definition["signals"]["token-usage-signal"]["samplingRate"] == 1.0
    if name != "tokens":
        signal = definition["signals"]["gsq-signal"]
        assert signal["metricThresholds"][:2] == [
            {"metric": "AcceptableGroundednessScorePerInstance", "threshold": {"value": 3.0}},
            {"metric": "AggregatedGroundednessPassRate", "threshold": {"value": 0.7}},
        ]
        assert signal["productionData"][0]["windowSize"] == "P7D"
