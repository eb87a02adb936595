"""`pf-monitor monitor`: a file to start from, what is wrong with it, its schedule, its history, and Azure ML."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from reports import REPORT
from typer.testing import CliRunner

from pf_monitor.cli import app
from pf_monitor.cli.monitor import run, schedule
from pf_monitor.quality import azure_ml, report
from pf_monitor.quality.monitor import CronTrigger
from pf_monitor.quality.schedule_file import load

WORKSPACE = "0f4d6f5e-0000-4000-8000-000000000000"


@pytest.fixture
def pf_monitor(monkeypatch, tmp_path):
    """Run `pf-monitor monitor` in an empty folder, with lines of a known width."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PF_MONITOR_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "140")
    return lambda *arguments: CliRunner().invoke(app, ["monitor", *map(str, arguments)])


def test_new_writes_a_file_that_is_valid_and_named_after_itself(pf_monitor, tmp_path):
    written = pf_monitor("new", "my answers.yaml")
    assert written.stdout == (
        "Wrote my answers.yaml. Check it after each change with: pf-monitor monitor validate my answers.yaml\n"
    )
    assert load(tmp_path / "my answers.yaml").name == "my-answers"
    checked = pf_monitor("validate", "my answers.yaml")
    assert (checked.exit_code, checked.output) == (0, "my answers.yaml: no errors, no warnings\n")


def test_new_overwrites_nothing(pf_monitor, tmp_path):
    (tmp_path / "monitor.yaml").write_text("mine")
    again = pf_monitor("new")
    assert again.exit_code == 1
    assert again.stderr == "monitor.yaml is there already. Name another file, or move it away.\n"
    assert (tmp_path / "monitor.yaml").read_text() == "mine"


def spoil(pf_monitor, folder):
    pf_monitor("new", "bad.yaml")
    text = (folder / "bad.yaml").read_text()
    text = text.replace("sampling_rate: 0.1", "sampling_rate: 70").replace('"15 10 * * *"', '"99 10 * * *"')
    (folder / "bad.yaml").write_text(text.replace('runtime_version: "3.4"', 'runtime_version: "3.3"'))


def test_validate_says_everything_with_its_line(pf_monitor, tmp_path):
    spoil(pf_monitor, tmp_path)
    found = pf_monitor("validate", "bad.yaml")
    assert found.exit_code == 1
    assert found.stderr.splitlines() == [
        'bad.yaml:12: trigger.expression: "99 10 * * *" has 99 for the minutes: allowed are 0-59, ranges, lists and'
        " */STEP",
        'bad.yaml:19: warning: create_monitor.compute.runtime_version: "3.3" is refused by Azure ML: write "3.4" or'
        ' "3.5". A local run needs none, and pf-monitor monitor submit corrects it',
        "bad.yaml:56: create_monitor.monitoring_signals.quality.sampling_rate: 70 is not a sampling rate: above 0 and"
        " up to 1, which is all rows. For 70 % write 0.7",
    ]
    assert found.stdout == "bad.yaml: 2 errors, 1 warning\n"


def test_validate_as_json(pf_monitor, tmp_path):
    spoil(pf_monitor, tmp_path)
    found = json.loads(pf_monitor("validate", "bad.yaml", "--json").stdout)
    assert (found["file"], found["valid"]) == ("bad.yaml", False)
    assert [(one["key"], one["line"], one["is_warning"]) for one in found["problems"]] == [
        ("trigger.expression", 12, False),
        ("create_monitor.compute.runtime_version", 19, True),
        ("create_monitor.monitoring_signals.quality.sampling_rate", 56, False),
    ]


