"""What scores say about a pass rate: an interval, a verdict, and how many rows would settle it.

The rate is that of the flow: the window is taken for a sample of what the flow does, and the judged rows for a sample
of the window. So there is no correction for a finite population: for the window itself the interval is a little too
wide, and of a window that was judged whole the rate is known exactly, though that of the flow is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

from pf_monitor.quality.report import Verdict
from pf_monitor.quality.sampling import effective_size
from pf_monitor.views.statistics import wilson

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class PassRate:
    """A pass rate and what it rests on.

    Attributes:
        rate: The weighted share of judged rows that pass; None where none was judged.
        low: The lower end of its interval; None likewise.
        high: The upper end.
        judged: Rows with a score.
        failed: Rows that the judge failed to score. They may not be like the others: the lower end counts them as not
            passed, the upper end as passed.
        effective: How many equally weighted rows tell as much.
        least: The rate if no failed row had passed; `most` if all of them had. None where nothing was counted.
        confidence: Of the interval.
    """

    rate: float | None
    low: float | None
    high: float | None
    judged: int
    failed: int
    effective: float
    least: float | None
    most: float | None
    confidence: float = CONFIDENCE


def pass_rate(
    passed: Iterable[tuple[bool, float]], failed: Iterable[float] = (), confidence: float = CONFIDENCE
) -> PassRate:
    """Return a pass rate with its Wilson interval.

    With weights the interval is that of the effective number of rows (Kish).
    Sources: E. B. Wilson, JASA 22 (1927); Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion,
    Statistical Science 16 (2001); Dean and Pagano, Evaluating Confidence Interval Methods for Binomial Proportions in
    Clustered Surveys, J. Survey Statistics and Methodology 3 (2015), for the effective number.

    Args:
        passed: For each judged row whether it passed, and its weight.
        failed: The weights of the rows that the judge failed to score.
        confidence: Of the interval, between 0 and 1.
    """
    judged, lost = list(passed), list(failed)
    judged_weight = sum(weight for _, weight in judged)
    if not judged_weight:
        return PassRate(None, None, None, 0, len(lost), 0.0, None, None, confidence)
    passed_weight = sum(weight for is_pass, weight in judged if is_pass)
    lost_weight = sum(lost)
    whole = judged_weight + lost_weight
    effective = effective_size([weight for _, weight in judged] + lost)
    z = quantile(confidence)
    least, most = passed_weight / whole, min(1.0, (passed_weight + lost_weight) / whole)
    low, high = _interval(least, effective, z)[0], _interval(most, effective, z)[1]
    rate = passed_weight / judged_weight
    return PassRate(rate, low, high, len(judged), len(lost), effective, least, most, confidence)


def quantile(confidence: float) -> float:
    """Return how many standard deviations an interval reaches to each side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _interval(rate: float, size: float, z: float) -> tuple[float, float]:
    return wilson(rate * size, size, z) or (0.0, 1.0)


def verdict(found: PassRate, threshold: float) -> Verdict:
    """Compare a pass rate with the least that is acceptable.

    A rate that is truly at the threshold fails, by chance, in less than (1 - confidence) / 2 of all windows: 2.5 %.
    The Wilson interval alone keeps to that on the average of many thresholds and no more: at 0.9 it fails 3.2 %. So an
    exact test of the threshold has to agree with it.
    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits, Biometrika 26 (1934).

    Args:
        found: The rate.
        threshold: From 0 to 1.
    """
    if found.low is None or found.high is None:
        return Verdict.NO_DATA
    level, size = (1 - found.confidence) / 2, found.effective
    if found.low >= threshold:
        chance = 0.0 if found.least is None else at_most(size - found.least * size, size, 1 - threshold)
        return Verdict.PASS if chance <= level else Verdict.INCONCLUSIVE
    if found.high < threshold:
        chance = 0.0 if found.most is None else at_most(found.most * size, size, threshold)
        return Verdict.FAIL if chance <= level else Verdict.INCONCLUSIVE
    return Verdict.INCONCLUSIVE


