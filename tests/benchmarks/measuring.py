"""What all benchmarks share: figures, timing, and processes of their own to measure in.

Machines differ and are never quiet, so a figure stands beside a baseline that was measured in the same run, in turns
with it, and the least of several rounds counts: noise only ever adds.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What was measured.
        value: How much it was.
        unit: Of the value.
        ratio: The value as a multiple of the baseline's.
        target: What the value (or the ratio, if there is one) shall not exceed.
    """

    what: str
    value: float
    unit: str
    ratio: float | None = None
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return (self.value if self.ratio is None else self.ratio) <= self.target


@dataclass
class Contestant:
    """Something to be timed.

    Attributes:
        run: Does the work a given number of times.
        settle: Waits until all that the work has left to other threads is done.
    """

    run: Callable[[int], object]
    settle: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Timing:
    """The least seconds of CPU that one time took.

    Attributes:
        caller: On the caller's own thread.
        process: In the whole process, what other threads do about it afterwards included.
    """

    caller: float
    process: float


def compare(contestants: Mapping[str, Contestant], number: int, rounds: int) -> dict[str, Timing]:
    """Time contestants in turns.

    Args:
        contestants: By name.
        number: How often each works in a round.
        rounds: The first one, in which everything is made ready, does not count.
    """
    least: dict[str, Timing] = {}
    for counted in [False] + [True] * rounds:
        for name, contestant in contestants.items():
            caller, process = time.thread_time(), time.process_time()
            contestant.run(number)
            caller = time.thread_time() - caller
            contestant.settle()
            process = time.process_time() - process
            if counted:
                best = least.get(name, Timing(caller, process))
                least[name] = Timing(min(best.caller, caller), min(best.process, process))
    return {name: Timing(t.caller / number, t.process / number) for name, t in least.items()}


@dataclass(frozen=True)
class Added:
    """What one way of doing the same adds to another, in seconds of CPU on the caller's own thread.

    Attributes:
        base: What one time takes without, in the median.
        added: How much more it takes with: the median over pairs that were timed one right after the other.
        error: The standard error of `added`.
    """

    base: float
    added: float
    error: float


def added(without: Contestant, with_it: Contestant, pairs: int) -> Added:
    """Time two ways of doing the same in pairs, for what is small beside its own noise.

    A machine that becomes slower or faster within a run does so for both of a pair, and a median ignores the pairs that
    something came between; the least of each, which belong to different moments, would differ by more than what is
    looked for.

    Args:
        without: One way.
        with_it: The other.
        pairs: How many; who is first alternates. As many as a tenth of them come before and do not count.
    """
    bases: list[float] = []
    differences: list[float] = []
    for number in range(-(pairs // 10), pairs):
        took: dict[bool, float] = {}
        for which in (number % 2 == 0, number % 2 != 0):
            contestant = with_it if which else without
            begun = time.thread_time()
            contestant.run(1)
            took[which] = time.thread_time() - begun
            contestant.settle()
        if number >= 0:
            bases.append(took[False])
            differences.append(took[True] - took[False])
    middle = statistics.median(differences)
    spread = statistics.median(abs(difference - middle) for difference in differences)
    return Added(statistics.median(bases), middle, _MEDIANS_ERROR * _DEVIATIONS * spread / math.sqrt(pairs))


_DEVIATIONS = 1.4826
"""Standard deviations in a median absolute deviation, of what is normally distributed."""

_MEDIANS_ERROR = 1.2533
"""The standard error of a median in those of a mean, likewise: the root of pi / 2."""


def in_child(
    file: str, case: str, *arguments: object, environment: Mapping[str, str] | None = None, python: str = sys.executable
) -> Any:
    """Run a case of a benchmark's file in a process of its own, and return what it answers.

    Raises:
        ChildError: When it fails.
    """
    command = [python, "-W", "ignore", file, case, *map(str, arguments)]
    done = subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, check=False, timeout=1800
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not answers:
        raise ChildError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return json.loads(answers[-1].removeprefix(_MARK))


class ChildError(RuntimeError):
    """A measuring process failed; the message is its last word."""


def answer(cases: Mapping[str, Callable[..., Any]]) -> None:
    """Be the process that `in_child` starts: run the case that the command line names."""
    case, *arguments = sys.argv[1:]
    print(_MARK + json.dumps(cases[case](*arguments)), flush=True)  # noqa: T201 - the parent reads it
    os._exit(0)  # whatever peers do at exit is not measured


_MARK = "ANSWER "


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without anything that configures who is measured."""
    prefixes = ("PF_", "PROMPTFLOW_", "APPLICATIONINSIGHTS_", "OTEL_", "OPENAI_", "AZURE_OPENAI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    paths: Sequence[str] = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PF_TELEMETRY_ENABLED": "false", **(more or {})}
