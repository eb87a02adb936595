from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from typer.testing import CliRunner, Result

from pf_monitor.cli import app
from pf_monitor.flowfile import edit
from pf_monitor.flowfile.read import locate, read
from pf_monitor.flowfile.settings import from_flow_files

FLOWS = Path(__file__).parents[2] / "flows"

FLEX = """\
# A flow of mine.
entry: flow:chat   # the function

environment_variables:
    # keys
    KEY: 'single'    # kept
    OTHER: "double"

tags: {a: b,  c: d}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, text: str, name: str = "flow.flex.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_enable_adds_one_line_and_disable_takes_it_away(tmp_path: Path) -> None:
    path = write(tmp_path, FLEX)

    result = run("enable", tmp_path)

    assert result.exit_code == 0
    assert path.read_text() == FLEX.replace("    KEY:", "    PF_MONITOR_ENABLED: true\n    KEY:")
    assert "+    PF_MONITOR_ENABLED: true" in result.output
    assert f"Changed {path}." in result.output

    assert run("disable", tmp_path).exit_code == 0
    assert path.read_text() == FLEX


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("entry: f:g\n", "entry: f:g\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n"),
        ("entry: f:g", "entry: f:g\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n"),
        ("entry: f:g\r\n", "entry: f:g\r\nenvironment_variables:\r\n  PF_MONITOR_ENABLED: true\r\n"),
        ("\ufeffentry: f:g\n", "\ufeffentry: f:g\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n"),
        (
            "environment_variables:  # mine\nentry: f:g\n",
            "environment_variables:\n  PF_MONITOR_ENABLED: true  # mine\nentry: f:g\n",
        ),
        (
            "environment_variables: ~\nentry: f:g\n",
            "environment_variables:\n  PF_MONITOR_ENABLED: true\nentry: f:g\n",
        ),
        (
            "environment_variables: {}\nentry: f:g\n",
            "environment_variables: {PF_MONITOR_ENABLED: true}\nentry: f:g\n",
        ),
        (
            "environment_variables: {A: 1}\nentry: f:g\n",
            "environment_variables: {PF_MONITOR_ENABLED: true, A: 1}\nentry: f:g\n",
        ),
        (
            "environment_variables:\n  PF_MONITOR_ENABLED: no # off\nentry: f:g\n",
            "environment_variables:\n  PF_MONITOR_ENABLED: true # off\nentry: f:g\n",
        ),
        ('{"entry": "f:g"}', '{environment_variables: {PF_MONITOR_ENABLED: true}, "entry": "f:g"}'),
        (
            "app_insights_enabled: true  # deployed\nentry: f:g\n",
            "entry: f:g\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n",
        ),
    ],
)
def test_enable_keeps_the_layout(tmp_path: Path, before: str, after: str) -> None:
    path = write(tmp_path, before)
    assert run("enable", tmp_path).exit_code == 0
    assert path.read_bytes().decode() == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("environment_variables:\n  PF_MONITOR_ENABLED: true\n\n# end\nentry: f:g\n", "\n# end\nentry: f:g\n"),
        ("entry: f:g\nenvironment_variables: {PF_MONITOR_ENABLED: true}", "entry: f:g\n"),
        (
            "entry: f:g\nenvironment_variables: {PF_MONITOR_ENABLED: true, A: 1}\n",
            "entry: f:g\nenvironment_variables: {A: 1}\n",
        ),
        (
            "entry: f:g\nenvironment_variables: {A: 1, PF_MONITOR_ENABLED: true}\n",
            "entry: f:g\nenvironment_variables: {A: 1}\n",
        ),
        ("app_insights_enabled: true\nentry: f:g\n", "entry: f:g\n"),
        ("environment_variables: {}\nentry: f:g\n", "environment_variables: {}\nentry: f:g\n"),
    ],
)
def test_disable_takes_only_the_switch(tmp_path: Path, before: str, after: str) -> None:
    path = write(tmp_path, before)
    assert run("disable", tmp_path).exit_code == 0
    assert path.read_bytes().decode() == after


def test_enable_twice_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, FLEX)
    run("enable", tmp_path)
    once = path.read_text()
    result = run("enable", tmp_path)
    assert result.exit_code == 0
    assert "already switched on" in result.output
    assert path.read_text() == once


def test_disable_what_is_not_enabled(tmp_path: Path) -> None:
    path = write(tmp_path, FLEX)
    assert "nothing to change" in run("disable", tmp_path).output
    assert path.read_text() == FLEX


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, FLEX)
    result = run("enable", tmp_path, "--dry-run")
    assert "+    PF_MONITOR_ENABLED: true" in result.output
    assert "Nothing is written" in result.output
    assert path.read_text() == FLEX


def test_the_connection_string_goes_along(tmp_path: Path) -> None:
    path = write(tmp_path, "entry: f:g\n")
    string = "InstrumentationKey=1;IngestionEndpoint=https://example.invalid/"
    run("enable", tmp_path, "--connection-string", string)
    run("enable", tmp_path)
    variables = read(path).section("environment_variables")
    assert variables == {"PF_MONITOR_ENABLED": True, "APPLICATIONINSIGHTS_CONNECTION_STRING": string}


def test_says_that_it_moves_what_promptflow_refuses(tmp_path: Path) -> None:
    write(tmp_path, "app_insights_enabled: true\nentry: f:g\n")
    assert "promptflow refuses it before the flow is deployed" in run("enable", tmp_path).output


def test_a_prompty_is_edited_in_its_front_matter(tmp_path: Path) -> None:
    text = "---\nname: n\nmodel:\n  api: chat\n---\nsystem:\n---\nenvironment_variables:\n"
    path = write(tmp_path, text, "n.prompty")
    run("enable", tmp_path)
    assert path.read_text() == text.replace(
        "api: chat\n", "api: chat\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n"
    )
    run("disable", path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (None, "", "holds no flow"),
        ("flow.flex.yaml", "entry: [", "not valid YAML"),
        ("flow.flex.yaml", "a: 1\na: 2\n", "not valid YAML"),
        ("flow.flex.yaml", "- entry\n", "a list where a mapping is expected"),
        ("flow.flex.yaml", "", "empty where a mapping is expected"),
        ("flow.dag.yaml", "environment_variables: [A]\n", "should be a mapping"),
        ("flow.dag.yaml", "x: &v {A: 1}\nenvironment_variables: *v\n", "cannot be edited safely"),
        ("x.prompty", "no front matter\n", "no front matter"),
    ],
)
def test_a_bad_file_is_named_and_left_alone(tmp_path: Path, name: str | None, text: str, complaint: str) -> None:
    if name:
        path = write(tmp_path, text, name)
    result = run("enable", tmp_path)
    assert result.exit_code == 1
    assert complaint in result.output
    assert str(tmp_path) in result.output
    if name:
        assert path.read_text() == text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run("enable", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "There is no folder" in result.output


def test_several_flows_in_a_folder_need_a_name(tmp_path: Path) -> None:
    write(tmp_path, "entry: f:g\n")
    path = write(tmp_path, "nodes: []\n", "flow.dag.yaml")
    assert "name the file" in run("enable", tmp_path).output
    assert run("enable", path).exit_code == 0


def test_a_write_that_fails_leaves_the_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, FLEX)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("shutil.copymode", full)
    result = run("enable", tmp_path)
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert path.read_text() == FLEX
    assert list(tmp_path.iterdir()) == [path]


def accepted_by_promptflow(path: Path) -> str:
    """Load a flow as `pf flow test` does; in its own process, since importing promptflow warns."""
    script = f"from promptflow.client import load_flow; print(load_flow({str(path)!r})._data['environment_variables'])"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.serving
def test_promptflow_itself_accepts_what_enable_wrote(tmp_path: Path) -> None:
    write(tmp_path, "def chat(question: str) -> str:\n    return question\n", "mine.py")
    path = write(tmp_path, "app_insights_enabled: true\nentry: mine:chat\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        accepted_by_promptflow(path)
    assert "app_insights_enabled" in refused.value.stderr

    run("enable", tmp_path)

    assert accepted_by_promptflow(path) == "{'PF_MONITOR_ENABLED': True}"


OURS = sorted(path.parent for path in FLOWS.glob("*/README.md"))


@pytest.mark.parametrize("folder", OURS, ids=lambda path: path.name)
def test_our_own_flows_are_switched_on(folder: Path) -> None:
    assert from_flow_files([locate(folder)]).enabled
    document = read(folder).document
    assert document.get("display_name", document.get("name")) == folder.name


def _reads_back(yaml: YAML, path: Path, content: object) -> bool:
    try:
        return bool(yaml.load(path) == content)
    except YAMLError:
        return False


names = st.text("abcxyz_", min_size=1, max_size=5)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text("ab: #'\"{}[]\n", max_size=12))
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    before=st.dictionaries(names, values, max_size=3),
    variables=st.one_of(st.just("absent"), st.none(), st.dictionaries(names, scalars, max_size=3)),
    after=st.dictionaries(names.map(str.upper), values, min_size=1, max_size=3),
    block=st.booleans(),
)
def test_any_file_says_after_enable_what_it_said_before_and_the_switch(
    tmp_path: Path, before: dict[str, object], variables: object, after: dict[str, object], block: bool
) -> None:
    content = {**before, **({} if variables == "absent" else {"environment_variables": variables}), **after}
    path = tmp_path / "flow.flex.yaml"
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = not block
    yaml.dump(content, path)
    assume(_reads_back(yaml, path, content))  # ruamel writes some scalars in flow style that it cannot read

    edit.enable(path).write()
    assert yaml.load(path) == {
        **content,
        "environment_variables": {**(variables if isinstance(variables, dict) else {}), "PF_MONITOR_ENABLED": True},
    }
    edit.disable(path).write()
    left = yaml.load(path)
    assert left.pop("environment_variables", {}) == (variables if isinstance(variables, dict) else {})
    assert left == {**before, **after}
