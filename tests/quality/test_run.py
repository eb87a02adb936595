"""A whole run of a monitor, over flow runs that went through the real exporter into a real store."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import documented_objects
import pytest
from asked import ABOUT_JOBS, USUAL
from judge_server import Says, judge_double
from scene import BAD, GOOD, SCORES, Exchange, monitor_file, scene
from typer.testing import CliRunner

from pf_monitor.cli import app
from pf_monitor.quality import languages, reading, run_monitor, topics
from pf_monitor.quality import report as reports
from pf_monitor.quality.report import Ending, Verdict

DOCUMENTED = Path(__file__).parent / "documented"
STAND_IN = "stand-in (no model), azure-ai-evaluation 1.18.10"
WORDS = "The stand-in compared words; no model has read this."
JUDGE = """pf_monitor.judge: "openai"
pf_monitor.judge.model: "double"
pf_monitor.judge.base_url: "{url}"
pf_monitor.judge.concurrency: "4"
pf_monitor.judge.input_usd_per_million: "1"
pf_monitor.judge.output_usd_per_million: "4"
"""


def judged_by(double, folder, **replaced):
    """Write the monitor with a judge of the test's own."""
    lines = JUDGE.format(url=double.url) + replaced.pop("properties", "")
    path = monitor_file(folder, properties=lines, **replaced)
    path.write_text(path.read_text().replace('  pf_monitor.judge: "stand-in"\n', ""))
    return path


def run(store, file):
    return run_monitor(file, url=store.url, directory=store.directory)


def by_metric(report):
    return {one.metric: one for one in report.metrics}


def test_a_run_says_what_it_found(store, tmp_path):
    store.run_flow([GOOD] * 30 + [BAD] * 10)
    report = run(store, monitor_file(tmp_path))
    groundedness, fluency = report.metrics
    assert (report.verdict, report.ending, report.judge) == ("inconclusive", "complete", "stand-in (no model)")
    counts = (groundedness.rows, groundedness.sampled, groundedness.judged, groundedness.passed, groundedness.more_rows)
    assert counts == (40, 40, 40, 30, 296)
    assert (groundedness.pass_rate, groundedness.average_score) == (0.75, 4.0)
    assert groundedness.pass_rate_low == pytest.approx(0.598, abs=5e-4)
    assert groundedness.pass_rate_high == pytest.approx(0.858, abs=5e-4)
    assert groundedness.distribution == {"1": 10, "5": 30}
    assert groundedness.evaluator.startswith(STAND_IN)
    assert [(one.score, one.question, one.answer) for one in groundedness.worst] == [(1.0, *BAD[:2])] * 3
    assert (fluency.verdict, fluency.pass_rate, fluency.more_rows) == ("pass", 1.0, None)
    (tokens,) = report.tokens
    assert (tokens.verdict, tokens.total_tokens, tokens.groups) == ("pass", 4_400, {"ask_model · gpt-4o-mini": 4_400})
    assert report.notes[-1] == (
        "Inconclusive: the 95 % interval of the pass rate holds the threshold. More judged rows settle it: a higher "
        "sampling rate, or a longer window."
    )


def test_scores_stand_beside_the_runs_that_they_judge(store, tmp_path):
    store.run_flow([GOOD, BAD])
    run(store, monitor_file(tmp_path))
    rows = store.rows(
        "let runs = requests | project operation_Id, run = id, answer = tostring(customDimensions.answer);"
        "customEvents | join kind=inner runs on operation_Id | where operation_ParentId == run"
        "| project answer, role = cloud_RoleName, customDimensions | order by answer asc"
    )
    assert [(row["answer"], row["role"]) for row in rows] == [(BAD.answer, "chat")] * 2 + [(GOOD.answer, "chat")] * 2
    scores = [json.loads(row["customDimensions"]) for row in rows]
    versions = {score["gen_ai.evaluation.name"]: score.pop("pf_monitor.evaluator") for score in scores}
    assert all(version.startswith(STAND_IN) for version in versions.values())
    worst = min(scores, key=lambda score: score["gen_ai.evaluation.score.value"])
    assert worst == {
        "gen_ai.evaluation.explanation": f"{WORDS} 0 % of the answer's words are in the context. "
        "0 % of the answer's words are in the question.",
        "gen_ai.evaluation.name": "groundedness",
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.score.value": "1.0",
        "pf_monitor.flow": "chat",
        "pf_monitor.monitor": "answers",
    }
    page = store.page("/quality.json?last=1d")
    assert [(row["metric"], row["judged"], row["pass_rate"]) for row in page["metrics"]] == [
        ("fluency", 2, 1.0),
        ("groundedness", 2, 0.5),
    ]
    assert {bad["evaluator"] for bad in page["worst"]} <= set(versions.values())