def test_history_shows_what_runs_left(pf_monitor, tmp_path):
    report.write(REPORT, tmp_path / "data")
    shown = [" ".join(line.split()) for line in pf_monitor("history").stdout.splitlines() if line.strip(" ─")]
    assert shown == [
        "answers 2026-11-21 10:00 UTC INCONCLUSIVE",
        "window 2026-11-14 10:00 UTC to 2026-11-21 10:00 UTC, run r1, complete, judged by gpt-4o: 93 calls,"
        " 159,300 tokens, $0.4700",
        "Metric Pass rate 95 % interval Threshold Average Judged Verdict",
        "groundedness 75.6% 65.7 - 83.3% 70.0% 3.90 90 of 100 inconclusive",
        "Tokens Runs Prompt Completion Total Limit Verdict",
        "tokens 1,000 812,000 64,000 876,000 1,000,000 pass",
        "groundedness: at this pass rate, 210 more judged rows settle it",
        "7 rows have no context.",
    ]
    assert json.loads(pf_monitor("history", "answers", "--json").stdout) == [json.loads(json.dumps(REPORT.to_json()))]


def test_history_before_the_first_run_says_what_to_do(pf_monitor, tmp_path):
    assert pf_monitor("history").stdout == "No monitor has run yet. Run one with: pf-monitor monitor run FILE\n"
    report.write(REPORT, tmp_path / "data")
    unknown = pf_monitor("history", "other")
    assert unknown.exit_code == 1
    assert unknown.stderr.replace("\n", "") == (
        f"No run of a monitor other has left a report in {tmp_path / 'data' / 'monitors'}. There are answers."
    )


def test_history_passes_a_broken_report_over_and_says_so(pf_monitor, tmp_path):
    report.write(REPORT, tmp_path / "data")
    (tmp_path / "data" / "monitors" / "answers" / "20261122T100000-r2.json").write_text("{")
    shown = pf_monitor("history", "answers")
    assert "answers  2026-11-21 10:00 UTC  INCONCLUSIVE" in shown.stdout
    assert "20261122T100000-r2.json is not the report of a run: " in shown.stderr


def test_schedule_runs_when_the_trigger_comes_and_says_what_is_next(capsys):
    clock = [datetime(2026, 3, 28, 20, 0, tzinfo=UTC)]

    def sleep(seconds):
        clock[0] += timedelta(seconds=seconds)

    def run():
        clock[0] += timedelta(seconds=90)
        return 0 if clock[0].day == 29 else 2

    end = datetime(2026, 3, 30, 12, tzinfo=UTC)
    trigger = CronTrigger("30 2 * * *", "Europe/Berlin", end=end)
    schedule.follow(trigger, run, clock=lambda: clock[0], sleep=sleep)
    assert capsys.readouterr().out.splitlines() == [
        "Next run: Sun 2026-03-29 03:30:00 Europe/Berlin, in 5 h 30 min.",
        "Run 1 ended after 90 s.",
        "Next run: Mon 2026-03-30 02:30:00 Europe/Berlin, in 22 h 58 min.",
        "Run 2 ended with exit code 2 after 90 s.",
        "The trigger has ended: end_time has passed. Nothing more will run.",
    ]


def test_schedule_takes_what_run_takes_and_gives_it_on(pf_monitor, monkeypatch, tmp_path):
    taken = {name: _options(pf_monitor(name, "--help").stdout) for name in ("run", "schedule")}
    assert taken["schedule"] == taken["run"] - {"--once", "--json"}
    pf_monitor("new")
    started, ran = [], []
    monkeypatch.setattr(schedule, "follow", lambda _, run: run())
    monkeypatch.setattr(subprocess, "run", lambda command, **_: started.append(command) or ended)
    ended = subprocess.CompletedProcess([], 0)
    scheduled = pf_monitor(
        "schedule", "monitor.yaml", "--collected", "./data", "--engine", "spark", "--workspace", WORKSPACE
    )
    assert (scheduled.exit_code, len(started)) == (0, 1), scheduled.output
    monkeypatch.setattr(run, "run_and_keep", lambda *arguments: ran.append(arguments) or REPORT)
    arguments = started[0][started[0].index("monitor") + 1 :]
    assert pf_monitor(*arguments).exit_code == 3  # the report's verdict is inconclusive
    ((_, asked, _, _, engine),) = ran
    assert (asked.collected, asked.target.id, asked.url, engine) == ("./data", WORKSPACE, None, "spark")


def _options(text):
    return set(re.findall(r"--[a-z][a-z-]+", text))


