"""Windows of a flow whose true pass rate is known, and a judge whose accuracy is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from pf_monitor.quality.monitor import Sampling
from pf_monitor.quality.report import Verdict
from pf_monitor.quality.sampling import draw
from pf_monitor.quality.statistics import JudgeAccuracy, PassRate, pass_rate, true_pass_rate, verdict

THRESHOLD = 0.7
_BELOW = 0.65
_RATES = (0.5, 0.6, 0.7, 0.8, 0.9)
_SENSITIVITY, _SPECIFICITY = 0.92, 0.85
_LABELLED = 400


class Coverage(NamedTuple):
    """What a thousand windows showed; all are shares of windows.

    Attributes:
        covered: Those whose interval holds the true rate.
        false_fails: Of those whose true rate is at the threshold, those that `verdict` fails: 2.5 % are stated.
        simple_false_fails: Of the same, those that fail by `rate < threshold`, as today's tools say it.
        false_passes: Of those whose true rate is five points below, those that `verdict` passes: 2.5 % are stated.
        simple_false_passes: Of the same, those that pass by `rate >= threshold`.
    """

    covered: float
    false_fails: float
    simple_false_fails: float
    false_passes: float
    simple_false_passes: float


def simulate(windows: int = 1_000, *, accurate: bool = True, seed: int = 7) -> Coverage:
    """Simulate windows of 200 to 2,000 runs, sampled at 10 % with a floor of 50.

    Args:
        windows: How many of any true rate; as many again are at the threshold, and as many below.
        accurate: Whether the judge is always right; otherwise it is right as often as it was on labelled answers, and
            its rate is corrected by that.
        seed: Of everything that is random here.
    """
    chance = random.Random(seed)
    found = [(true, _window(chance, true, accurate=accurate)) for true in chance.choices(_RATES, k=windows)]
    good = [_window(chance, THRESHOLD, accurate=accurate) for _ in range(windows)]
    bad = [_window(chance, _BELOW, accurate=accurate) for _ in range(windows)]

    def share(what: Callable[[PassRate], bool], ones: list[PassRate]) -> float:
        return sum(map(what, ones)) / len(ones)

    return Coverage(
        covered=sum(one.low <= true <= one.high for true, one in found) / len(found),
        false_fails=share(lambda one: verdict(one, THRESHOLD) is Verdict.FAIL, good),
        simple_false_fails=share(lambda one: one.rate < THRESHOLD, good),
        false_passes=share(lambda one: verdict(one, THRESHOLD) is Verdict.PASS, bad),
        simple_false_passes=share(lambda one: one.rate >= THRESHOLD, bad),
    )


def _window(chance: random.Random, true: float, *, accurate: bool) -> PassRate:
    runs = [(f"{chance.getrandbits(128):032x}", chance.random() < true) for _ in range(chance.randint(200, 2_000))]
    drawn = draw(runs, lambda run: run[0], Sampling(rate=0.1, floor=50))
    judged = [(_judged(chance, one.row[1], accurate=accurate), one.weight) for one in drawn]
    rate = pass_rate(judged)
    if accurate:
        return rate
    labelled = [chance.random() < 0.5 for _ in range(_LABELLED)]
    good, bad = sum(labelled), _LABELLED - sum(labelled)
    counted = JudgeAccuracy(
        good,
        sum(_judged(chance, True, accurate=False) for _ in range(good)),
        bad,
        sum(not _judged(chance, False, accurate=False) for _ in range(bad)),
    )
    corrected = true_pass_rate(rate, counted)
    assert corrected is not None
    return corrected


def _judged(chance: random.Random, is_good: bool, *, accurate: bool) -> bool:
    if accurate:
        return is_good
    return chance.random() < (_SENSITIVITY if is_good else 1 - _SPECIFICITY)


if __name__ == "__main__":
    for accurate in (True, False):
        print("judge always right" if accurate else "judge of known accuracy", simulate(accurate=accurate))  # noqa: T201 - what the program is for
