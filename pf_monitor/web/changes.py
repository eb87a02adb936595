"""How a number differs from that of the period before, in words, and whether that is good."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pf_monitor.web.formats import Number


class Change(NamedTuple):
    """A change.

    Attributes:
        arrow: Which way, or empty.
        text: By how much.
        verdict: The class that colours it.
    """

    arrow: str
    text: str
    verdict: Literal["better", "worse", "same"]


Good = Literal["more", "less", "neither"]


_NOTABLE_POINTS: Final = 0.5
_NOTABLE_PERCENT: Final = 2.0
"""Below these a change is said, but not called good or bad."""


def change(now: Number | None, before: Number | None, *, good: Good, than: str, points: bool = False) -> Change | None:
    """Compare a number with that of the period before.

    Args:
        now: The number.
        before: That of the period before.
        good: What is better.
        than: What the period before is called.
        points: Whether the numbers are shares, whose difference is said in percentage points.

    Returns:
        The change; None where there is nothing to compare.
    """
    if now is None:
        return None
    if before is None or (not points and before == 0):
        return Change("", f"nothing in {than}" if before is None or now else f"as in {than}", "same")
    difference = (now - before) * 100 if points else (now - before) / before * 100
    unit = "points" if points else "%"
    if abs(difference) < 0.05:
        return Change("", f"as in {than}", "same")
    size = f"{abs(difference):,.0f}" if abs(difference) >= 10 else f"{abs(difference):.1f}"
    rises = difference > 0
    verdict: Literal["better", "worse", "same"] = "same"
    if good != "neither" and abs(difference) >= (_NOTABLE_POINTS if points else _NOTABLE_PERCENT):
        verdict = "better" if rises == (good == "more") else "worse"
    return Change("▲" if rises else "▼", f"{size} {unit} {'more' if rises else 'less'} than {than}", verdict)
