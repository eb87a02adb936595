"""Tells receivers, by apprise. What it says of a failure holds no address, since addresses hold secrets."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from pf_monitor.alerts.rules import Severity

if TYPE_CHECKING:
    from apprise import Apprise, AppriseAsset, NotifyType

_apprise_logger: Final = logging.getLogger("apprise")
_apprise_logger.addHandler(logging.NullHandler())
_apprise_logger.propagate = False  # it logs addresses

_SHORTEST_SECRET: Final = 4

_WORTH_SAYING: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})


class NotificationError(Exception):
    """A notification was not delivered; the message says why, as far as apprise tells."""


def is_address(address: str) -> bool:
    """Whether apprise understands an address."""
    return _receiver(address) is not None


def send(address: str, title: str, body: str, severity: Severity, *, is_end: bool = False) -> None:
    """Deliver a notification, or fail in bounded time.

    Args:
        address: The receiver, as apprise writes it.
        title: One line.
        body: Plain text.
        severity: How bad it is.
        is_end: Whether an alert ends rather than starts.

    Raises:
        NotificationError: If it was not delivered.
    """
    from apprise import NotifyFormat

    receiver = _receiver(address)
    if receiver is None:
        raise NotificationError("apprise does not understand the address")
    kind = _kind(severity, is_end=is_end)
    with receiver.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT) as result:
        reasons = [entry.message for entry in result.logs() if entry.level in _WORTH_SAYING]
        delivered = bool(result)
    if not delivered:
        raise NotificationError(_without_secrets(reasons[-1], address) if reasons else "apprise does not say why")


def _receiver(address: str) -> Apprise | None:
    from apprise import Apprise

    receiver = Apprise(asset=_asset())
    return receiver if receiver.add(address) and len(receiver) == 1 else None


@cache
def _asset() -> AppriseAsset:
    """How apprise presents itself: by our name, and without pictures that a receiver would fetch from elsewhere."""
    from apprise import AppriseAsset

    return AppriseAsset(
        app_id="pf-monitor",
        app_desc="pf-monitor",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        secure_logging=True,
        async_mode=False,
    )


def _kind(severity: Severity, *, is_end: bool) -> NotifyType:
    from apprise import NotifyType

    if is_end:
        return NotifyType.SUCCESS
    if severity <= Severity.ERROR:
        return NotifyType.FAILURE
    return NotifyType.WARNING if severity == Severity.WARNING else NotifyType.INFO


def _without_secrets(reason: str, address: str) -> str:
    """What apprise says, with every part of the address blanked: most of them say nothing, one may be a token."""
    for part in sorted(set(re.split(r"[^\w.~-]+", address)), key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            reason = reason.replace(part, "***")
    return reason