def test_the_verdicts_of_the_latest_run_are_on_the_page_of_quality_and_in_the_report(store, tmp_path, pf_monitor):
    store.run_flow([GOOD] * 30 + [BAD] * 10)
    run(store, monitor_file(tmp_path))
    first = {one["metric"]: one for one in store.page("/quality.json?last=1d")["verdicts"]}
    assert (first["groundedness"]["verdict"], first["groundedness"]["more_rows"]) == ("inconclusive", 296)
    store.run_flow([BAD] * 60)
    second = run(store, monitor_file(tmp_path))
    said = store.page("/quality.json?last=1d")["verdicts"]
    assert [(one["metric"], one["measure"], one["verdict"], one["judged"]) for one in said] == [
        ("fluency", "pass rate", "pass", 100),
        ("groundedness", "pass rate", "fail", 100),
        ("tokens", "tokens of a group", "fail", 100),
        ("tokens", "total tokens", "fail", 100),
    ]
    (groundedness,) = [one for one in second.metrics if one.metric == "groundedness"]
    fail = said[1]
    assert (fail["value"], fail["threshold"], fail["more_rows"]) == (0.3, 0.7, None)
    assert (fail["low"], fail["high"]) == (groundedness.pass_rate_low, groundedness.pass_rate_high)
    assert (fail["evaluator"], fail["ending"]) == (groundedness.evaluator, "complete")
    assert (fail["monitor"], fail["flow"]) == ("answers", "")
    window = [datetime.fromisoformat(fail[end]) for end in ("window_start", "window_end")]
    assert window == [datetime.fromisoformat(one) for one in (second.window_start, second.window_end)]
    assert not store.page("/quality.json?last=1d&flow=chat")["verdicts"]  # the monitor is of all flows
    printed = CliRunner().invoke(app, ["report", "quality", "--url", store.url, "--since", "1d"])
    (line,) = [line for line in printed.stdout.splitlines() if "groundedness" in line and "FAIL" in line]
    assert " ".join(line.split()[:11]) == "answers groundedness FAIL 30.0% 21.9% to 39.6% at least 70.0% 100"


def test_aggregates_are_metrics_under_the_names_of_azures_monitor(store, tmp_path):
    store.run_flow([GOOD] * 3 + [BAD])
    run(store, monitor_file(tmp_path))
    found = store.rows('customMetrics | where customDimensions.monitor == "answers" | project name, value')
    assert {row["name"]: row["value"] for row in found} == {
        "AcceptableGroundednessScorePerInstance": 3.0,
        "AggregatedGroundednessPassRate": 0.75,
        "AverageGroundednessScore": 4.0,
        "GroundednessPassRateViolationCounts": 1.0,
        "AcceptableFluencyScorePerInstance": 3.0,
        "AggregatedFluencyPassRate": 1.0,
        "AverageFluencyScore": 4.0,
        "FluencyPassRateViolationCounts": 0.0,
        "TotalTokenCount": 440.0,
        "PromptTokenCount": 400.0,
        "CompletionTokenCount": 40.0,
    }


def test_a_window_that_overlaps_is_free_and_writes_nothing_twice(store, tmp_path):
    store.run_flow([GOOD] * 10)
    with judge_double() as double:
        file = judged_by(double, tmp_path)
        first = run(store, file)
        store.run_flow([BAD] * 5)
        second = run(store, file)
    assert (first.bill.calls, second.bill.calls, len(double.asked)) == (20, 10, 30)
    assert by_metric(second)["fluency"].judged == 15
    assert "20 judgements were known from earlier runs and cost nothing." in second.notes
    assert store.rows(f"{SCORES} | count") == [{"Count": 30}]


def test_pages_of_a_large_window_are_read_to_the_end(store, tmp_path, monkeypatch):
    store.run_flow([GOOD] * 25)
    monkeypatch.setattr(reading, "_PAGE", 7)
    report = run(store, monitor_file(tmp_path))
    assert (report.metrics[0].rows, report.tokens[0].runs, report.tokens[0].total_tokens) == (25, 25, 2_750)


def test_a_sample_is_the_same_for_every_metric_and_every_run(store, tmp_path):
    store.run_flow([GOOD] * 200)
    file = monitor_file(tmp_path, sampling_rate="0.3")
    reports = [run(store, file), run(store, file)]
    assert {(one.sampled, one.judged) for report in reports for one in report.metrics} == {
        (reports[0].metrics[0].sampled,) * 2
    }
    judged = store.rows(f"{SCORES} | summarize scores = count() by operation_Id")
    assert {row["scores"] for row in judged} == {2}
    assert 40 <= len(judged) <= 80


