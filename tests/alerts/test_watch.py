"""A rule fires once when it starts and once when it ends, whatever happens in between."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from alerting import NOON, judged, mail_server, minutes, run

from pf_monitor.alerts.config import Config
from pf_monitor.alerts.notification import NotificationError, send
from pf_monitor.alerts.rules import DEFAULTS, Failing, Severity, read_condition
from pf_monitor.alerts.watch import MOST_ATTEMPTS, Watch

ONCE = replace(DEFAULTS["error-rate"], failing=Failing(1, 1))


def test_an_alert_is_told_when_it_starts_and_when_it_ends(watch, add, receiver):
    watched = watch("error-rate")
    add(run(NOON - minutes(3), success=False), run(NOON - minutes(2)), run(NOON - minutes(1)), run(NOON - minutes(1)))
    for step in range(12):  # an hour, from the first failure until long after the last
        watched.step(NOON + minutes(5 * step))
    assert receiver.received == [
        {
            "version": "1.0",
            "title": "Error: error-rate, error_rate is 25.0%",
            "message": "More than this share of requests failed.\n"
            "error_rate of the last 15m: 25.0%. The rule: > 0.05, 2 of 3 evaluations.\n"
            "Evaluated 2024-05-01 12:05:00 UTC.\n"
            "Look at: Operational, errors by type; open a failed request to see its exception.",
            "attachments": [],
            "type": "failure",
        },
        {
            "version": "1.0",
            "title": "Ended: error-rate, error_rate is no data",
            "message": "More than this share of requests failed.\n"
            "error_rate of the last 15m: no data. The rule: > 0.05, 2 of 3 evaluations.\n"
            "Evaluated 2024-05-01 12:25:00 UTC.\n"
            "Look at: Operational, errors by type; open a failed request to see its exception.",
            "attachments": [],
            "type": "success",
        },
    ]


def test_one_bad_evaluation_of_three_does_not_fire(watch, add, receiver):
    rule = replace(DEFAULTS["error-rate"], window=minutes(5))
    watched = watch(rule)
    for step in range(9):
        at = NOON + minutes(5 * step)
        add(run(at - minutes(1), success=step % 3 != 0))
        watched.step(at)
    assert receiver.received == []


def test_a_value_that_swings_around_the_threshold_is_told_once(watch, add, receiver):
    rule = replace(DEFAULTS["error-rate"], window=minutes(5))
    watched = watch(rule)
    for step in range(20):
        at = NOON + minutes(5 * step)
        add(run(at - minutes(1), success=step % 2 != 0))
        watched.step(at)
    assert receiver.titles == ["Error: error-rate, error_rate is 100.0%"]


def test_nothing_is_evaluated_before_it_is_due(watch, add, receiver):
    watched = watch(ONCE)
    watched.step(NOON)
    add(run(NOON + minutes(1), success=False))
    watched.step(NOON + minutes(4.9))
    assert receiver.received == []
    watched.step(NOON + minutes(5))
    assert len(receiver.received) == 1


def test_the_worst_of_several_rows_counts_and_is_named(watch, add, receiver):
    add(*(judged(NOON - minutes(1), "relevance", "pass") for _ in range(3)))
    add(judged(NOON - minutes(1), "groundedness", "fail"), judged(NOON - minutes(1), "groundedness", "pass"))
    watch("quality-pass-rate").step(NOON)
    assert receiver.titles == ["Warning: quality-pass-rate (groundedness), pass_rate is 50.0%"]


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "no-data"])
def test_an_empty_store_fires_nothing(watch, receiver, name):
    watched = watch(name)
    for step in range(4):
        watched.step(NOON + step * DEFAULTS[name].every)
    assert receiver.received == []


def test_missing_data_is_told_once_there_could_have_been_some(watch, add, receiver):
    watched = watch("no-data")
    for step in range(4):  # for an hour nothing could arrive that was sent before the start
        watched.step(NOON + minutes(15 * step))
    assert receiver.received == []
    watched.step(NOON + minutes(60))
    add(run(NOON + minutes(70)))
    watched.step(NOON + minutes(75))
    assert receiver.titles == ["Warning: no-data, requests is 0", "Ended: no-data, requests is 1"]


def test_every_default_fires_on_what_it_is_for(watch, add, receiver):
    # The engine itself tells what each column is; here each rule gets the value that it waits for.
    add(*(run(NOON - minutes(1), success=False, seconds=20) for _ in range(3)))
    watched = watch("error-rate", "latency-p95")
    watched.step(NOON)
    watched.step(NOON + minutes(5))
    assert receiver.titles == [
        "Error: error-rate, error_rate is 100.0%",
        "Warning: latency-p95, p95_ms is 20.00 s",
    ]


def test_a_restart_tells_nothing_twice(watch, add, receiver):
    add(run(NOON - minutes(1), success=False))
    watch(ONCE).step(NOON)
    watch(ONCE, now=NOON + minutes(5)).step(NOON + minutes(5))
    watch(ONCE, now=NOON + minutes(60)).step(NOON + minutes(60))
    watch(ONCE, now=NOON + minutes(70)).step(NOON + minutes(70))
    assert receiver.titles == ["Error: error-rate, error_rate is 100.0%", "Ended: error-rate, error_rate is no data"]


def test_evaluations_from_before_a_long_pause_do_not_count(watch, add, receiver):
    add(run(NOON - minutes(1), success=False))
    watch("error-rate").step(NOON)
    later = NOON + timedelta(days=3)
    add(run(later - minutes(1), success=False))
    watch("error-rate", now=later).step(later)
    assert receiver.received == []


@pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(days=400)])
def test_a_clock_that_jumps_stops_nothing(watch, add, receiver, jump):
    watched = watch(ONCE)
    watched.step(NOON)
    there = NOON + jump
    add(run(there - minutes(1), success=False))
    watched.step(there)
    watched.step(there + minutes(5))
    assert receiver.titles == ["Error: error-rate, error_rate is 100.0%"]


def test_a_query_that_fails_is_said_once_and_stops_no_other(watch, add, receiver, caplog):
    add(run(NOON - minutes(1), success=False))
    broken = replace(ONCE, name="broken", measure="nonsense")
    watched = watch(broken, ONCE)
    for step in range(3):
        watched.step(NOON + minutes(5 * step))
    assert [one for one in caplog.messages if "broken" in one] == [
        "pf_monitor cannot evaluate the alert broken: 'nonsense' is not a column of summary.kql, which has requests,"
        " failed, error_rate, p50_ms, p95_ms, p99_ms, model_calls, failed_calls, priced_calls, estimated_calls,"
        " prompt_tokens, completion_tokens, total_tokens, estimated_tokens, cost_usd"
    ]
    assert watched.state.of("broken").problem is not None
    assert receiver.titles == ["Error: error-rate, error_rate is 100.0%"]


def test_what_is_not_delivered_is_tried_again_in_order(watch, add, receiver):
    receiver.status = 503
    add(run(NOON - minutes(1), success=False))
    watched = watch(ONCE)
    watched.step(NOON)
    watched.step(NOON + timedelta(seconds=29))
    assert receiver.attempts == 1
    watched.step(NOON + timedelta(seconds=30))
    assert receiver.attempts == 2
    receiver.status = 200
    watch(ONCE, now=NOON + minutes(20)).step(NOON + minutes(20))  # also after a restart
    assert receiver.titles == ["Error: error-rate, error_rate is 100.0%", "Ended: error-rate, error_rate is no data"]


def test_what_changed_is_written_down_before_anybody_is_told(watch, add, receiver, tmp_path):
    found = []
    receiver.when_told = lambda: found.append(json.loads((tmp_path / "alerts-state.json").read_text()))
    add(run(NOON - minutes(1), success=False))
    watch(ONCE).step(NOON)
    [state] = found
    assert state["rules"]["error-rate"]["firing"] is True
    assert [one["receiver"] for one in state["pending"]] == ["team"]


def test_what_cannot_be_delivered_is_given_up_and_counted(watch, add, receiver, caplog):
    receiver.status = 404
    add(run(NOON - minutes(1), success=False))
    watched = watch(replace(ONCE, window=timedelta(days=1)))
    for step in range(100):
        watched.step(NOON + minutes(step))
    assert receiver.attempts == MOST_ATTEMPTS
    assert (watched.state.delivered, watched.state.given_up, watched.state.pending) == (0, 1, [])
    [said] = [one for one in caplog.messages if "could not notify" in one]
    assert said.startswith("pf_monitor could not notify team: ")
    assert "404" in said
    assert "hunter22" not in caplog.text


def test_a_rule_tells_only_those_whom_it_names(store, receiver, tmp_path, add):
    add(run(NOON - minutes(1), success=False))
    receivers = {"team": receiver.address, "boss": receiver.address}
    for rule in (replace(ONCE, notify=("boss",)), replace(ONCE, name="other", notify=())):
        Watch(Config((rule,), receivers), store, tmp_path, NOON).step(NOON)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("text", ["", "{", '{"rules": 1}', '{"rules": {"a": {"x": 1}}, "pending": []}', "[]"])
def test_a_broken_state_file_starts_anew(watch, add, receiver, tmp_path, caplog, text):
    (tmp_path / "alerts-state.json").write_text(text)
    add(run(NOON - minutes(1), success=False))
    watch(ONCE).step(NOON)
    assert len(receiver.received) == 1
    assert "cannot read the alerts' state" in caplog.text
    assert json.loads((tmp_path / "alerts-state.json").read_text())["rules"]["error-rate"]["firing"] is True


def test_the_state_holds_no_address(watch, add, receiver, tmp_path):
    receiver.status = 500
    add(run(NOON - minutes(1), success=False))
    watch(ONCE).step(NOON)
    text = (tmp_path / "alerts-state.json").read_text()
    assert json.loads(text)["pending"][0]["receiver"] == "team"
    assert "hunter22" not in text


def test_mail_is_delivered():
    with mail_server() as (port, mails):
        address = f"mailto://127.0.0.1:{port}?from=pf@example.com&to=team@example.com&mode=insecure"
        send(address, "Error: error-rate", "Täglich\nzwei Zeilen", Severity.ERROR)
    [mail] = mails
    assert "To: team@example.com" in mail
    assert "Subject: Error: error-rate" in mail


@pytest.mark.parametrize(
    "address",
    [
        "json://127.0.0.1:1/hunter22",
        "mailto://me:hunter22@127.0.0.1:1?to=a@example.com",
        "slack://hunter22",
        "nonsense",
    ],
)
def test_a_failure_says_why_without_the_address(address, capfd):
    root = logging.getLogger()
    handler = logging.StreamHandler()  # what a program's log would show
    root.addHandler(handler)
    try:
        with pytest.raises(NotificationError) as failed:
            send(address, "title", "body", Severity.ERROR)
    finally:
        root.removeHandler(handler)
    assert "hunter22" not in f"{failed.value} {capfd.readouterr()}"
    assert len(str(failed.value)) > 10


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("> 5", 5.0, False),
        (">= 5", 5.0, True),
        ("< 0.7", 0.7, False),
        ("<= 0.7", 0.7, True),
        ("> 5", None, False),
        ("< 5", None, False),
        ("no data", None, True),
        ("no data", 0.0, True),
        ("no data", 1.0, False),
    ],
)
def test_a_condition_is_met_as_it_reads(text, value, met):
    assert read_condition(text).is_met(value) is met