def test_schedule_says_at_once_what_is_wrong_with_its_options(pf_monitor):
    pf_monitor("new")
    started = pf_monitor("schedule", "monitor.yaml", "--workspace", WORKSPACE, "--resource-id", "/subscriptions/s")
    assert (started.exit_code, started.stderr) == (1, "Choose one of --resource-id and --workspace\n")


def test_schedule_of_a_wrong_file_says_what_is_wrong(pf_monitor, tmp_path):
    spoil(pf_monitor, tmp_path)
    started = pf_monitor("schedule", "bad.yaml")
    assert started.exit_code == 1
    assert "bad.yaml:12: trigger.expression" in started.stderr


def test_a_dry_run_prints_what_would_be_sent(pf_monitor):
    pf_monitor("new")
    sent = json.loads(pf_monitor("submit", "monitor.yaml", "--dry-run").stdout)
    assert sent["name"] == "monitor"
    assert sent["properties"]["properties"]["pf_monitor.judge"] == "stand-in"
    signals = sent["properties"]["action"]["monitorDefinition"]["signals"]
    assert {name: (signal["mode"], signal["samplingRate"]) for name, signal in signals.items()} == {
        "quality": ("Enabled", 0.1),
        "tokens": ("Enabled", 1.0),
    }


def test_submit_says_what_it_corrects(pf_monitor, tmp_path):
    pf_monitor("new")
    file = tmp_path / "monitor.yaml"
    file.write_text(file.read_text().replace('"3.4"   ', '"3.3"   ').replace("time_zone: UTC", "time_zone: utc"))
    sent = pf_monitor("submit", "monitor.yaml", "--dry-run")
    assert sent.stderr.splitlines()[1:] == [
        "Spark runtime 3.3 is refused now: 3.4 is sent instead.",
        "The time zone utc is sent as UTC.",
    ]
    definition = json.loads(sent.stdout)["properties"]
    assert definition["action"]["monitorDefinition"]["computeConfiguration"]["runtimeVersion"] == "3.4"
    assert definition["trigger"]["timeZone"] == "UTC"


def test_submit_asks_for_the_names_that_only_the_user_knows(pf_monitor):
    pf_monitor("new")
    refused = pf_monitor("submit", "monitor.yaml")
    assert refused.exit_code == 1
    assert refused.stderr.replace("\n", " ").strip() == (
        "SUBSCRIPTION and ENDPOINT-DEPLOYMENT in connection_id or input_data stand for names of yours: fill them in."
    )


@pytest.fixture
def filled_in(pf_monitor, tmp_path):
    pf_monitor("new")
    file = tmp_path / "monitor.yaml"
    file.write_text(file.read_text().replace("/SUBSCRIPTION/", "/s/").replace("ENDPOINT-DEPLOYMENT-", "e-d-"))
    return azure_ml.prepare(file)


class Nobody:
    """A credential of somebody who is not logged in."""

    def get_token(self, *_scopes, **_options):
        from azure.core.exceptions import ClientAuthenticationError

        raise ClientAuthenticationError("Please run 'az login'.\nand so on for pages")


class Unreachable:
    """A credential whose server cannot be reached."""

    def get_token(self, *_scopes, **_options):
        from azure.core.exceptions import ServiceRequestError

        raise ServiceRequestError("Failed to resolve 'login'")


class Somebody:
    """A credential that is never asked for more than a token."""

    def get_token(self, *_scopes, **_options):
        return object()


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (Nobody(), "Azure knows nobody here: Please run 'az login'. Log in with: az login"),
        (Unreachable(), "Azure cannot be reached: Failed to resolve 'login'. Check the network."),
        (
            Somebody(),
            "Which workspace? Give --subscription, --resource-group and --workspace, or put the config.json that the"
            " Azure ML portal offers into this folder.",
        ),
    ],
    ids=["nobody", "unreachable", "no workspace"],
)
def test_submit_that_cannot_go_on_says_why(credential, message, filled_in):
    with pytest.raises(azure_ml.SubmitError) as raised:
        azure_ml.submit(filled_in, azure_ml.Workspace(), credential)
    assert str(raised.value) == message
