"""Windows of a flow whose true pass rate is known, and a judge whose accuracy is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pf_monitor.quality.monitor import Sampling
from pf_monitor.quality.report import Verdict
from pf_monitor.quality.sampling import draw
from pf_monitor.quality.statistics import JudgeAccuracy, PassRate, pass_rate, true_pass_rate, verdict

THRESHOLD = 0.7
_RATES = (0.5, 0.6, 0.7, 0.8, 0.9)
_SENSITIVITY, _SPECIFICITY = 0.92, 0.85
_LABELLED = 400


class Coverage(NamedTuple):
    """What a thousand windows showed; all are shares of windows.

    Attributes:
        covered: Those whose interval holds the true rate.
        false_fails: Of those whose true rate is at the threshold, those that `verdict` fails: 2.5 % are stated.
        simple_false_fails: Of the same, those that fail by `rate < threshold`, as today's tools say it.
        simple_false_passes: Of those whose true rate is below, those that pass so.
        false_passes: Of the same, those that `verdict` passes.
    """

    covered: float
    false_fails: float
    simple_false_fails: float
    false_passes: float
    simple_false_passes: float


def simulate(windows: int = 1_000, *, accurate: bool = True, seed: int = 7) -> Coverage:
    """Simulate windows of 200 to 2,000 runs, sampled at 10 % with a floor of 50.

    Args:
        windows: How many.
        accurate: Whether the judge is always right; otherwise it is right as often as it was on labelled answers, and
            its rate is corrected by that.
        seed: Of everything that is random here.
    """
    chance = random.Random(seed)
    found = [(true, _window(chance, true, accurate=accurate)) for true in _true_rates(chance, windows)]
    good = [one for true, one in found if true == THRESHOLD]
    bad = [one for true, one in found if true < THRESHOLD]

    def share(ones: list[PassRate], what: Callable[[PassRate], bool]) -> float:
        return sum(map(what, ones)) / len(ones)

    return Coverage(
        covered=sum(one.low <= true <= one.high for true, one in found) / len(found),
        false_fails=share(good, lambda one: verdict(one, THRESHOLD) is Verdict.FAIL),
        simple_false_fails=share(good, lambda one: one.rate < THRESHOLD),
        false_passes=share(bad, lambda one: verdict(one, THRESHOLD) is Verdict.PASS),
        simple_false_passes=share(bad, lambda one: one.rate >= THRESHOLD),
    )


def _true_rates(chance: random.Random, windows: int) -> Iterator[float]:
    for _ in range(windows):
        yield chance.choice(_RATES)


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
        print("judge always right" if accurate else "judge of known accuracy", simulate(accurate=accurate))  # noqa: T201
