"""Anchors tell a change of the judge from one of the flow, and how the judge's rate reads to people."""

from __future__ import annotations

import json
import re

import pytest
from judge_server import Says, judge_double
from scene import GOOD, SCORES
from test_run import by_metric, judged_by, run

from pf_monitor.quality.anchors import AnchorError, accuracy, compare_anchors, read_anchors
from pf_monitor.quality.monitor import Column, Columns
from pf_monitor.quality.statistics import JudgeAccuracy


def says(score: int) -> Says:
    return Says(json.dumps({"reason": "as told", "score": score}))


def write(folder, count: int, **labels: bool) -> None:
    lines = [{"question": "Who?", "answer": f"Anchor {number}.", "context": "c"} for number in range(count)]
    (folder / "anchors.jsonl").write_text("".join(json.dumps({**line, "labels": labels}) + "\n" for line in lines))


def test_a_judge_that_has_changed_is_told_from_a_flow_that_has(store, tmp_path):
    write(tmp_path, 20)
    store.run_flow([GOOD] * 5)
    with judge_double(lambda *_: says(4)) as double:
        file = judged_by(double, tmp_path, properties='pf_monitor.anchors: "anchors.jsonl"\n')
        first, second = run(store, file), run(store, file)
        asked = len(double.asked)
        double.script = lambda *_: says(3)
        third = run(store, file)
    assert asked == 2 * 5 + 2 * 2 * 20  # the flow's rows once, the anchors by each run
    assert [one for one in first.drift if one.quantity.startswith("judge")] == []
    unchanged = {one.quantity: (one.drifted, one.before, one.now) for one in second.drift}
    assert unchanged == {f"judge of {name}": (False, 4.0, 4.0) for name in ("groundedness", "fluency")}
    changed = {one.quantity: (one.drifted, one.before, one.now, one.effect) for one in third.drift}
    assert changed == {f"judge of {name}": (True, 4.0, 3.0, -1.0) for name in ("groundedness", "fluency")}
    assert (
        "The judge of fluency has changed: it scores the 20 anchors 3.00 on average, and 4.00 in the run before. Do "
        "not take that for a change of the flow."
    ) in third.notes
    assert store.rows(f"{SCORES} | count") == [{"Count": 10}]


def test_labels_turn_the_judges_rate_into_that_of_people(store, tmp_path):
    def said(good: bool, number: int) -> str:
        return f"{'Good' if good else 'Bad'} answer {number}."

    labelled = [{"answer": said(good, n), "labels": {"fluency": good}} for n in range(200) for good in (True, False)]
    (tmp_path / "anchors.jsonl").write_text("".join(json.dumps(line) + "\n" for line in labelled))
    store.run_flow([GOOD._replace(answer=said(number < 60, number)) for number in range(100)])

    def script(body, _):
        # Of good answers the judge passes nine in ten, of bad ones two in ten.
        kind, number = re.search(r"(Good|Bad) answer (\d+)", str(body)).groups()
        return says(4 if int(number) % 10 < {"Good": 9, "Bad": 2}[kind] else 2)

    with judge_double(script) as double:
        report = run(store, judged_by(double, tmp_path, properties='pf_monitor.anchors: "anchors.jsonl"\n'))
    fluency = by_metric(report)["fluency"]
    assert fluency.pass_rate == pytest.approx(0.6 * 0.9 + 0.4 * 0.2)
    assert fluency.people_rate == pytest.approx(0.6, abs=0.01)
    assert fluency.people_rate_low < 0.5 < 0.7 < fluency.people_rate_high
    assert by_metric(report)["groundedness"].people_rate is None


def test_scores_are_compared_anchor_by_anchor():
    before = {str(number): 3.0 for number in range(12)}
    rose = dict.fromkeys(before, 4.0)
    change = compare_anchors(rose, before)
    assert (change.before, change.now, change.pairs, change.shift) == (3.0, 4.0, 12, 1.0)
    assert change.p == pytest.approx(2 * 0.5**12)
    assert compare_anchors(before, before).p == 1.0
    assert compare_anchors({"1": 3.0}, {"2": 3.0}) is None


def test_labels_are_held_against_scores(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"answer": "x", "labels": {"fluency": good}}) for good in (True, True, False)))
    anchors = read_anchors(path, Columns())
    assert anchors[0].texts == {Column.COMPLETION: "x"}
    assert accuracy(anchors, "fluency", {"1": 4.0, "2": 2.0, "3": 1.0}, 3.0) == JudgeAccuracy(2, 1, 1, 1)
    assert accuracy(anchors, "relevance", {"1": 4.0}, 3.0) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 anchors; there may be 1 to 2,000"),
        ("{\n", "line 1 is not a JSON object of at most 2,000,000 characters"),
        ('{"answer": "x"}\n[1]\n', "line 2 is not a JSON object of at most 2,000,000 characters"),
        ('{"labels": {"fluency": 4}}\n', 'line 1: labels is a mapping such as {"groundedness": true}'),
    ],
)
def test_anchors_that_cannot_be_used_are_told_with_their_line(tmp_path, text, message):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(AnchorError) as raised:
        read_anchors(path, Columns())
    assert message in str(raised.value)