def test_rows_without_what_a_metric_needs_are_counted_and_not_guessed(store, tmp_path):
    store.run_flow([GOOD, Exchange("Who?", "", "c"), Exchange("Who?", None, "c"), Exchange("Who?", "A lamp.", None)])
    found = by_metric(run(store, monitor_file(tmp_path)))
    assert (found["groundedness"].judged, found["groundedness"].unscorable) == (1, 3)
    assert (found["fluency"].judged, found["fluency"].unscorable) == (2, 2)


def test_a_long_answer_is_read_whole_as_far_as_the_flow_run_carries_it(store, tmp_path):
    answer = "word " * 4_000 + "end."
    store.run_flow([Exchange("Who?", answer, "word")])
    with judge_double() as double:
        run(store, judged_by(double, tmp_path))
    assert all("word end.\n</data" in body["messages"][1]["content"] for body in double.asked)


def test_a_window_without_rows_is_no_data(store, tmp_path, receiver):
    tell(store, receiver)
    report = run(store, monitor_file(tmp_path))
    assert (report.verdict, report.ending) == (Verdict.NO_DATA, Ending.COMPLETE)
    assert receiver.received, report.notes
    (told,) = receiver.received
    assert told["title"] == "answers: no data"
    assert told["message"].startswith(f"There is no flow run from {report.window_start}")


def tell(store, receiver):
    """Let the alerts file name a receiver."""
    (store.directory / "alerts.yaml").write_text(f"notify:\n  team: {receiver.address}\n")


def test_a_failed_threshold_is_told_with_its_numbers_and_the_worst_answers(store, tmp_path, receiver):
    tell(store, receiver)
    store.run_flow([GOOD] * 10 + [BAD] * 30)
    report = run(store, monitor_file(tmp_path))
    assert receiver.received, report.notes
    (told,) = receiver.received
    assert told["title"] == "answers: groundedness fails, pass rate 25.0% [14.2%, 40.2%]"
    lines = told["message"].splitlines()
    assert lines[:5] == [
        "Pass rate 25.0% [14.2%, 40.2%]; at least 70.0% is wanted.",
        "40 of 40 sampled rows judged, 30 of them below 3; 0 unscorable, 0 failed, 0 left unjudged. The window has 40 "
        "rows.",
        f"Judged by {by_metric(report)['groundedness'].evaluator}.",
        "Average score 2.00.",
        "",
    ]
    worst = [one.operation_id for one in by_metric(report)["groundedness"].worst]
    assert [line for line in lines if line[:2] in ("1.", "2.", "3.")] == [
        f"{number}. score 1, operation {operation}" for number, operation in enumerate(worst, 1)
    ]
    assert lines.count(f"Question: {BAD.question}") == lines.count(f"Answer: {BAD.answer}") == 3


def test_an_inconclusive_verdict_is_told_only_when_that_is_asked_for(store, tmp_path, receiver):
    tell(store, receiver)
    store.run_flow([GOOD] * 30 + [BAD] * 10)
    run(store, monitor_file(tmp_path))
    assert receiver.received == []
    run(store, monitor_file(tmp_path, properties='pf_monitor.alert.on_inconclusive: "true"'))
    assert receiver.titles == ["answers: groundedness is inconclusive, pass rate 75.0% [59.8%, 85.8%]"]


def test_a_judge_that_fails_is_told(store, tmp_path, receiver):
    tell(store, receiver)
    store.run_flow([GOOD] * 3)
    with judge_double(lambda *_: Says(status=401)) as double:
        report = run(store, judged_by(double, tmp_path))
    assert (report.ending, report.verdict) == (Ending.FAILED, Verdict.NO_DATA)
    assert receiver.received, report.notes
    (told,) = receiver.received
    assert told["title"] == "answers: the run could not be finished"
    assert f"{double.url}/chat/completions answered 401: as told. Check the judge's key" in told["message"]


def test_a_budget_that_ends_leaves_a_sample_and_says_how_much_is_unjudged(store, tmp_path):
    store.run_flow([GOOD] * 60)
    with judge_double() as double:
        limit = 'pf_monitor.budget.run_tokens: "40000"'
        report = run(store, judged_by(double, tmp_path, properties=limit))
    fluency = by_metric(report)["fluency"]
    assert report.ending == Ending.OUT_OF_BUDGET
    assert report.bill.prompt_tokens + report.bill.completion_tokens <= 40_000 + 4 * 1_050
    assert fluency.unjudged == 60 - fluency.judged > 30
    assert "The budget of 40,000 tokens a run is used up; the rest is left unjudged." in report.notes


