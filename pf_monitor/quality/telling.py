"""Tells the receivers of the alerts file what a run found, by the same notifications as the dashboard's alerts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pf_monitor.quality.monitor import Monitor
from pf_monitor.quality.notices import Notice, notices
from pf_monitor.quality.report import RunReport


def tell(monitor: Monitor, report: RunReport, directory: Path) -> list[str]:
    """Deliver what there is to tell.

    Args:
        monitor: The monitor, which may name the receivers; otherwise all of them are told.
        report: What a run of it found.
        directory: The data folder: the alerts file is in it.

    Returns:
        Who was not told, and why, in whole sentences; a run does not fail for it.
    """
    found = notices(monitor, report)
    return list(_tell(monitor, found, directory)) if found else []


def _tell(monitor: Monitor, found: list[Notice], directory: Path) -> Iterator[str]:
    from pf_monitor.alerts.config import FILE_NAME, ConfigError, read

    path = directory / FILE_NAME
    if not path.is_file():
        if monitor.alerts.emails or monitor.alerts.receivers:
            yield f"Nobody is told: there are no receivers in {path}. Write that file with: pf-monitor alerts new"
        return
    try:
        receivers = read(path).receivers
        for name in monitor.alerts.receivers or receivers:
            if name in receivers:
                yield from _deliver(name, receivers[name], found)
            else:
                yield f"{name} was not told: there is no receiver of this name in {path}. Write it there."
    except ConfigError as error:
        yield f"Nobody is told: {error}"
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        yield f"Nobody is told: '{error.name}' is not installed: pip install 'pf-monitor[alerts]'"


def _deliver(name: str, address: str, found: list[Notice]) -> Iterator[str]:
    from pf_monitor.alerts.notification import NotificationError, send
    from pf_monitor.alerts.rules import Severity

    for notice in found:
        try:
            send(address, notice.title, notice.body, Severity.ERROR if notice.is_failure else Severity.WARNING)
        except NotificationError as error:
            yield f"{name} was not told of {notice.title!r}: {error}"
