"""`pf-monitor azure export` writes what it should, where it may; the script that it writes deploys it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin_azure import install_az

PROGRAM = [sys.executable, "-c", "from pf_monitor.cli import main; main()"]
COMPONENT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/components/shop"
WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs"
FILES = ["README.md", "alerts.json", "deploy.sh", "queries.json", "workbook.json"]


@pytest.fixture
def run(tmp_path: Path):
    environment = os.environ | {"HOME": str(tmp_path), "PF_MONITOR_DATA": str(tmp_path / "data")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, "azure", "export", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)

    return run


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name[0] != "."}


def test_an_export_again_changes_only_what_an_export_wrote(run, tmp_path):
    folder = tmp_path / "azure"
    assert run(str(folder), "--resource-id", COMPONENT).returncode == 0
    first = written(folder)
    assert sorted(first) == FILES
    (folder / "notes.txt").write_text("mine")
    assert run(str(folder), "--resource-id", COMPONENT).returncode == 0
    assert written(folder) == first | {"notes.txt": "mine"}

    (folder / "README.md").write_text("mine too")
    refused = run(str(folder), "--workspace", WORKSPACE)
    assert refused.returncode == 1
    assert "README.md was not written by an export, or was changed since" in refused.stderr
    assert written(folder) == first | {"notes.txt": "mine", "README.md": "mine too"}
    assert run(str(folder), "--workspace", WORKSPACE, "--force").returncode == 0
    assert written(folder)["README.md"] != "mine too"
    assert "AppRequests" in (folder / "workbook.json").read_text()


def test_an_export_has_the_rules_of_the_file(run, tmp_path):
    (tmp_path / "data").mkdir()
    rules = "notify:\n  team: ${NOT_SET}\nrules:\n  slow-search:\n    query: by_node\n    measure: p95_ms\n"
    (tmp_path / "data" / "alerts.yaml").write_text(rules + "    when: '> 250'\n    window: 30m\n")
    assert run(str(tmp_path / "azure")).returncode == 0
    parameters = json.loads((tmp_path / "azure" / "alerts.json").read_text())["parameters"]
    assert parameters["slowSearchThreshold"]["defaultValue"] == "250"
    assert "errorRateThreshold" not in parameters
    (tmp_path / "data" / "alerts.yaml").write_text("rules: 3\n")
    assert "line 1: rules" in run(str(tmp_path / "azure")).stderr


def test_a_folder_that_cannot_be_written_to_is_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(str(tmp_path / "file" / "below"))
    assert (done.returncode, "Cannot write to" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    uuid = run(str(tmp_path / "azure"), "--workspace", "0f8fad5b-d9cb-469f-a165-70867728950e")
    assert "resource id here, which begins with /subscriptions/" in uuid.stderr


@pytest.fixture
def deploy(run, tmp_path: Path):
    assert run(str(tmp_path / "azure")).returncode == 0
    log = install_az(tmp_path / "bin")

    def deploy(*arguments: str, typed: str = "", **variables: str) -> tuple[subprocess.CompletedProcess[str], str]:
        log.unlink(missing_ok=True)
        environment = {"PATH": f"{log.parent}{os.pathsep}{os.defpath}", "HOME": str(tmp_path), **variables}
        done = subprocess.run(
            [tmp_path / "azure" / "deploy.sh", *arguments],
            input=typed, capture_output=True, text=True, env=environment, check=False, timeout=60,
        )  # fmt: skip
        return done, log.read_text() if log.exists() else ""

    return deploy


def test_the_script_shows_what_would_change_and_changes_nothing(deploy):
    done, log = deploy("--resource-id", COMPONENT, "--what-if")
    assert done.returncode == 0, done.stderr
    assert log.count("deployment group what-if") == 3
    assert "group create" not in log


def test_the_script_deploys_each_template_to_the_resources_group(deploy):
    done, log = deploy(
        *("--resource-id", COMPONENT, "--email", "a@example.com", "--email", "b@example.com", "--yes"),
        WEBHOOK_URI="https://example.com/hook?code=hunter22",
    )
    assert done.returncode == 0, done.stderr
    created = [line for line in log.splitlines() if line.startswith("deployment group create")]
    assert len(created) == 3
    for line, name in zip(created, ("workbook", "alerts", "queries"), strict=True):
        assert f"--subscription s --resource-group rg --name pf-monitor-{name} --template-file {name}.json" in line
        assert f"resourceId={COMPONENT} location=northeurope" in line
        assert "hunter22" not in line
    receivers = next(line for line in log.splitlines() if line.startswith('{"emails"'))
    assert json.loads(receivers) == {
        "emails": {"value": ["a@example.com", "b@example.com"]},
        "webhookUri": {"value": "https://example.com/hook?code=hunter22"},
    }


def test_the_script_asks(deploy):
    done, log = deploy("--resource-id", COMPONENT, typed="n\n")
    assert (done.returncode, "Nothing was changed." in done.stderr, "group create" in log) == (1, True, False)
    done, log = deploy("--resource-id", COMPONENT, typed="y\n")
    assert (done.returncode, log.count("group create")) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ([], {}, "Which resource? Give --resource-id ID"),
        (["--resource-id", "shop"], {}, "Not the id of a microsoft.insights/components resource: shop"),
        (["--resource-id", WORKSPACE], {}, "Not the id of a microsoft.insights/components resource"),
        (["--resource-id", COMPONENT], {"AZ_SIGNED_OUT": "1"}, "The Azure CLI is not signed in. Run: az login"),
        (["--resource-id", COMPONENT], {"PATH": os.defpath}, "The Azure CLI is not installed"),
        (["--resource-id", COMPONENT, "--email", 'a"b'], {}, 'Not an e-mail address: a"b'),
        (["--resource-id", COMPONENT], {"WEBHOOK_URI": "http://x"}, "WEBHOOK_URI is not an https address"),
        (["--nope"], {}, "Unknown argument: --nope"),
    ],
)
def test_the_script_says_what_is_wrong_before_it_changes_anything(deploy, arguments, variables, said):
    done, log = deploy(*arguments, **variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert "deployment" not in log
