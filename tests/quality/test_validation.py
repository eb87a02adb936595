"""Everything that Azure's own validation lets through is found in one pass, with its line and what is allowed."""

from __future__ import annotations

import pytest

from pf_monitor.quality import azure_ml
from pf_monitor.quality.schedule_file import MonitorFileError, load, read
from pf_monitor.quality.schedule_file.new import template

GOOD = template("answers")
DATA = "create_monitor.monitoring_signals.quality.production_data[0]"
THRESHOLDS = "create_monitor.monitoring_signals.quality.metric_thresholds"
QUALITY = "create_monitor.monitoring_signals.quality"
TOKENS = "create_monitor.monitoring_signals.tokens"


@pytest.fixture
def said(tmp_path):
    """Return what is said of the good file with one thing replaced, as lines without the file's name."""

    def say(before, after):
        assert before in GOOD
        path = tmp_path / "answers.yaml"
        path.write_text(GOOD.replace(before, after, 1))
        return [problem.located("") for problem in read(path).problems]

    return say


def line_of(text):
    return GOOD[: GOOD.index(text)].count("\n") + 1


def test_the_file_that_new_writes_is_clean(tmp_path):
    (tmp_path / "answers.yaml").write_text(GOOD)
    assert read(tmp_path / "answers.yaml").problems == ()


CRON, RATE, WINDOW = 'expression: "15 10 * * *"', "sampling_rate: 0.1", "lookback_window_size: P7D"
PASS_RATE, SCORE = "aggregated_groundedness_pass_rate: 0.7", "acceptable_groundedness_score_per_instance: 3"

LET_THROUGH = [
    (RATE, "sampling_rate: 5.0", f"{QUALITY}.sampling_rate: 5.0 is not a sampling rate: above 0 and up to 1, which is"
     " all rows. For 5 % write 0.05"),
    (RATE, "sampling_rate: 0", f"{QUALITY}.sampling_rate: 0 is not a sampling rate: above 0 and up to 1, which is all"
     " rows"),
    (PASS_RATE, "aggregated_groundedness_pass_rate: 70", f"{THRESHOLDS}.groundedness.aggregated_groundedness_pass_rate:"
     " 70 is not a pass rate: a share from 0 to 1. For 70 % write 0.7"),
    (SCORE, "acceptable_groundedness_score_per_instance: 0.5", f"{THRESHOLDS}.groundedness."
     "acceptable_groundedness_score_per_instance: 0.5 is not a score from 1 to 5"),
    (CRON, 'expression: "99 99 * * *"', 'trigger.expression: "99 99 * * *" has 99 for the minutes: allowed are 0-59,'
     " ranges, lists and */STEP"),
    (CRON, 'expression: "0 25 * * *"', 'trigger.expression: "0 25 * * *" has 25 for the hours: allowed are 0-23,'
     " ranges, lists and */STEP"),
    (CRON, "expression: daily", 'trigger.expression: "daily" has 1 fields where a cron expression has five: minutes,'
     " hours, days, months, days of the week"),
    (CRON, 'expression: "0 5 31 2 *"', 'trigger.expression: "0 5 31 2 *" never comes: there is no such day'),
    (WINDOW, "lookback_window_size: banana", f'{DATA}.data_window.lookback_window_size: "banana" is not an ISO 8601'
     " duration of weeks, days, hours and minutes, such as P7D or PT12H"),
    (WINDOW, "lookback_window_size: P0D", f"{DATA}.data_window.lookback_window_size: is empty: it is an ISO 8601"
     " duration of weeks, days, hours and minutes, such as P7D or PT12H"),
    ("time_zone: UTC", "time_zone: Europe/Berlin", 'trigger.time_zone: "Europe/Berlin" is not how Azure ML calls this'
     " time zone: write W. Europe Standard Time"),
    ("context_column: context", "contxt_column: context", f"{DATA}.data_column_names.contxt_column: is not a key here."
     " Did you mean context_column? Allowed are completion_column, context_column, ground_truth_column, prompt_column"),
    ('pf_monitor.baseline: "previous"', 'pf_monitor.basline: "previous"', "properties.pf_monitor.basline: is not a"
     " property of pf-monitor. Did you mean pf_monitor.baseline?"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "message"), LET_THROUGH, ids=[case[1] for case in LET_THROUGH])
def test_what_azure_lets_through_is_found(before, after, message, said, tmp_path):
    found = said(before, after)
    place = f":{line_of(before)}: "
    assert found[0].startswith(place + message), found
    azure_ml.prepare(tmp_path / "answers.yaml").payload()  # Azure's own tool has nothing to say


