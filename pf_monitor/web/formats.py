"""How numbers are written: one way for each unit, short for tiles and axes, exact for tables.

A missing number is a dash, which says that there is none, not that it is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MISSING: Final = "\N{EN DASH}"

Number = int | float


@dataclass(frozen=True)
class Unit:
    """How numbers of one unit are written.

    Attributes:
        exact: With all digits that matter, for tables.
        short: In few characters, for tiles.
        tick: As the label of an axis whose ticks are this far apart.
        whole: Whether only whole numbers make sense on an axis.
    """

    exact: Callable[[Number], str]
    short: Callable[[Number], str]
    tick: Callable[[Number, Number], str]
    whole: bool = False


def shown(value: Number | None, unit: Unit) -> str:
    """Write a number exactly, or a dash if there is none."""
    return MISSING if value is None else unit.exact(value)


def _grouped(value: Number) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _scaled(value: Number) -> str:
    """Three digits and k, M or G: `12.3k`. Up to 9,999 as it is."""
    if abs(value) < 10_000:
        return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.1f}"
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{_three_digits(value / size)}{suffix}"
    return f"{value:,.0f}"


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f}"


def _digits(step: Number) -> int:
    """The digits after the point that tell ticks of a step apart."""
    return max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0


def _tick_count(value: Number, step: Number) -> str:
    top = max(abs(value), step)
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if top >= size and step >= size / 1000:
            return "0" if value == 0 else f"{value / size:.{_digits(step / size)}f}{suffix}"
    return f"{value:,.{_digits(step)}f}"


def _milliseconds(value: Number) -> str:
    if abs(value) < 0.9995:
        return f"{value:.2g} ms" if value else "0 ms"
    if abs(value) < 999.5:
        return f"{value:.0f} ms"
    return f"{value / 1000:,.2f} s" if abs(value) < 99_950 else f"{value / 1000:,.0f} s"


def _tick_milliseconds(value: Number, step: Number) -> str:
    if value == 0:
        return "0"
    if max(abs(value), step) >= 1000:
        return f"{value / 1000:,.{_digits(step / 1000)}f} s"
    return f"{value:,.{_digits(step)}f} ms"


def _dollars(value: Number) -> str:
    """Small amounts with the digits that tell them apart."""
    if value == 0 or abs(value) >= 1:
        return f"${value:,.2f}"
    return f"${value:.6f}".rstrip("0").ljust(5, "0")


def _short_dollars(value: Number) -> str:
    if value == 0 or abs(value) >= 0.995:
        return f"${value:,.2f}" if abs(value) < 10_000 else f"${_scaled(value)}"
    return f"${value:.{1 - math.floor(math.log10(abs(value)))}f}" if abs(value) >= 1e-6 else f"${value:.1e}"


def _tick_dollars(value: Number, step: Number) -> str:
    return "$0" if value == 0 else f"${value:,.{_digits(step)}f}"


def _percent(value: Number) -> str:
    """A share of one as percent; never 0 % or 100 % for what is not."""
    digits = 1 if 0.001 <= value <= 0.999 or value in {0, 1} else 2
    return f"{value * 100:.{digits}f} %"


def _tick_percent(value: Number, step: Number) -> str:
    return f"{value * 100:.{_digits(step * 100)}f} %"


def _bytes(value: Number) -> str:
    for size, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {suffix}"
    return f"{value:.0f} B"


def _tick_bytes(value: Number, step: Number) -> str:
    for size, suffix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if max(abs(value), step) >= size:
            return "0" if value == 0 else f"{value / size:,.{_digits(step / size)}f} {suffix}"
    return f"{value:.0f}"


def _decimal(value: Number) -> str:
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.1f}"


def _tick_decimal(value: Number, step: Number) -> str:
    return _tick_count(value, step)


COUNT: Final = Unit(_grouped, _scaled, _tick_count, whole=True)
TOKENS: Final = Unit(_grouped, _scaled, _tick_count, whole=True)
MILLISECONDS: Final = Unit(_milliseconds, _milliseconds, _tick_milliseconds)
DOLLARS: Final = Unit(_dollars, _short_dollars, _tick_dollars)
SHARE: Final = Unit(_percent, _percent, _tick_percent)
BYTES: Final = Unit(_bytes, _bytes, _tick_bytes)
DECIMAL: Final = Unit(_decimal, _decimal, _tick_decimal)
"""Anything else: scores, rates, what a query of the user's own returns."""

UNITS: Final = {
    "count": COUNT,
    "tokens": TOKENS,
    "ms": MILLISECONDS,
    "usd": DOLLARS,
    "share": SHARE,
    "bytes": BYTES,
    "decimal": DECIMAL,
}
