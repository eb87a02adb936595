"""Runs monitors on this machine: over a local Application Insights, from Python as from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pf_monitor.collected.places import Place as CollectedPlace
from pf_monitor.collected.places import PlaceError as CollectedPlaceError
from pf_monitor.collected.places import place as collected_place
from pf_monitor.local import (
    PORT,
    configured_token,
    connection_string,
    connection_string_at,
    default_directory,
)
from pf_monitor.local import url as local_url
from pf_monitor.local_server import RefusedError, ServerSource
from pf_monitor.quality import report as reports
from pf_monitor.quality.collected import CollectedReader
from pf_monitor.quality.judging.judge import Bench
from pf_monitor.quality.monitor import Columns, Monitor
from pf_monitor.quality.reading import Reader, TelemetryReader
from pf_monitor.quality.report import RunReport
from pf_monitor.quality.run import run
from pf_monitor.quality.telling import tell
from pf_monitor.quality.writing import Writer
from pf_monitor.settings import CONNECTION_STRING
from pf_monitor.views.source import Source


class PlaceError(Exception):
    """There is no telemetry to read; the message says what to do."""


class Place(NamedTuple):
    """Where flow runs come from, and where scores go.

    Attributes:
        source: What answers queries.
        name: What the report says that it read.
        connection_string: Of the Application Insights that scores are written to; empty where there is none.
        reader: What reads the runs; None for the source.
    """

    source: Source
    name: str
    connection_string: str
    reader: Reader | None = None


class Ran(NamedTuple):
    """What a run left.

    Attributes:
        report: Its report.
        path: Where that is kept.
    """

    report: RunReport
    path: Path


def run_monitor(
    monitor: Monitor | Path | str | object,
    *,
    collected: str | None = None,
    url: str | None = None,
    directory: Path | None = None,
) -> RunReport:
    """Run a monitor once, over a local Application Insights, or over collected data.

    Args:
        monitor: A file, a `MonitorSchedule` of azure-ai-ml, or a `Monitor`.
        collected: The folder or the blob container of collected data; None for what the monitor's production data
            names, if that is one.
        url: A running local Application Insights; None for the usual one, or else the store in the data folder.
        directory: The data folder: ledger, reports and alerts file are in it. None for the one that the commands use.

    Returns:
        The report, which is also kept in the data folder.

    Raises:
        MonitorFileError: Something is wrong with the monitor; the message has everything.
        PlaceError: There is no telemetry.
        LedgerError: Another run keeps the ledger.
        PromptError: A metric's prompt or function cannot be used.
        JudgeError: The judge is not set up.
    """
    from pf_monitor.quality.schedule_file import load

    meant = monitor if isinstance(monitor, Monitor) else load(monitor)
    folder = directory or default_directory()
    base = Path(monitor).absolute().parent if isinstance(monitor, Path | str) else None
    if places := collected_places(meant, collected, base):
        with over_collected(places, meant, url) as place:
            return run_at(place, meant, folder).report
    with this_machine(url, folder) as place:
        return run_at(place, meant, folder).report


def run_at(
    place: Place,
    monitor: Monitor,
    directory: Path,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    engine: Callable[..., Bench] = Bench,
) -> Ran:
    """Run a monitor, keep its report, and tell whom it is to be told.

    Args:
        place: Where flow runs come from, and where scores go.
        monitor: The monitor.
        directory: The data folder.
        on_progress: Is told what is being done, how much of it is done, and of how much.
        engine: Makes what judges; see `run`.

    Raises:
        OSError: The report cannot be written. For others see `run_monitor`.
    """
    with ExitStack() as resources:
        writer = None
        if place.connection_string:
            writer = Writer(place.connection_string, monitor.name, place.source)
            resources.callback(writer.close)
        reader = place.reader or TelemetryReader(place.source, monitor.target)
        report = run(monitor, reader, directory, writer, source_name=place.name, on_progress=on_progress, engine=engine)
    # Who was not told, and why, stands in the report: a run does not fail for it, and must not hide it.
    report = replace(report, notes=(*report.notes, *tell(monitor, report, directory)))
    return Ran(report, reports.write(report, directory))


@contextmanager
def this_machine(url: str | None, directory: Path) -> Iterator[Place]:
    """Give a running local Application Insights, within; where none runs, the store of the data folder is served.

    Args:
        url: The only one that is asked; None for the usual one, or else the store.
        directory: The data folder.

    Raises:
        PlaceError: There is none.
    """
    given = url or local_url(PORT)
    with ServerSource.connect(given) as server:
        if _is_up(server):
            yield Place(server, given, connection_string_at(given, configured_token()))
            return
    if url is not None:
        raise PlaceError(f"No local Application Insights answers at {url}. Start one with: pf-monitor up")
    if not directory.is_dir():
        raise PlaceError(
            f"There is no telemetry in {directory}. Run a monitored flow first, or name another place with --url"
        )
    with _served(directory) as place:
        yield place


def _is_up(server: ServerSource) -> bool:
    try:
        return server.is_up()
    except RefusedError as error:
        raise PlaceError(str(error)) from error


@contextmanager
def _served(directory: Path) -> Iterator[Place]:
    """Serve a store that nobody else has open, for as long as the run takes, so that scores can come in."""
    from pf_monitor.insights import StoreError
    from pf_monitor.insights.server import running

    with ExitStack() as resources:
        try:
            port = resources.enter_context(running(directory))
        except StoreError as error:
            raise PlaceError(f"{error}. Start the store's server with: pf-monitor up") from error
        source = resources.enter_context(ServerSource.connect(local_url(port)))
        yield Place(source, str(directory), connection_string(port))


def collected_places(monitor: Monitor, given: str | None, base: Path | None) -> list[CollectedPlace]:
    """Return where collected data lies: as is given, or else as the production data of the monitor says.

    Args:
        monitor: The monitor.
        given: A folder, or the URL of a container or of a folder in one; None for what the monitor says.
        base: The folder that paths in the monitor start from; None means the current one.

    Raises:
        PlaceError: It is no such place.
    """
    try:
        if given is not None:
            return [collected_place(given)]
        named = [data.path for signal in monitor.signals for data in signal.data if not data.is_asset]
        return [collected_place(address, base) for address in dict.fromkeys(named)]
    except CollectedPlaceError as error:
        raise PlaceError(str(error)) from error


@contextmanager
def over_collected(places: Sequence[CollectedPlace], monitor: Monitor, url: str | None) -> Iterator[Place]:
    """Give what reads collected data, within.

    Scores go to a running local Application Insights, or else to the one that
    `APPLICATIONINSIGHTS_CONNECTION_STRING` names; where there is none, report and ledger keep them.

    Args:
        places: Where it lies.
        monitor: The monitor.
        url: The running local Application Insights; None for the usual one.
    """
    columns = next((signal.columns for signal in monitor.quality_signals), Columns())
    given = url or local_url(PORT)
    name = ", ".join(place.name for place in places)
    with CollectedReader(places, monitor.target, columns) as reader, ServerSource.connect(given) as server:
        if _is_up(server):
            string = connection_string_at(given, configured_token())
        else:
            string = os.environ.get(CONNECTION_STRING, "")
        yield Place(server, name, string, reader)
