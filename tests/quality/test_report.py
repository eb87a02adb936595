"""What a run leaves is read back as it was, and a broken or newer file is said to be one."""

from __future__ import annotations

import json

import pytest
from reports import REPORT

from pf_monitor.quality import report


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = report.write(REPORT, tmp_path)
    assert path == tmp_path / "monitors" / "answers" / "20261121T100000-r1.json"
    assert report.read(path) == REPORT
    assert report.monitors(tmp_path) == ["answers"]
    assert report.paths(tmp_path, "answers") == [path]


def test_what_a_later_version_adds_is_passed_over(tmp_path):
    path = report.write(REPORT, tmp_path)
    content = json.loads(path.read_text()) | {"added_later": 1}
    path.write_text(json.dumps(content))
    assert report.read(path) == REPORT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content | {"format": 99}, "was written by a newer pf-monitor. Update this one."),
        (lambda content: content | {"verdict": "fine"}, "is not the report of a run: "),
        (lambda content: content | {"metrics": [1]}, "is not the report of a run: "),
        (lambda content: {"format": 1}, "is not the report of a run: "),
        (lambda _: [], "is not the report of a run: "),
    ],
)
def test_a_file_that_is_no_report_is_said_to_be_none(change, message, tmp_path):
    path = report.write(REPORT, tmp_path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(report.ReportError, match=message) as raised:
        report.read(path)
    assert str(path) in str(raised.value)


def test_before_the_first_run_there_is_nothing(tmp_path):
    assert report.monitors(tmp_path) == []
    assert report.paths(tmp_path, "answers") == []