def test_a_store_that_goes_away_leaves_a_report_and_nothing_is_judged_twice(tmp_path):
    directory = tmp_path / "data"
    with ExitStack() as first:
        store = first.enter_context(scene(directory))
        store.run_flow([Exchange("Who?", f"This is row {number}.", "c") for number in range(250)])
        gone = threading.Event()

        def script(_, serial):
            if serial == 300:
                threading.Thread(target=lambda: (first.close(), gone.set())).start()
            return Says(delay=0.3 if serial > 300 else 0.0)

        with judge_double(script) as double:
            file = judged_by(double, tmp_path)
            lost = run(store, file)
            assert gone.wait(30)
            double.script = lambda *_: Says()
            with scene(directory) as again:
                whole = run(again, file)
                written = again.rows(f"{SCORES} | count")
    assert lost.ending == Ending.FAILED
    assert "The store does not answer" in lost.notes[0]
    assert lost.notes[0].endswith("What was judged until then is kept.")
    assert 0 < by_metric(lost)["fluency"].judged < 250
    assert (whole.ending, by_metric(whole)["fluency"].judged) == (Ending.COMPLETE, 250)
    asked = Counter(body["messages"][1]["content"] for body in double.asked)
    assert set(asked.values()) == {1}
    assert len(asked) == 500
    assert written == [{"Count": 500}]


def test_what_has_changed_since_the_window_before_is_told_as_drift(store, tmp_path, receiver):
    tell(store, receiver)
    store.run_flow([GOOD] * 40, ago=timedelta(hours=30))
    run(store, monitor_file(tmp_path, lookback_window_size="P2D"))
    longer = GOOD._replace(answer=f"{GOOD.answer} {GOOD.answer}", tokens=150)
    store.run_flow([longer] * 40)
    report = run(store, monitor_file(tmp_path))
    drifted = {one.quantity: (one.before, one.now) for one in report.drift if one.drifted}
    length = len(GOOD.answer)
    assert drifted == {
        "prompt_tokens": (100.0, 150.0),
        "total_tokens": (110.0, 160.0),
        "answer_length": (length, 2 * length + 1),
    }
    assert {"groundedness", "fluency", "question_length"} <= {one.quantity for one in report.drift} - drifted.keys()
    assert receiver.received, report.notes
    (told,) = receiver.received
    assert told["title"] == "answers: drift of prompt_tokens, total_tokens, answer_length"
    assert "prompt_tokens: 100.00 before, 150.00 now, Cliff's delta +1.00" in told["message"]


def test_a_new_topic_is_reported_with_examples_and_told_without_anybodys_words(store, tmp_path, receiver, pf_monitor):
    tell(store, receiver)
    usual, new = ([GOOD._replace(question=question) for question in some[:32]] for some in (USUAL, ABOUT_JOBS))
    store.run_flow(usual * 2, ago=timedelta(hours=30))
    store.run_flow(usual + new)
    done = pf_monitor("run", monitor_file(tmp_path), "--url", store.url)
    (kept,) = reports.paths(store.directory, "answers")
    topic = {one.quantity: one for one in reports.read(kept).drift}["question_topic"]
    assert (topic.drifted, topic.before, topic.effect_name) == (True, None, "Cramér's V")
    grown, shrunk = sorted(topic.shares, key=lambda one: one.before - one.now)
    assert (grown.before, grown.now, shrunk.before, shrunk.now) == (0.0, 0.5, 1.0, 0.5)
    assert len(grown.examples) == 3
    assert set(grown.examples) <= set(ABOUT_JOBS)
    said = f"question_topic: {grown.category} 0.0% before, 50.0% now; {shrunk.category} 100.0% before, 50.0% now"
    assert f"  DRIFT  {said}, Cramér's V 0.57, p = " in done.stdout
    assert "         topic 2: {}\n                  {}\n                  {}\n".format(*grown.examples) in done.stdout
    assert "  same   answer_language: en 100.0% before, 100.0% now, Cramér's V 0.00, p = 1" in done.stdout
    (told,) = receiver.received
    assert told["title"].startswith("answers: drift of ")
    assert f"{said}, Cramér's V 0.57, p = " in told["message"]
    assert not [question for question in USUAL + ABOUT_JOBS if question in told["message"]]


