"""What decoration costs while the monitor is not enabled, which is how most code runs most of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from measuring import Contestant, Figure, answer, compare, in_child

CALLS = 20_000
ROUNDS = 25
TARGET_US = 0.3


def benchmark(_: dict[str, Any]) -> Iterator[Figure]:
    """Yield what is added to a plain call."""
    timed = in_child(__file__, "calls")
    plain = timed["plain"]
    yield Figure("a plain call", plain * 1e6, "µs")
    yield Figure("not enabled: added to a call", (timed["decorated"] - plain) * 1e6, "µs", target=TARGET_US)
    plain = timed["plain generator"]
    yield Figure("a plain generator of three items", plain * 1e6, "µs")
    yield Figure("not enabled: added to the generator", (timed["decorated generator"] - plain) * 1e6, "µs")


def calls() -> dict[str, float]:
    import pf_monitor

    def call(question: str) -> str:
        return question

    def generate(question: str) -> Iterator[str]:
        yield question
        yield question
        yield question

    def run(function: Callable[[str], Any]) -> Contestant:
        def repeat(number: int) -> None:
            for _ in range(number):
                function("q")

        return Contestant(repeat)

    def exhaust(function: Callable[[str], Iterator[str]]) -> Contestant:
        def repeat(number: int) -> None:
            for _ in range(number):
                for _ in function("q"):
                    pass

        return Contestant(repeat)

    contestants = {
        "plain": run(call),
        "decorated": run(pf_monitor.node(call)),
        "plain generator": exhaust(generate),
        "decorated generator": exhaust(pf_monitor.node(generate)),
    }
    return {name: timing.caller for name, timing in compare(contestants, CALLS, ROUNDS).items()}


if __name__ == "__main__":
    answer({"calls": calls})