REFUSED = [
    ('runtime_version: "3.4"', "runtime_version: 3.4", "create_monitor.compute.runtime_version: 3.4 is not text: Azure"
     " ML refuses it without quotes"),
    ("ml_task: QuestionAnswering", "ml_task: question_answering", "create_monitor.monitoring_target.ml_task:"
     ' "question_answering" is not one of classification, regression, questionanswering. Did you mean'
     " questionanswering?"),
    (RATE, "samplingrate: 0.1", f"{QUALITY}.samplingrate: is not a key here. Did you mean sampling_rate?"),
    ("        fluency:", "        flunecy:", f"{THRESHOLDS}.flunecy: is not a key here. Did you mean fluency? Allowed"
     " are coherence, fluency, groundedness, relevance, similarity"),
    (PASS_RATE, "aggregated_fluency_pass_rate: 0.7", f"{THRESHOLDS}.groundedness.aggregated_groundedness_pass_rate: is"
     " missing: a pass rate: a share from 0 to 1; Azure ML stops with a KeyError without it"),
    ('pf_monitor.budget.run_tokens: "5000000"', "pf_monitor.budget.run_tokens: 5000000",
     "properties.pf_monitor.budget.run_tokens: 5000000 is not text, which is all that Azure ML takes here: write"
     ' "5000000"'),
    ("type: generation_safety_quality", "type: generation_quality", f'{QUALITY}.type: "generation_quality" is not one'
     " of generation_safety_quality, generation_token_statistics, data_drift"),
    ("  type: cron  ", "  start_time: 2026-11-30T06:00:00\n  type: cron  ", "trigger.start_time: 2026-11-30T06:00:00 is"
     ' not text: Azure ML refuses it without quotes. Write "2026-11-30T06:00:00"'),
    ("name: answers", "nam: answers", "name: is missing: what the monitor is called: letters, digits, - and _"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "message"), REFUSED, ids=[case[1].strip() for case in REFUSED])
def test_what_azure_refuses_without_a_word_is_explained(before, after, message, said, tmp_path):
    assert any(message in line for line in said(before, after)), said(before, after)
    with pytest.raises(azure_ml.SubmitError):
        azure_ml.prepare(tmp_path / "answers.yaml").payload()


NO_EMAILS = "  # alert_notification:\n  #   emails: [team@example.com]"

WARNED = [
    ('runtime_version: "3.4"', 'runtime_version: "3.3"', 'create_monitor.compute.runtime_version: "3.3" is refused by'
     ' Azure ML: write "3.4" or "3.5". A local run needs none, and pf-monitor monitor submit corrects it'),
    ("      sampling_rate: 1.0 ", "      #", f"{TOKENS}: has no sampling_rate: Azure ML would count a tenth"),
    (CRON, 'expression: "0 5 1 * *"', "trigger.expression: Azure ML ignores the days and the months of a cron"
     " expression"),
    ("    ml_task: QuestionAnswering\n", "    model_id: azureml:m:1\n", "create_monitor.monitoring_target.ml_task:"
     " should be QuestionAnswering: Azure ML takes a monitor without it for one of a classification"),
    ("type: generation_safety_quality\n", "type: data_drift\n", f'{QUALITY}.type: "data_drift" is left out: pf-monitor'
     " runs generation_safety_quality and generation_token_statistics"),
    (NO_EMAILS, "  alert_notification: {emails: [a@example.com]}", None),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "message"), WARNED, ids=[case[1].strip() for case in WARNED])
def test_what_is_worth_knowing_is_a_warning(before, after, message, said, tmp_path):
    found = said(before, after)
    assert len(found) == (0 if message is None else 1), found
    for line in found:
        assert line.partition(" ")[2].startswith(f"warning: {message}")
    assert load(tmp_path / "answers.yaml").name == "answers"


def test_alerts_that_reach_nobody_are_said(tmp_path):
    text = GOOD.replace("alert_enabled: true", "alert_enabled: false").replace(
        NO_EMAILS, "  alert_notification: {emails: [team@example.com]}"
    )
    (tmp_path / "answers.yaml").write_text(text)
    assert [(problem.key, problem.message) for problem in read(tmp_path / "answers.yaml").warnings] == [
        (QUALITY, "has no alert_enabled: true, and nobody is told when it fails"),
        (TOKENS, "has no alert_enabled: true, and nobody is told when it fails"),
    ]


def test_all_problems_are_found_in_one_pass(tmp_path):
    path = tmp_path / "answers.yaml"
    text = GOOD
    for before, after, _ in LET_THROUGH[1:5] + LET_THROUGH[8:9] + REFUSED[5:6]:
        text = text.replace(before, after, 1)
    path.write_text(text)
    with pytest.raises(MonitorFileError) as raised:
        load(path)
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"{path}:{line_of(before)}" for before in (CRON, WINDOW, PASS_RATE, SCORE, RATE, "pf_monitor.budget.run_tokens")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing stands where a mapping is expected, with keys such as name and create_monitor"),
        ("- a\n- b\n", "a list stands where a mapping is expected, with keys such as name and create_monitor"),
        ("a: [1\n", "it is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("name: a\nname: b\n", "name is there twice; Azure ML would silently take the last. Keep one"),
        ("b0: &b0 [1, 1]\n" + "".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n" for n in range(1, 20)), "it has more than"
         " 20,000 values, or is too deep"),
    ],
    ids=["empty", "list", "not YAML", "twice", "aliases of aliases"],
)  # fmt: skip
def test_a_file_that_is_no_monitor_is_said_to_be_none(text, message, tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    problems = read(path).problems
    assert [problem.message for problem in problems if problem.message == message], problems


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path):
    [problem] = read(tmp_path / "none.yaml").problems
    assert problem.message == "there is no such file. Write one with: pf-monitor monitor new FILE"


def test_an_unknown_object_is_refused():
    with pytest.raises(TypeError, match="a monitor is a file, a MonitorSchedule or a mapping, not a int"):
        load(3)