def test_a_report_says_once_what_to_install_to_see_more(store, tmp_path, monkeypatch):
    for name in ("py3langid.langid", "wordllama"):
        monkeypatch.setitem(sys.modules, name, None)
    languages._identifier.cache_clear()
    topics._model.cache_clear()
    store.run_flow([GOOD] * 30, ago=timedelta(hours=30))
    store.run_flow([GOOD] * 30)
    report = run(store, monitor_file(tmp_path))
    assert (report.ending, {"latency_ms", "question_length"} <= {one.quantity for one in report.drift}) == (
        Ending.COMPLETE,
        True,
    )
    hints = [note for note in report.notes if "pf-monitor[drift]" in note]
    assert hints == ["Languages and topics were not compared. To see them too: pip install 'pf-monitor[drift]'"]


@pytest.mark.parametrize("name", ["both_signals", "tokens", "quality"])
def test_the_monitors_of_microsofts_documentation_run_as_yaml_and_as_objects(store, name):
    store.run_flow([GOOD] * 20)
    from_file = run(store, DOCUMENTED / f"{name}.yaml")
    from_object = run(store, getattr(documented_objects, name)())
    metrics = [] if name == "tokens" else ["groundedness", "relevance", "coherence", "fluency"]
    assert [one.metric for one in from_file.metrics] == metrics
    assert [one.judged for one in from_file.metrics] == [20] * len(metrics)
    assert [one.total_tokens for one in from_file.tokens] == ([] if name == "quality" else [2_200])
    assert (from_object.metrics, from_object.tokens) == (from_file.metrics, from_file.tokens)
    assert from_object.verdict == from_file.verdict == ("watched" if name == "tokens" else "pass")


@pytest.fixture
def pf_monitor(store, monkeypatch, tmp_path):
    """Run `pf-monitor monitor` in an empty folder, with lines of a known width."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PF_MONITOR_DATA", str(store.directory))
    monkeypatch.setenv("COLUMNS", "140")
    return lambda *arguments: CliRunner().invoke(app, ["monitor", *map(str, arguments)])


@pytest.mark.parametrize(
    ("exchanges", "verdict", "code"),
    [
        ([GOOD] * 40, "pass", 0),
        ([BAD] * 40, "fail", 1),
        ([GOOD] * 30 + [BAD] * 10, "inconclusive", 3),
        ([], "no data", 3),
    ],
    ids=["pass", "fail", "inconclusive", "no data"],
)
def test_the_command_ends_with_the_exit_code_of_the_verdict(store, pf_monitor, tmp_path, exchanges, verdict, code):
    store.run_flow(exchanges)
    done = pf_monitor("run", monitor_file(tmp_path), "--once", "--json", "--url", store.url)
    assert done.exit_code == code, done.output
    assert json.loads(done.stdout)["verdict"] == verdict
    shown = pf_monitor("history", "answers", "--json")
    assert json.loads(shown.stdout) == [json.loads(done.stdout)]


def test_the_command_shows_numbers_intervals_and_the_worst_answers(store, pf_monitor, tmp_path):
    store.run_flow([GOOD] * 30 + [BAD] * 10)
    shown = pf_monitor("run", monitor_file(tmp_path), "--url", store.url).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "groundedness 75.0% 59.8 - 85.8% 70.0% 4.00 40 of 40 inconclusive" in lines, shown
    assert "groundedness: at this pass rate, 296 more judged rows settle it" in lines
    assert f"Answer: {BAD.answer}" in lines


def test_a_file_that_is_wrong_is_refused(store, pf_monitor, tmp_path):
    done = pf_monitor("run", monitor_file(tmp_path, sampling_rate="70"), "--url", store.url)
    assert done.exit_code == 2
    assert "sampling_rate: 70 is not a sampling rate: above 0 and up to 1, which is all rows." in done.stderr


def test_a_function_that_cannot_be_loaded_is_told_before_anything_is_judged(store, pf_monitor, tmp_path):
    own = 'gpt-4o\n        pf_monitor.metric.kind: "nowhere.module:score"'
    file = monitor_file(tmp_path, aoai_deployment_name=own)
    done = pf_monitor("run", file, "--url", store.url)
    assert done.exit_code == 2
    assert "The function nowhere.module:score cannot be loaded: ModuleNotFoundError" in done.stderr


def test_without_telemetry_the_command_says_what_to_do(pf_monitor, tmp_path):
    done = pf_monitor("run", monitor_file(tmp_path), "--url", "http://127.0.0.1:9")
    assert (done.exit_code, done.stderr.strip()) == (
        2,
        "No local Application Insights answers at http://127.0.0.1:9. Start one with: pf-monitor up",
    )
