"""Whether categories, such as languages or topics, have other shares than in a baseline window.

A chi-squared test says whether chance explains the difference, and Cramér's V how large it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

OTHER: Final = "other"
"""What categories are called together that are each too rare to be compared."""

NOTICEABLE_V: Final = 0.1
"""The least Cramér's V that counts. Of two windows it is Cohen's w, of which he calls 0.1 small. Source: J. Cohen,
Statistical Power Analysis for the Behavioral Sciences, 2nd edition (1988), section 7.2."""

_FEWEST_EXPECTED: Final = 5.0
"""Rows that each window is to expect of each category. Source: W. G. Cochran, Some Methods for Strengthening the Common
χ² Tests, Biometrics 10 (1954)."""


class Share(NamedTuple):
    """A category's share of the rows, 0 to 1, in this window and in the baseline."""

    category: str
    now: float
    before: float


class Difference(NamedTuple):
    """How the categories of two windows differ.

    Attributes:
        v: Cramér's V, 0 to 1.
        p: The chance of such a difference, or a larger one, where there is none.
        shares: What was compared, the largest change first.
    """

    v: float
    p: float
    shares: tuple[Share, ...]


def compare_categories(now: Sequence[str], before: Sequence[str]) -> Difference:
    """Compare the shares of categories; where one category is all that there is to compare, nothing differs.

    Args:
        now: The category of each row of this window, at least one.
        before: Those of the baseline, at least one.
    """
    table = _pooled(Counter(now), Counter(before))
    m, n = len(now), len(before)
    shares = [Share(name, new / m, old / n) for name, (new, old) in table.items()]
    shares.sort(key=lambda one: (-abs(one.now - one.before), one.category))
    if len(table) < 2:
        return Difference(0.0, 1.0, tuple(shares))
    statistic = _chi_squared(table.values(), (m, n))
    freedom = len(table) - 1
    return Difference(cramers_v(statistic, m + n, len(table)), chi_squared_survival(statistic, freedom), tuple(shares))


def _pooled(now: Counter[str], before: Counter[str]) -> dict[str, tuple[int, int]]:
    """Count each category in both windows; the rarest become one, until each window expects enough rows of each.

    Only sums over both windows decide, so that the choice does not depend on what is tested.
    """
    m, n = now.total(), before.total()
    enough = _FEWEST_EXPECTED * (m + n) / min(m, n)
    totals = sorted((now + before).items(), key=lambda one: (one[1], one[0]))
    rare, in_rare = set[str](), 0
    for name, total in totals:
        if total >= enough and (not rare or in_rare >= enough):
            break
        rare.add(name)
        in_rare += total
    counts = {name: (now[name], before[name]) for name, _ in totals if name not in rare}
    if rare:
        counts[OTHER] = (sum(now[name] for name in rare), sum(before[name] for name in rare))
    return counts


def _chi_squared(counts: Iterable[tuple[int, int]], rows: tuple[int, int]) -> float:
    """Return Pearson's statistic of a table of two windows."""
    shares = [side / sum(rows) for side in rows]
    return sum(
        (count - sum(pair) * share) ** 2 / (sum(pair) * share)
        for pair in counts
        for count, share in zip(pair, shares, strict=True)
    )


def chi_squared_survival(statistic: float, freedom: int) -> float:
    """Return the chance that a chi-squared variable is at least so large.

    With whole degrees of freedom it is a finite sum. Source: Abramowitz and Stegun, Handbook of Mathematical Functions
    (1964), 26.4.4 and 26.4.5.

    Args:
        statistic: 0 or more.
        freedom: Degrees of freedom, at least 1.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    order, chance = (0.5, math.erfc(math.sqrt(half))) if freedom % 2 else (1.0, math.exp(-half))
    while order < freedom / 2:
        chance += math.exp(order * math.log(half) - half - math.lgamma(order + 1))
        order += 1
    return min(1.0, chance)


def cramers_v(statistic: float, rows: int, categories: int) -> float:
    """Return Cramér's V of a table of two windows, without the bias that it has in small ones.

    Source: W. Bergsma, A Bias-Correction for Cramér's V and Tschuprow's T, J. Korean Statistical Society 42 (2013).

    Args:
        statistic: Pearson's statistic.
        rows: The rows of both windows, more than two.
        categories: How many there are, at least two.
    """
    excess = statistic / rows - (categories - 1) / (rows - 1)
    sides = (size - (size - 1) ** 2 / (rows - 1) for size in (2, categories))
    return min(1.0, math.sqrt(max(0.0, excess) / (min(sides) - 1)))
