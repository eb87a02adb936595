"""A change says how much, which way, and whether that is good."""

from __future__ import annotations

import pytest

from pf_monitor.web.changes import Good, change


@pytest.mark.parametrize(
    ("now", "before", "good", "points", "expected"),
    [
        (120, 100, "neither", False, ("▲", "20 % more than the day before", "same")),
        (90, 100, "less", False, ("▼", "10 % less than the day before", "better")),
        (110, 100, "less", False, ("▲", "10 % more than the day before", "worse")),
        (101, 100, "less", False, ("▲", "1.0 % more than the day before", "same")),
        (0.5, 0.4, "more", True, ("▲", "10.0 points more than the day before", "better")),
        (0.02, 0.0, "less", True, ("▲", "2.0 points more than the day before", "worse")),
        (100, 100, "less", False, ("", "as in the day before", "same")),
        (0, 0, "neither", False, ("", "as in the day before", "same")),
        (5, 0, "neither", False, ("", "nothing in the day before", "same")),
        (5, None, "less", False, ("", "nothing in the day before", "same")),
    ],
)
def test_a_change_in_words(
    now: float, before: float | None, good: Good, points: bool, expected: tuple[str, str, str]
) -> None:
    assert change(now, before, good=good, than="the day before", points=points) == expected


def test_no_number_has_no_change() -> None:
    assert change(None, 5, good="less", than="the day before") is None
