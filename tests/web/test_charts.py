"""Charts have round ticks, show gaps as gaps, and say their numbers to those who do not see them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from shown import Shown

from pf_monitor.web.charts import Bin, Series, Times, TimeScale, bar_chart, histogram, regular, sparkline, time_series
from pf_monitor.web.charts.scale import linear
from pf_monitor.web.formats import BYTES, COUNT, DECIMAL, DOLLARS, MILLISECONDS, SHARE, TOKENS, Unit

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bins(count: int) -> Times:
    return regular(START, START + max(count, 1) * MINUTE, [START + index * MINUTE for index in range(count)])


@pytest.mark.parametrize(
    ("low", "high", "whole", "ticks"),
    [
        (0, 7, True, [0, 2, 4, 6, 8]),
        (0, 1, True, [0, 1]),
        (0, 0, True, [0, 1]),
        (0, 0.9, False, [0, 0.5, 1]),
        (0, 4_100, False, [0, 2_000, 4_000, 6_000]),
        (-0.4, 1, False, [-0.5, 0, 0.5, 1]),
        (0, 1e-5, False, [0, 5e-6, 1e-5]),
        (0, 3e12, False, [0, 1e12, 2e12, 3e12]),
    ],
)
def test_ticks_are_round_and_hold_the_values(low: float, high: float, whole: bool, ticks: list[float]) -> None:
    assert list(linear(low, high, whole=whole).ticks) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (timedelta(minutes=15), ["12:00", "12:05", "12:10", "12:15"]),
        (timedelta(minutes=1), ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50"]),
        (timedelta(days=1), ["12:00", "18:00", "00:00", "06:00", "12:00"]),
        (timedelta(days=30), ["05 May", "10 May", "15 May", "20 May", "25 May", "30 May"]),
    ],
)
def test_ticks_of_time_are_round(length: timedelta, labels: list[str]) -> None:
    scale = TimeScale(START, START + length)
    assert [scale.label(tick) for tick in scale.ticks()][: len(labels)] == labels


@pytest.mark.parametrize(
    ("unit", "value", "exact", "short"),
    [
        (COUNT, 0, "0", "0"),
        (COUNT, 9_999, "9,999", "9,999"),
        (COUNT, 12_345, "12,345", "12.3k"),
        (COUNT, 999_950, "999,950", "1.00M"),
        (TOKENS, 1_234_567, "1,234,567", "1.23M"),
        (TOKENS, 264.44, "264.44", "264"),
        (MILLISECONDS, 0, "0 ms", "0 ms"),
        (MILLISECONDS, 0.25, "0.25 ms", "0.25 ms"),
        (MILLISECONDS, 999.4, "999 ms", "999 ms"),
        (MILLISECONDS, 999.6, "1.00 s", "1.00 s"),
        (MILLISECONDS, 125_000, "125 s", "125 s"),
        (DOLLARS, 0, "$0.00", "$0.00"),
        (DOLLARS, 0.000051, "$0.000051", "$0.000051"),
        (DOLLARS, 0.1, "$0.10", "$0.10"),
        (DOLLARS, 12_345.678, "$12,345.68", "$12.3k"),
        (SHARE, 0.0004, "0.04 %", "0.04 %"),
        (SHARE, 0.9999, "99.99 %", "99.99 %"),
        (SHARE, 1, "100.0 %", "100.0 %"),
        (BYTES, 312_345_678, "312 MB", "312 MB"),
        (DECIMAL, 0.123456, "0.123", "0.123"),
    ],
)
def test_numbers_have_their_unit(unit: Unit, value: float, exact: str, short: str) -> None:
    assert (unit.exact(value), unit.short(value)) == (exact, short)


@pytest.mark.parametrize(
    ("unit", "value", "step", "label"),
    [
        (COUNT, 2_500, 500, "2.5k"),
        (COUNT, 20, 10, "20"),
        (MILLISECONDS, 1_500, 500, "1.5 s"),
        (MILLISECONDS, 20, 10, "20 ms"),
        (DOLLARS, 0.0015, 0.0005, "$0.0015"),
        (SHARE, 0.5, 0.25, "50 %"),
        (BYTES, 2e8, 1e8, "200 MB"),
    ],
)
def test_labels_have_the_digits_of_their_step(unit: Unit, value: float, step: float, label: str) -> None:
    assert unit.tick(value, step) == label


def test_a_gap_in_a_line_is_a_gap() -> None:
    drawn = time_series("k", "Latency", bins(6), [Series("p50", [1, 2, None, 4, None, 6])], unit=MILLISECONDS)

    lines = re.findall(r'<path d="([^"]*)" class="line tone-1 ([\w ]+)">', drawn)
    assert [(path.count("L"), kind) for path, kind in lines] == [(1, "stroked solid"), (0, "dot"), (0, "dot")]


def test_bars_are_stacked() -> None:
    series = [Series("prompt", [10, 0, None], 1), Series("completion", [10, 5, None], 2)]
    drawn = time_series("k", "Tokens", bins(3), series, unit=COUNT, form="bars")

    bars = [one for one in Shown(drawn).all("rect") if one.get("class", "").startswith("bar")]
    assert [(float(one["y"]), float(one["height"])) for one in bars] == [(88, 80), (8, 80), (128, 40)]
    assert [one.get("fill") for one in bars] == [None, "url(#k-p2)", "url(#k-p2)"]
    assert '<pattern id="k-p2"' in drawn


def test_a_band_is_drawn_around_its_line() -> None:
    rate = Series("pass rate", [0.5, 0.75], 1, [0.25, 0.5], [0.75, 1.0])
    drawn = time_series("k", "Pass rate", bins(2), [rate], unit=SHARE, extent=(0, 1))

    assert 'd="M250 48L750 8L750 88L250 128Z" class="band tone-1"' in drawn
    assert "pass rate: 75.0 % (50.0 % to 100.0 %)" in drawn


def test_a_chart_says_its_numbers() -> None:
    drawn = time_series("k", "Requests", bins(2), [Series("ok", [3, None]), Series("failed", [1, 0], 5)], unit=COUNT)
    found = Shown(drawn)

    [svg] = [one for one in found.all("svg") if one.get("role") == "img"]
    assert svg["aria-labelledby"] == "k-title k-desc"
    assert "ok: from 3 to 3. failed: from 0 to 1." in found.words
    assert "Time ok failed 2024-05-01 12:00:00 3 1 2024-05-01 12:01:00 \N{EN DASH} 0" in found.words
    assert [title for title in found.pieces if title.startswith("2024-05-01 12:00:00 UTC\n")] == [
        "2024-05-01 12:00:00 UTC\nok: 3\nfailed: 1"
    ]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_a_chart_without_data_says_so(values: list[float | None]) -> None:
    drawn = time_series("k", "Latency", bins(len(values)), [Series("p50", values)], unit=MILLISECONDS)

    assert "No data in this time" in drawn


def test_names_of_series_are_text() -> None:
    drawn = time_series("k", "<b>", bins(1), [Series("<script>", [1]), Series("\x00", [1])], unit=COUNT)

    assert Shown(drawn).all("script") == []
    assert "<script>" in Shown(drawn).text
    assert "\u2400" in drawn


def test_a_histogram_shows_every_range() -> None:
    drawn = histogram("k", "Tokens", [Bin(0, 100, 3), Bin(100, 200, 0), Bin(200, None, 6)], unit=TOKENS)
    found = Shown(drawn)

    assert [float(one["height"]) for one in found.all("rect") if "bar" in one.get("class", "")] == [80, 160]
    assert "0 to less than 100 3 100 to less than 200 0 200 or more 6" in found.words
    assert "No data in this time" in histogram("k", "Tokens", [], unit=TOKENS)


def test_bars_by_category_are_a_table() -> None:
    drawn = bar_chart("k", "n", ("name", "n"), [("a", 4), ("<b>", 1), ("c", None)], unit=DECIMAL)
    found = Shown(drawn)

    assert "name n a 4 <b> 1 c \N{EN DASH}" in found.words
    assert [one["width"] for one in found.all("rect") if "tone-1" in one["class"]] == ["100%", "25%", "0%"]


@pytest.mark.parametrize("values", [[], [1], [0, 0], [None, None, 3]])
def test_there_is_no_sparkline_without_a_course(values: list[float | None]) -> None:
    assert sparkline(values) == ""
