"""Switched on by the environment, the flow file or code; read at the first call; else nothing happens."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

import pf_monitor
from pf_monitor import runtime
from pf_monitor.local import connection_string


@pf_monitor.flow
def flow(question):
    return question


def test_not_enabled_nothing_is_recorded_and_no_thread_started(unmonitored):
    before = threading.active_count()
    assert flow("q") == "q"
    assert runtime.off
    assert runtime.recorder is None
    assert threading.active_count() == before


@pytest.mark.parametrize("word", ["true", "1", "True", "on"])
def test_by_the_environment_read_at_the_first_call(unmonitored, monkeypatch, insights, word):
    monkeypatch.setenv("PF_MONITOR_ENABLED", word)
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", connection_string(insights))
    flow("q")
    assert runtime.recorder is not None
    assert runtime.flush()


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("environment_variables:\n  PF_MONITOR_ENABLED: true\n", True),
        ("environment_variables:\n  PF_MONITOR_ENABLED: false\n", False),
        ("app_insights_enabled: true\n", True),
        ("app_insights_enabled: true\nenvironment_variables:\n  PF_MONITOR_ENABLED: false\n", False),
        ("entry: chat:flow\n", None),
        ("just text", None),
        ("environment_variables: [1]\n", None),
    ],
)
def test_by_the_flow_file(unmonitored, tmp_path, text, enabled):
    (tmp_path / "flow.flex.yaml").write_text(text)
    assert runtime.current_settings().enabled is enabled


def test_the_environment_wins_over_the_flow_file(unmonitored, tmp_path, monkeypatch):
    (tmp_path / "flow.flex.yaml").write_text("environment_variables:\n  PF_MONITOR_ENABLED: true\n")
    monkeypatch.setenv("PF_MONITOR_ENABLED", "false")
    flow("q")
    assert runtime.recorder is None


def test_a_line_of_a_flow_that_is_off_looks_at_its_file_once_a_second(unmonitored, tmp_path, monkeypatch):
    """Each line of each request asks: for a second, what the file said holds; the next line after it looks again."""
    file = tmp_path / "flow.flex.yaml"
    file.write_text("environment_variables:\n  PF_MONITOR_ENABLED: false\n")
    now = [100.0]
    monkeypatch.setattr(runtime, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def runs_a_line():
        runtime.reconsider(tmp_path)
        return flow("q") == "q" and runtime.recorder is not None

    assert not runs_a_line()
    file.write_text("environment_variables:\n  PF_MONITOR_ENABLED: true\n")
    now[0] += 0.9
    assert not runs_a_line()
    now[0] += 0.2
    assert runs_a_line()


def test_the_switch_in_the_environment_is_seen_at_the_next_line(unmonitored, tmp_path, monkeypatch):
    """promptflow puts a flow's own variables there, right before its first line."""
    runtime.reconsider(tmp_path)
    flow("q")
    assert runtime.off
    monkeypatch.setenv("PF_MONITOR_ENABLED", "true")
    runtime.reconsider(tmp_path)
    flow("q")
    assert runtime.recorder is not None


def test_another_flow_is_looked_at_before_its_first_line(unmonitored, tmp_path):
    runtime.reconsider(tmp_path)
    flow("q")
    assert runtime.off
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "flow.dag.yaml").write_text("environment_variables:\n  PF_MONITOR_ENABLED: true\n")
    runtime.reconsider(tmp_path / "other")
    flow("q")
    assert runtime.recorder is not None


def test_references_to_connections_are_left_to_promptflow(unmonitored, tmp_path):
    (tmp_path / "flow.flex.yaml").write_text(
        "environment_variables:\n  PF_MONITOR_ENABLED: true\n"
        "  APPLICATIONINSIGHTS_CONNECTION_STRING: ${insights.connection_string}\n"
    )
    assert runtime.current_settings().connection_string == connection_string()


def test_a_flow_file_that_is_not_yaml_is_said_and_harms_nothing(unmonitored, tmp_path, caplog):
    (tmp_path / "flow.flex.yaml").write_text("entry: [")
    with caplog.at_level(logging.WARNING, "pf_monitor"):
        assert flow("q") == "q"
    assert f"cannot read {tmp_path.name}" in caplog.text or "pf_monitor cannot read flow.flex.yaml" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "not a list of name=value pairs"),
        ("IngestionEndpoint=https://x/", "has no InstrumentationKey"),
        ("InstrumentationKey=123;IngestionEndpoint=https://x/", "not a UUID"),
        ("InstrumentationKey=00000000-0000-4000-8000-706600004319;IngestionEndpoint=x", "not an http(s) address"),
    ],
)
def test_a_wrong_connection_string_is_said_once_without_repeating_it(unmonitored, monkeypatch, caplog, text, problem):
    monkeypatch.setenv("PF_MONITOR_ENABLED", "true")
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", text)
    with caplog.at_level(logging.WARNING, "pf_monitor"):
        assert [flow("q"), flow("q")] == ["q", "q"]
    [record] = caplog.records
    assert problem in record.getMessage()
    assert "pf-monitor up" in record.getMessage()
    assert text not in record.getMessage()


def test_by_code_and_off_again(unmonitored, insights):
    pf_monitor.configure(enabled=True, connection_string=connection_string(insights), deployment="blue")
    flow("q")
    assert runtime.recorder is not None
    pf_monitor.configure(enabled=False)
    flow("q")
    assert runtime.recorder is None


def test_deployment_version_and_role(unmonitored, monkeypatch, tmp_path):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,service.version=1.2.3")
    monkeypatch.setenv(
        "AML_DEPLOYMENT_RESOURCE_ID",
        "/subscriptions/x/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
        "/onlineEndpoints/e/deployments/green",
    )
    settings = runtime.current_settings()
    assert (settings.service_name, settings.service_version, settings.deployment) == ("shop", "1.2.3", "green")


def test_the_key_that_azure_ml_sets_is_enough(unmonitored, monkeypatch):
    monkeypatch.setenv("AML_APP_INSIGHTS_KEY", "00000000-0000-4000-8000-706600004319")
    assert runtime.current_settings().connection_string == (
        "InstrumentationKey=00000000-0000-4000-8000-706600004319;"
        "IngestionEndpoint=https://dc.services.visualstudio.com/"
    )
