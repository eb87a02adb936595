"""What an answer of the ingestion service says about each item: taken, refused, or to be sent again."""

from __future__ import annotations

import email.utils
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SENT_AGAIN = frozenset({401, 402, 403, 408, 425, 429, 439, 500, 502, 503, 504})
"""Of a single item in a 206: whatever may be different next time."""

_OVER_QUOTA = frozenset({402, 439})
_TOO_LARGE = 413
_REFUSED = frozenset({400, 422})
_REDIRECTED = frozenset({301, 302, 307, 308})

_SERVICE = (
    ".applicationinsights.azure.com",
    ".applicationinsights.azure.us",
    ".applicationinsights.us",
    ".applicationinsights.azure.cn",
    ".applicationinsights.microsoft.com",
    ".services.visualstudio.com",
)
"""Domains of Application Insights: the only ones that a redirect may lead to, but for the host itself."""

_LONGEST_RETRY_AFTER_S = 3600.0


class Verdict(Enum):
    """What becomes of a batch."""

    TAKEN = "taken"
    AWAY = "away"
    """Not taken, and it may be next time."""
    OVER_QUOTA = "over quota"
    """Not taken, and it will not be soon."""
    TOO_LARGE = "too large"
    REFUSED = "refused"
    PARTLY = "partly"
    """Some items were taken; `again` and `refused` are the others."""
    UNCLEAR = "unclear"
    """It may have been taken or not: the answer does not say."""
    ELSEWHERE = "elsewhere"
    """`location` is where it shall be sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, understood.

    Attributes:
        verdict: What becomes of the batch.
        says: For people: what the service said.
        again: Of a batch that was taken partly: the items to be sent again, by index.
        refused: Likewise: the items that are refused for good.
        wait_s: How long the service wants to be left alone, in seconds; None when it does not say.
        location: Where a redirect leads.
    """

    verdict: Verdict
    says: str = ""
    again: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    wait_s: float | None = None
    location: str = ""


def understand(url: str, status: int, headers: Mapping[str, str], body: bytes, number: int) -> Answer:
    """Return what an answer means.

    Args:
        url: Where the batch was sent.
        status: The status code.
        headers: The headers, under lower-case names.
        body: The body, or as much of it as was read.
        number: How many items the batch has.
    """
    says = f"{status} {body[:200].decode(errors='replace')}".strip()
    wait_s = _retry_after(headers.get("retry-after", ""))
    if status in (200, 206):
        return _accepted(body, number, says, wait_s)
    if status in _REDIRECTED:
        location = headers.get("location", "")
        if (target := _may_lead_to(url, location)) is not None:
            return Answer(Verdict.ELSEWHERE, says, location=target)
        return Answer(Verdict.AWAY, f"{status}, a redirect to {location[:200] or 'nowhere'!r}")
    if status == _TOO_LARGE:
        return Answer(Verdict.TOO_LARGE, says)
    if status in _REFUSED:
        return Answer(Verdict.REFUSED, says)
    return Answer(Verdict.OVER_QUOTA if status in _OVER_QUOTA else Verdict.AWAY, says, wait_s=wait_s)


def _may_lead_to(url: str, location: str) -> str | None:
    """Return where a redirect leads, if it may be followed."""
    try:
        target = urljoin(url, location)
        return target if _is_trusted(urlsplit(url), urlsplit(target)) else None
    except ValueError:  # no address
        return None


def _is_trusted(here: SplitResult, there: SplitResult) -> bool:
    """Return whether telemetry may go there: the same host or one of the service's, never with less security."""
    if there.scheme not in ("http", "https") or (here.scheme == "https" and there.scheme != "https"):
        return False
    if there.hostname is None or there.username is not None:
        return False
    if there.hostname == here.hostname:
        return there.port == here.port or there.scheme == "https"
    return there.scheme == "https" and there.hostname.endswith(_SERVICE)


def _accepted(body: bytes, number: int, says: str, wait_s: float | None) -> Answer:
    try:
        told = orjson.loads(body)
        accepted, errors = told["itemsAccepted"], told.get("errors") or []
        failed = {error["index"]: error.get("statusCode") for error in errors}
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        return Answer(Verdict.UNCLEAR, says)
    if accepted == number and not errors:
        return Answer(Verdict.TAKEN)
    if accepted == 0 and not _is_consistent(failed, errors, accepted, number):
        return Answer(Verdict.AWAY, says, wait_s=wait_s)
    if not _is_consistent(failed, errors, accepted, number):
        return Answer(Verdict.UNCLEAR, says)
    again = tuple(sorted(index for index, status in failed.items() if status in _SENT_AGAIN))
    refused = tuple(sorted(set(failed) - set(again)))
    return Answer(Verdict.PARTLY, _summary(failed), again, refused, wait_s)


def _is_consistent(failed: Mapping[Any, Any], errors: Sequence[Any], accepted: Any, number: int) -> bool:
    """Return whether the errors name each item that was not accepted, once."""
    if len(failed) != len(errors) or accepted != number - len(errors):
        return False
    return all(type(index) is int and 0 <= index < number for index in failed)


def _summary(failed: Mapping[int, Any]) -> str:
    counted = Counter(failed.values())
    return "206 " + ", ".join(f"{number} items {status}" for status, number in counted.items())


def _retry_after(text: str) -> float | None:
    """Read `Retry-After`: seconds, or a date."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S)  # in this order NaN becomes 0
