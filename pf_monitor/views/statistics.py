"""Intervals, so that a rate of a few judged answers is not taken for more than it is."""

from __future__ import annotations

import math
from typing import Final

_Z: Final = 1.959963984540054
"""The quantile of the normal distribution for 95 %."""


def wilson(passed: float, judged: float, z: float = _Z) -> tuple[float, float] | None:
    """Return the interval of a rate, 95 % unless told otherwise, or None where nothing was judged.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).

    Args:
        passed: How many passed; with weighted rows, of the effective number.
        judged: Of how many; with weighted rows, the effective number.
        z: The quantile of the normal distribution for the confidence that is wanted.
    """
    if judged <= 0:
        return None
    rate = passed / judged
    scale = 1 + z**2 / judged
    middle = (rate + z**2 / (2 * judged)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / judged + z**2 / (4 * judged**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def of_average(average: float | None, deviation: float | None, judged: int) -> tuple[float, float] | None:
    """Return the 95 % interval of an average by the normal approximation, or None where fewer than two were judged.

    Args:
        average: The average.
        deviation: The standard deviation of the sample.
        judged: How many values there are.
    """
    if average is None or deviation is None or judged < 2 or not math.isfinite(deviation):
        return None
    half = _Z * deviation / math.sqrt(judged)
    return average - half, average + half
