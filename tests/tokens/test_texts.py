"""Counting texts: exact where it can be, bounded always."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_monitor.tokens import ranks
from pf_monitor.tokens.texts import _PIECE, COUNTED_CHARACTERS, TextCounter

PROSE = "The Larkspur tent weighs 2.1 kg, and holds three;\n\n  it's   waterproof… „bis 3.000 mm“. 耐水圧 3000 mm!\n"


class Meter:
    """An encoding that notes what it was given."""

    def __init__(self, name: str = "o200k_base") -> None:
        self._inner = ranks.load(name)
        self.given: list[int] = []

    def encode_ordinary(self, text: str) -> list[int]:
        self.given.append(len(text))
        return self._inner.encode_ordinary(text)


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_cutting_changes_no_count(name: str) -> None:
    text = PROSE * 200
    meter = Meter(name)
    assert TextCounter(meter).count(text) == len(ranks.load(name).encode_ordinary(text))
    assert len(meter.given) > 4


@given(st.text(alphabet=" \n\t.,;/a1é漢A'", min_size=1, max_size=60).map(lambda pattern: pattern * 400))
@settings(max_examples=40, deadline=None)
def test_cutting_hardly_changes_the_count_of_strange_texts(text: str) -> None:
    exact = len(ranks.load("o200k_base").encode_ordinary(text))
    cuts = len(text) // _PIECE * 2 + 1
    assert abs(TextCounter(ranks.load("o200k_base")).count(text) - exact) <= 2 * cuts


@pytest.mark.parametrize("run", ["a", " ", "\n", "^", "漢", "\U0001f642"])
def test_a_run_of_one_character_is_cut(run: str) -> None:
    text = run * 100_000
    meter = Meter()
    counted = TextCounter(meter).count(text)
    assert max(meter.given) <= _PIECE
    assert counted == pytest.approx(len(ranks.load("o200k_base").encode_ordinary(text)), rel=0.03)


def test_ten_megabytes_cost_no_more_than_what_is_counted_in_full() -> None:
    text = PROSE * (10_000_000 // len(PROSE))
    meter = Meter()
    counter = TextCounter(meter)

    counted = counter.count(text)
    again = counter.count(text)

    assert sum(meter.given) <= COUNTED_CHARACTERS
    exact = len(ranks.load("o200k_base").encode_ordinary(PROSE * 1_000)) / 1_000 * (10_000_000 // len(PROSE))
    assert counted == pytest.approx(exact, rel=0.03)
    assert again == pytest.approx(exact, rel=0.03)


def test_many_texts_share_one_bound() -> None:
    meter = Meter()
    counter = TextCounter(meter)
    for _ in range(20):
        counter.count(PROSE * 500)
    assert sum(meter.given) <= COUNTED_CHARACTERS


def test_without_an_encoding_four_bytes_are_a_token() -> None:
    counter = TextCounter(None)
    assert counter.method == "characters"
    assert [counter.count(text) for text in ("", "a", "four", "seventh", "漢字", "\ud800")] == [0, 1, 1, 2, 2, 1]


def test_a_lone_surrogate_counts() -> None:
    assert TextCounter(ranks.load("o200k_base")).count("a\ud800b") > 0
