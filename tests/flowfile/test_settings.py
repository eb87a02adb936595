"""What the monitored process takes from flow files, and that no file can disturb it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pf_monitor import notices
from pf_monitor.flowfile import settings
from pf_monitor.flowfile.read import FLOW_FILES, read_text
from pf_monitor.flowfile.settings import display_name, from_flow_files

ON = "environment_variables: {PF_MONITOR_ENABLED: true}\n"
OFF = "environment_variables: {PF_MONITOR_ENABLED: false}\n"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder without a flow."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PROMPTFLOW_PROJECT_PATH", raising=False)
    notices.forget()
    return folder


def enabled(*places: Path) -> bool | None:
    return from_flow_files(places).enabled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entry: f:g", None),
        ("environment_variables: {PF_MONITOR_ENABLED: 1}", True),
        ("environment_variables: {PF_MONITOR_ENABLED: 'Yes'}", True),
        ("app_insights_enabled: 'true'", True),
        ("app_insights_enabled: [true]", None),
        ("app_insights_enabled: true\nenvironment_variables: {PF_MONITOR_ENABLED: false}", False),
        ("\ufeff" + ON, True),
    ],
)
def test_the_switch(tmp_path: Path, text: str, said: bool | None) -> None:
    (tmp_path / "flow.flex.yaml").write_text(text, encoding="utf-8")
    assert enabled(tmp_path) is said


@pytest.mark.parametrize("name", FLOW_FILES)
def test_every_name_of_a_flow_file_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(ON)
    assert enabled(tmp_path)


def test_the_first_place_that_says_something_wins(
    tmp_path: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, served = tmp_path / "named", tmp_path / "served"
    for folder, text in ((named, "entry: f:g"), (served, OFF), (nowhere, ON)):
        folder.mkdir(exist_ok=True)
        (folder / "flow.dag.yaml").write_text(text)
    assert enabled(named) is True
    monkeypatch.setenv("PROMPTFLOW_PROJECT_PATH", str(served))
    assert enabled(named) is False
    (named / "flow.dag.yml").write_text(ON)
    assert enabled(named) is True


def test_a_folder_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "chat.v2"
    folder.mkdir()
    (folder / "flow.flex.yaml").write_text(ON)
    assert enabled(folder)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_prompty_says_it_in_its_front_matter(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "a.prompty"
    path.write_bytes(f"---\n{ON}display_name: Mine\n----\nuser:\n{{{{x}}}}\n---\n".replace("\n", newline).encode())
    assert enabled(path)
    assert display_name(path) == "Mine"


@pytest.mark.parametrize("content", [b"entry: [", b"\xff\xfe", b"when: 2024-13-45"])
def test_a_broken_file_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    path = tmp_path / "flow.flex.yaml"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "pf_monitor"):
        assert (enabled(tmp_path), enabled(tmp_path), display_name(path)) == (None, None, None)
    [record] = caplog.records
    assert record.getMessage().startswith(f"pf_monitor cannot read {path}: ")


@pytest.mark.parametrize("text", ["", "just text", "- a", ON + "#" * 1_000_000])
def test_a_file_without_settings_is_passed_over_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "flow.flex.yaml").write_text(text)
    (tmp_path / "a.prompty").write_text("no front matter")
    assert enabled(tmp_path, tmp_path / "a.prompty") is None
    assert not caplog.records


def test_a_file_is_read_anew_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    monkeypatch.setattr(settings, "read_text", lambda path: reads.append(path) or read_text(path))
    path = tmp_path / "flow.flex.yaml"
    path.write_text(OFF)
    assert [enabled(tmp_path) for _request in range(3)] == [False] * 3
    assert reads == [path]
    path.write_text(ON)
    assert [enabled(tmp_path) for _request in range(3)] == [True] * 3
    assert reads == [path, path]
