"""Numbers and times as people read them; `-` for what has no value."""

from __future__ import annotations

from datetime import UTC, datetime


def count(value: float | None) -> str:
    """A whole number."""
    return "-" if value is None else f"{value:,.0f}"


def number(value: float | None) -> str:
    """A number with two places."""
    return "-" if value is None else f"{value:,.2f}"


def percent(value: float | None) -> str:
    """A share of 0 to 1."""
    return "-" if value is None else f"{value:.1%}"


def interval(low: float | None, high: float | None, show: str = ".1%") -> str:
    """The two ends of an interval, or nothing."""
    return "" if low is None or high is None else f"{low:{show}} to {high:{show}}"


def duration(milliseconds: float | None) -> str:
    """Milliseconds, as seconds where they are many."""
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else f"{milliseconds / 1000:,.2f} s"


def seconds(value: float | None) -> str:
    """Seconds, as milliseconds where they are few."""
    return duration(None if value is None else value * 1000)


def cost(usd: float | None) -> str:
    """Dollars; small amounts with the digits that tell them apart."""
    if usd is None:
        return "-"
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.6f}".rstrip("0")


def size(number_of_bytes: float | None) -> str:
    """Bytes as MB."""
    return "-" if number_of_bytes is None else f"{number_of_bytes / 1e6:,.0f} MB"


def volume(number_of_bytes: float | None) -> str:
    """Bytes, as kB where they are many."""
    if number_of_bytes is None:
        return "-"
    return f"{number_of_bytes:,.0f} B" if number_of_bytes < 9_999.5 else f"{number_of_bytes / 1e3:,.1f} kB"


def text(value: object) -> str:
    """Anything; nothing for None."""
    return "" if value is None else str(value)


def one_line(value: object) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text(value)[:400].split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def moment(iso: str) -> str:
    """A time in UTC, to the minute."""
    return f"{_read(iso):%Y-%m-%d %H:%M} UTC"


def clock(iso: str) -> str:
    """A time in UTC, to the second."""
    return f"{_read(iso):%Y-%m-%d %H:%M:%S}"


def _read(iso: str) -> datetime:
    return datetime.fromisoformat(iso).astimezone(UTC)


def change(now: float | None, before: float | None) -> str:
    """How a number compares with that of the period before; nothing where there was none."""
    if now is None or not before:
        return ""
    return f"{now / before - 1:+.0%}"
