"""Whether something differs from a baseline window: scores, tokens, latency, length, language and topic.

Numbers are compared by a rank test, since none of them is normally distributed, and categories by a chi-squared test.
Each comparison has an effect size: in a large window any difference is significant, and one that nobody would notice is
no drift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist, fmean
from typing import Final

from pf_monitor.quality.categories import NOTICEABLE_V, Share, compare_categories

FALSE_ALARMS_A_MONTH: Final = 0.05
"""The chance of any false alarm in 30 days that a monitor takes."""

NOTICEABLE: Final = 0.147
"""The least |Cliff's delta| that counts. Source: Romano et al., Appropriate Statistics for Ordinal Level Data (2006),
who call less than that negligible."""

FEWEST: Final = 20
"""Rows in each window below which nothing is compared; the normal approximation of the rank test needs some."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of a window.

    Attributes:
        numbers: The values of each quantity.
        categories: Of each kind of category, that of each row.
    """

    numbers: Mapping[str, Sequence[float]]
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """How a measure differs from the baseline.

    Attributes:
        measure: What was compared, such as `groundedness`, `latency_ms` or `question_topic`.
        effect: How large the difference is. Of numbers Cliff's delta: the chance that a row of now is larger than one
            of before, less the chance that it is smaller; from -1 to 1. Of categories Cramér's V, from 0 to 1.
        effect_name: Which of the two.
        p: The chance of such a difference, or a larger one, where there is none.
        adjusted_p: The same, corrected for all comparisons of this run (Benjamini-Hochberg).
        is_drift: Whether it is both significant at the level of this run, and noticeable.
        mean_now: Of numbers the mean in this window; `mean_before` in the baseline.
        shares: Of categories the share of each, the largest change first.
    """

    measure: str
    effect: float
    effect_name: str
    p: float
    adjusted_p: float
    is_drift: bool
    mean_now: float | None = None
    mean_before: float | None = None
    shares: tuple[Share, ...] = ()


def look_level(looks_a_month: int, monthly: float = FALSE_ALARMS_A_MONTH) -> float:
    """Return the level of significance of one look, so that all looks of a month together keep to the monthly one.

    Source: Z. Šidák, Rectangular Confidence Regions for the Means of Multivariate Normal Distributions, JASA 62 (1967).

    Args:
        looks_a_month: How often the monitor runs in 30 days.
        monthly: The chance of any false alarm in that time.
    """
    return float(1 - (1 - monthly) ** (1 / max(1, looks_a_month)))


def compare(now: Measures, before: Measures, level: float) -> list[Drift]:
    """Compare every measure that both windows have enough rows of.

    Args:
        now: This window.
        before: The baseline.
        level: The chance of any false alarm among these comparisons.
    """
    found = [
        _of_numbers(name, now.numbers[name], before.numbers[name]) for name in _shared(now.numbers, before.numbers)
    ]
    found += [
        _of_categories(name, now.categories[name], before.categories[name])
        for name in _shared(now.categories, before.categories)
    ]
    adjusted = benjamini_hochberg([one.p for one in found])
    return [
        replace(one, adjusted_p=q, is_drift=q <= level and abs(one.effect) >= _NOTICEABLE[one.effect_name])
        for one, q in zip(found, adjusted, strict=True)
    ]


def _shared(now: Mapping[str, Sequence[object]], before: Mapping[str, Sequence[object]]) -> list[str]:
    return [name for name in now if min(len(now[name]), len(before.get(name, ()))) >= FEWEST]


_DELTA: Final = "Cliff's delta"
_V: Final = "Cramér's V"
_NOTICEABLE: Final = {_DELTA: NOTICEABLE, _V: NOTICEABLE_V}


def _of_numbers(measure: str, now: Sequence[float], before: Sequence[float]) -> Drift:
    delta, p = mann_whitney(now, before)
    return Drift(measure, delta, _DELTA, p, p, is_drift=False, mean_now=fmean(now), mean_before=fmean(before))


def _of_categories(measure: str, now: Sequence[str], before: Sequence[str]) -> Drift:
    found = compare_categories(now, before)
    return Drift(measure, found.v, _V, found.p, found.p, is_drift=False, shares=found.shares)


def mann_whitney(now: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Return Cliff's delta and the two-sided p-value of the rank-sum test, by the normal approximation with ties.

    Sources: Mann and Whitney, On a Test of Whether One of Two Random Variables is Stochastically Larger than the Other,
    Annals of Mathematical Statistics 18 (1947); N. Cliff, Dominance Statistics, Psychological Bulletin 114 (1993):
    delta = 2U / (mn) - 1.
    """
    m, n = len(now), len(before)
    rank_sum, ties = _ranks(now, before)
    larger = rank_sum - m * (m + 1) / 2
    total = m + n
    variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 0.0, 1.0
    distance = max(0.0, abs(larger - m * n / 2) - 0.5)
    return 2 * larger / (m * n) - 1, min(1.0, 2 * NormalDist().cdf(-distance / math.sqrt(variance)))


def _ranks(now: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """Return the sum of the ranks of `now` among all, and Σ(t³ - t) over groups of t equal values."""
    ordered = sorted([(value, True) for value in now] + [(value, False) for value in before])
    rank_sum, ties, start = 0.0, 0.0, 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            end += 1
        size = end - start
        own = sum(is_now for _, is_now in ordered[start:end])
        rank_sum += own * (start + 1 + end) / 2
        ties += size**3 - size
        start = end
    return rank_sum, ties


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for there being several, in the same order.

    Source: Benjamini and Hochberg, Controlling the False Discovery Rate, J. R. Statistical Society B 57 (1995).
    """
    count = len(p_values)
    adjusted, least = [1.0] * count, 1.0
    for rank, index in sorted(enumerate(sorted(range(count), key=p_values.__getitem__), 1), reverse=True):
        least = min(least, p_values[index] * count / rank)
        adjusted[index] = least
    return adjusted
