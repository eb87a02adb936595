"""The demo's monitor: judges what the sample flow answered, by the stand-in, which needs no key and costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pf_monitor.demo.stage import FLOW
from pf_monitor.local import connection_string
from pf_monitor.quality.monitor import (
    Baseline,
    BaselineKind,
    Metric,
    Monitor,
    QualitySignal,
    Sampling,
    Target,
    TokenSignal,
    Window,
)
from pf_monitor.quality.reading import TelemetryReader
from pf_monitor.quality.report import RunReport, write
from pf_monitor.quality.run import run
from pf_monitor.quality.writing import Writer
from pf_monitor.views.source import Source

_METRICS: Final = ("groundedness", "relevance", "coherence", "fluency")
_PASS_RATE: Final = 0.7


def judge(
    source: Source, port: int, began: datetime, directory: Path, on_progress: Callable[[str, int, int], None]
) -> RunReport:
    """Judge every flow run since a time, write the scores beside the runs, and keep the report.

    Args:
        source: The local Application Insights.
        port: Its port.
        began: When the demo began to ask.
        directory: The data folder.
        on_progress: Is told how far it is.

    Raises:
        PromptError: The judge's prompts are not installed.
        LedgerError: Another monitor is running.
    """
    now = datetime.now(UTC)
    window = Window(size=now - began)
    metrics = tuple(Metric(name, _PASS_RATE) for name in _METRICS)
    monitor = Monitor(
        name="demo",
        signals=(
            QualitySignal("quality", metrics, sampling=Sampling(rate=1.0), window=window),
            TokenSignal("tokens", window=window),
        ),
        target=Target(flow=FLOW),
        baseline=Baseline(BaselineKind.NONE),
    )
    writer = Writer(connection_string(port), monitor.name, source)
    try:
        report = run(
            monitor,
            TelemetryReader(source, monitor.target),
            directory,
            writer,
            now=now,
            source_name=f"http://127.0.0.1:{port}",
            on_progress=on_progress,
        )
    finally:
        writer.close()
    write(report, directory)
    return report
