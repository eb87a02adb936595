"""The examples of the documentation run, and what they promise arrives."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, all_blocks, blocks, name_of

import pf_monitor
from pf_monitor.local import connection_string

WITH_EXAMPLES = [name_of(page) for page in PAGES if any(not block.marker for block in blocks(name_of(page), "python"))]
FILES = [block for block in all_blocks("python", "yaml") if block.marker.startswith("file: ")]
FOLDERS = sorted({block.marker.removeprefix("file: ").partition("/")[0] for block in FILES})


def run_page(page):
    """Run a page's examples from top to bottom, as in one notebook; return the flows that they define."""
    names, flows = {"__name__": f"examples of {page}"}, set()
    for block in blocks(page, "python"):
        if block.marker:
            continue
        tree = ast.parse("\n" * (block.line - 1) + block.text, block.page)
        flows |= {name for node in ast.walk(tree) if (name := flow_name(node)) is not None}
        exec(compile(tree, block.page, "exec"), names)
    return flows


def flow_name(node):
    for decorator in getattr(node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called) == "pf_monitor.flow":
            keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
            return next((ast.literal_eval(k.value) for k in keywords if k.arg == "name"), node.name)
    return None


@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_python_examples_run_and_their_flows_arrive(page, undecided, stand_in, ask, caplog):
    with caplog.at_level(logging.WARNING, "pf_monitor"):
        flows = run_page(page)
        assert pf_monitor.flush(20)
    assert caplog.messages == [], f"an example of {page} makes the monitor complain"
    assert ask("exceptions | project type, outerMessage") == []
    assert {row["name"] for row in ask("requests")} == flows


def test_the_tokens_of_an_example_are_those_that_were_billed(undecided, stand_in, ask):
    run_page("getting-started.md")
    [call] = ask('dependencies | where customDimensions["pf_monitor.usage.source"] == "provider"')
    dimensions = json.loads(call["customDimensions"])
    [billed] = stand_in.ledger()["models"].values()
    assert int(dimensions["gen_ai.usage.input_tokens"]) == billed["prompt_tokens"]
    assert int(dimensions["gen_ai.usage.output_tokens"]) == billed["completion_tokens"]


def test_what_is_not_to_be_sent_is_not(undecided, stand_in, ask):
    run_page("getting-started.md")
    sent = json.dumps(ask("union requests, dependencies, traces, customEvents"))
    assert "how heavy is it?" in sent
    assert "this text is not sent" not in sent


def pf(folder, arguments, port, home, **variables):
    """Run promptflow's command line, which reports nothing to anybody."""
    (home / ".promptflow").mkdir(parents=True, exist_ok=True)
    (home / ".promptflow" / "pf.yaml").write_text("telemetry:\n  enabled: false\ntrace:\n  destination: none\n")
    environment = {
        **os.environ,
        "HOME": str(home),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(port),
        **variables,
    }
    return subprocess.run(
        [Path(sys.executable).with_name("pf"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def write_files(folder, target):
    for block in FILES:
        name = block.marker.removeprefix("file: ")
        if name.startswith(f"{folder}/"):
            path = target / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    return target / folder


@pytest.mark.serving
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_flows_on_the_pages_run_under_promptflow(folder, tmp_path, undecided, stand_in, port, ask):
    here = write_files(folder, tmp_path)
    prompty = next(here.glob("*.prompty"), None)
    flow = prompty.name if prompty else "."
    question = "How heavy is the Larkspur tent?"
    arguments = ["flow", "test", "--flow", flow, "--inputs", f"question={question}"]
    finished = pf(here, arguments, port, tmp_path / "home")
    assert finished.returncode == 0, finished.stderr
    [run] = ask("requests")
    dimensions = json.loads(run["customDimensions"])
    assert dimensions["question"] == question
    assert dimensions["answer"]
    nodes = {
        "flow": {"retrieve", "ask_model", "chat stand-in"},
        "dag": {"look_up", "answer"},
        "prompty": {"chat stand-in"},
    }
    assert {row["name"] for row in ask("dependencies")} == nodes[folder]
    if folder == "flow":
        assert "Larkspur" in dimensions["context"]


@pytest.mark.serving
def test_a_prompty_sends_no_content_when_content_is_switched_off(tmp_path, undecided, stand_in, port, ask):
    here = write_files("prompty", tmp_path)
    arguments = ["flow", "test", "--flow", "shop.prompty", "--inputs", "question=this text is not sent"]
    finished = pf(here, arguments, port, tmp_path / "home", PF_MONITOR_CAPTURE_CONTENT="false")
    assert finished.returncode == 0, finished.stderr
    rows = ask("union requests, dependencies, traces")
    assert rows
    assert "this text is not sent" not in json.dumps(rows)