def rows_needed(found: PassRate, threshold: float) -> int | None:
    """Return how many more rows would settle the verdict, if their rate is the same.

    Rows that the judge failed to score are left aside.

    Returns:
        How many more; 0 where it is settled; None where no number would do it, or nothing is known yet.
    """
    if found.rate is None or found.rate == threshold:
        return None
    if verdict(found, threshold) is not Verdict.INCONCLUSIVE:
        return 0
    z = quantile(found.confidence)
    # The Wilson interval, the inversion of the score test, leaves the threshold out from here on.
    size = math.ceil(z**2 * threshold * (1 - threshold) / (found.rate - threshold) ** 2)
    while not _is_settled(found, size, threshold):
        size += max(1, size // 50)
    per_row = found.effective / (found.judged + found.failed)
    return max(1, math.floor(size / per_row) + 1 - found.judged)


def _is_settled(found: PassRate, size: int, threshold: float) -> bool:
    rate, z = found.rate or 0.0, quantile(found.confidence)
    low, high = _interval(rate, size, z)
    larger = replace(found, low=low, high=high, least=rate, most=rate, effective=size)
    return verdict(larger, threshold) is not Verdict.INCONCLUSIVE


def at_most(passed: float, judged: float, rate: float) -> float:
    """Return the chance that of `judged` rows at most `passed` pass, where each passes with the chance `rate`.

    It is the binomial distribution, I(judged - passed, passed + 1) at 1 - rate, which takes fractions of rows too.
    Source: NIST Digital Library of Mathematical Functions, 8.17.5 and, for the continued fraction, 8.17.22.
    """
    if passed >= judged or rate <= 0:
        return 1.0
    return 0.0 if passed < 0 or rate >= 1 else _incomplete_beta(judged - passed, passed + 1, 1 - rate)


_TERMS: Final = 10_000
_PRECISION: Final = 1e-12


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x > (a + 1) / (a + b + 2):  # the continued fraction converges fast on the other side
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    # Lentz's method, with numerators of which each pair makes one step.
    upper, lower, value = 1.0, 1 / (1 - (a + b) * x / (a + 1)), 1 / (1 - (a + b) * x / (a + 1))
    for m in range(1, _TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            lower = 1 / (1 + numerator * lower)
            upper = 1 + numerator / upper
            value *= upper * lower
        if abs(upper * lower - 1) < _PRECISION:
            break
    return front * value


@dataclass(frozen=True, slots=True)
class JudgeAccuracy:
    """How often a judge agrees with people, counted on a set that people have labelled.

    Attributes:
        good: Answers that people call good.
        good_passed: Those among them that the judge passes.
        bad: Answers that people call bad.
        bad_failed: Those among them that the judge does not pass.
    """

    good: int
    good_passed: int
    bad: int
    bad_failed: int


def true_pass_rate(found: PassRate, accuracy: JudgeAccuracy) -> PassRate | None:
    """Return the rate that people would have found, from the judge's rate and its known accuracy.

    The interval takes into account that the accuracy is itself an estimate.
    Sources: Rogan and Gladen, Estimating Prevalence from the Results of a Screening Test, Am. J. Epidemiology 107
    (1978); Lang and Reiczigel, Confidence Limits for Prevalence of Disease Adjusted for Estimated Sensitivity and
    Specificity, Preventive Veterinary Medicine 113 (2014).

    Returns:
        The rate, or None where the judge tells good from bad no better than chance, or nothing was judged.
    """
    if found.rate is None or not accuracy.good or not accuracy.bad:
        return None
    z = quantile(found.confidence)
    rate, size = (found.rate * found.effective + z**2 / 2) / (found.effective + z**2), found.effective + z**2
    sensitivity = (accuracy.good_passed + 1) / (accuracy.good + 2)
    specificity = (accuracy.bad_failed + 1) / (accuracy.bad + 2)
    skill = sensitivity + specificity - 1
    if skill <= 0:
        return None
    estimate = (rate + specificity - 1) / skill
    spread_good = sensitivity * (1 - sensitivity) / (accuracy.good + 2)
    spread_bad = specificity * (1 - specificity) / (accuracy.bad + 2)
    variance = rate * (1 - rate) / size + (1 - estimate) ** 2 * spread_bad + estimate**2 * spread_good
    shift = 2 * z**2 * (estimate * spread_good - (1 - estimate) * spread_bad)
    half = (z * math.sqrt(variance) + 1 / (2 * size)) / skill  # with a correction for counts being whole numbers
    return PassRate(
        rate=_clipped(estimate),
        low=_clipped(estimate + shift - half),
        high=_clipped(estimate + shift + half),
        judged=found.judged,
        failed=found.failed,
        effective=found.effective,
        least=None,
        most=None,
        confidence=found.confidence,
    )


def _clipped(rate: float) -> float:
    return min(1.0, max(0.0, rate))
